"""From a row of the operator's file to a letter, without Yelp and without Google: the factory needs neither for an own list."""

from __future__ import annotations

import asyncio
import contextlib
import types

import pytest
import sqlalchemy as sa

from leadfactory.d00_gateway.errors import VendorRejected
from leadfactory.d01_targeting import campaigns, planning
from leadfactory.d02_sourcing import importing
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.uniqueness import unify
from leadfactory.d04_enrichment.enriching import enrich
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.settings import Settings
from tests.leads import CLOCK, TUESDAY, UNIT, Leads
from tests.unit.d02_sourcing.conftest import FakeYelp
from tests.unit.d04_enrichment.conftest import Names, site_page

FILE = """Company,Street,City,State,Zip,Phone,Website,Email
Joe's Pizza,12 W 30th St,New York,NY,10001,212-555-0101,www.joes.example,owner@joes.example
Nobody's Site,14 W 30th St,New York,NY,10001,212-555-0102,www.gone.example,
"""
HOME = "<html lang=en><title>Joe's Pizza</title><p>12 W 30th St, New York, NY 10001 (212) 555-0101</p><a href='mailto:info@joes.example'>Write</a>"


class Web:
    """The websites of the file; Google is not there at all."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def gateway(self):
        @contextlib.asynccontextmanager
        async def running(*, unit=None, asset=None):
            yield types.SimpleNamespace(calls=0, spend_microusd=0)

        policies = types.SimpleNamespace(of=lambda vendor: types.SimpleNamespace(concurrency=1))
        return types.SimpleNamespace(running=running, about=lambda _: contextlib.nullcontext(), policies=policies)

    def microusd(self, _):
        return 1

    async def search_text(self, query, **_):
        raise AssertionError(f"Google was asked for {query}")

    async def fetch(self, url):
        self.asked.append(url)
        if "joes" in url:
            return site_page(HOME, url=url)
        raise VendorRejected("website", "page", "dns")


@pytest.fixture
def enriched(database, tmp_path):
    """Imports, sources, unifies and enriches; gives the rows by host."""
    names = Names()  # every domain takes mail
    settings = Settings(env="test").model_copy(update={"website_resolver": names.address})
    keyless = settings.model_copy(update={"yelp_api_key": type(settings.yelp_api_key)("")})
    path = tmp_path / "customers.csv"
    path.write_text(FILE)
    with database.begin() as tx:
        specs = [campaigns.PlaceSpec("zip", "10001")]
        campaigns.seed(tx, vertical="restaurant", places=specs, quota=10, name=UNIT.campaign, now=TUESDAY)
        importing.import_file(
            tx, path, campaign=UNIT.campaign, consent_basis="simulated", mapping={}, now=TUESDAY, by="ana"
        )
        campaigns.configure(tx, UNIT.campaign, sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz", top_share=1.0,
                            postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=5_000)  # fmt: skip
    planning.plan_day(UNIT, db=database, clock=CLOCK)
    yelp, web = FakeYelp([]), Web()
    asyncio.run(source(UNIT, db=database, clock=CLOCK, settings=keyless, yelp=yelp))
    unify(UNIT, db=database, clock=CLOCK, settings=keyless)
    asyncio.run(enrich(UNIT, db=database, clock=CLOCK, settings=keyless, places=web, website=web))
    names.close()
    assert yelp.asked == []
    with database.begin() as tx:
        return {row.status: row for row in tx.execute(sa.select(enriched_businesses))}


def test_the_files_website_is_visited_and_its_address_kept_with_the_file_as_evidence(enriched):
    row = enriched["ok"]
    assert (row.site_source, row.place_match, row.site_host) == ("import", "not_asked", "www.joes.example")
    assert (row.contact_email, row.contact_email_how) == ("owner@joes.example", "import")
    assert row.contact_email_url == "import:customers.csv#2"
    assert (row.state, row.timezone) == ("NY", "America/New_York")


def test_a_website_of_the_file_that_is_gone_is_told(enriched):
    assert (enriched["unreachable"].site_source, enriched["unreachable"].reason) == ("import", "dns")


def test_an_imported_row_ends_in_a_letter(enriched, database):
    leads = Leads(database, Settings(env="test"))
    asyncio.run(leads.through("draft"))
    with database.begin() as tx:
        drafts = tx.execute(sa.select(email_drafts.c.business_id, email_drafts.c.status)).all()
    assert drafts == [(enriched["ok"].business_id, "drafted")]
