"""From a unique business to its own website: each way it can end is a row with a reason, and nothing is bought twice."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import types
import uuid

import dns.rcode
import pytest
import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d01_targeting import campaigns, exclusions, planning
from leadfactory.d01_targeting.exclusion_values import Value
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d04_enrichment.enriching import enrich
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.database import Database
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from tests.unit.d04_enrichment.conftest import NOW, site_page

UNIT = CampaignDay("shops", NOW.date())
LISTING = {
    "id": "yelp-1", "name": "Joe's Pizza", "phone": "+12125550101", "coordinates": {"latitude": 40.7465, "longitude": -73.988},
    "location": {"address1": "12 W 30th St", "city": "New York", "state": "NY", "zip_code": "10001", "country": "US"}, "attributes": {},
}  # fmt: skip
PLACE = {
    "id": "place-1", "displayName": {"text": "Joe's Pizza"}, "nationalPhoneNumber": "(212) 555-0101", "websiteUri": "https://joes.example/",
    "location": {"latitude": 40.7465, "longitude": -73.988},
}  # fmt: skip
HOME = "<title>Joe's Pizza</title><p>12 W 30th St, New York, NY 10001 (212) 555-0101</p><a href='mailto:info@joes.example'>Write</a>"


@dataclasses.dataclass
class World:
    """What Google and the web answer, by our own fakes of the two clients."""

    places: list[dict] | Exception = dataclasses.field(default_factory=lambda: [PLACE])
    pages: dict[str, object] = dataclasses.field(default_factory=lambda: {"https://joes.example/": HOME})
    asked: list[str] = dataclasses.field(default_factory=list)

    @property
    def gateway(self):
        @contextlib.asynccontextmanager
        async def running(*, unit=None, asset=None):
            scope = types.SimpleNamespace(calls=0, spend_microusd=0)
            before = len(self.asked)
            yield scope
            scope.calls = len(self.asked) - before

        policies = types.SimpleNamespace(of=lambda vendor: types.SimpleNamespace(concurrency=4))
        return types.SimpleNamespace(
            running=running, about=lambda business: contextlib.nullcontext(), policies=policies
        )

    def microusd(self, item):
        return {"text_search_enterprise": 35_000, "place_details_enterprise": 20_000}[item]

    async def search_ids(self, query, *, latitude=None, longitude=None, radius_m=None, page_size=3):
        self.asked.append(query)
        if isinstance(self.places, Exception):
            raise self.places
        return [place["id"] for place in self.places][:page_size]

    async def details(self, place_id):
        self.asked.append(place_id)
        if isinstance(self.places, Exception):
            raise self.places
        found = [place for place in self.places if place["id"] == place_id]
        if not found:
            raise VendorRejected("places", "places/details", "not_found", status=404)
        return found[0]

    async def fetch(self, url):
        self.asked.append(url)
        answer = self.pages.get(url, VendorRejected("website", "page", "http_error", status=404))
        if isinstance(answer, Exception):
            raise answer
        return answer if not isinstance(answer, str) else site_page(answer, url=url)


@pytest.fixture
def run(database: Database, names):
    """Enriches one business of a day; the same business at every call."""
    clock, settings = Clock(start=NOW), Settings(env="test").model_copy(update={"website_resolver": names.address})
    with database.begin() as tx:
        campaigns.seed(
            tx, vertical="restaurant", places=[campaigns.PlaceSpec("zip", "10001")], quota=5, name="shops", now=NOW
        )
    planning.plan_day(UNIT, db=database, clock=clock)
    ids = {"campaign": UNIT.campaign, "cohort_on": UNIT.day}
    with database.begin() as tx:
        target = tx.scalar(sa.text("SELECT target_id FROM targets"))
        tx.execute(sa.insert(sourced_businesses).values(**ids, sourced_id=uuid.UUID(int=1), target_id=target, source="yelp",
                   yelp_id="yelp-1", rank=0, name_hmac=b"n", fetched_at=NOW, expires_at=NOW))  # fmt: skip
        tx.execute(
            sa.insert(unique_businesses).values(
                **ids, business_id=uuid.UUID(int=2), sourced_id=uuid.UUID(int=1), decided_at=NOW
            )
        )
        campaign_days.open_day(tx, UNIT, NOW)

    def once(world: World, *, listing: dict | None = LISTING, on: Clock = clock):
        with database.begin() as tx:
            content.purge(tx, NOW + dt.timedelta(days=9))
            if listing is not None:
                content.store(tx, "yelp", [content.Content("yelp-1", listing, NOW, NOW + dt.timedelta(hours=24))])
        return asyncio.run(enrich(UNIT, db=database, clock=on, settings=settings, places=world, website=world))

    return once


@pytest.fixture
def row(database: Database):
    def read() -> sa.Row:
        with database.begin() as tx:
            return tx.execute(sa.select(enriched_businesses)).one()

    return read


@pytest.mark.parametrize(("kind", "value"), [("domain", "joes.example"), ("address", "info@joes.example")])
def test_a_website_or_address_on_an_exclusion_list_is_not_kept(run, row, database, kind, value):
    hashes = KeyedHashes(Settings(env="test").suppression_key.get_secret_value())
    with database.begin() as tx:
        exclusions.add(tx, hashes, [Value(kind, value)], into="customers", label="test", campaign=None, now=NOW)
    run(World())
    got = row()
    assert (got.status, got.reason, got.retryable) == ("no_website", "excluded_customers", False)
    assert (got.site_url, got.site_host, got.contact_email, got.own_name, got.own_phone) == (None,) * 5


def test_the_own_website_gives_name_phone_address_and_mail_with_its_origin(run, row):
    report = run(World())
    got = row()
    assert (report.rows_in, report.rows_out, report.counts["ok"]) == (1, 1, 1)
    assert (got.status, got.place_match, got.place_id, got.site_source) == ("ok", "matched", "place-1", "places")
    assert (got.own_name, got.own_phone, got.own_address) == (
        "Joe's Pizza",
        "+12125550101",
        "12 W 30th St, New York, NY 10001",
    )
    assert (got.contact_email, got.contact_email_url, got.contact_email_how) == (
        "info@joes.example",
        "https://joes.example/",
        "mailto",
    )
    assert (got.country, got.state, got.timezone) == ("US", "NY", "America/New_York")
    assert got.expires_at - got.fetched_at == dt.timedelta(days=30)


def test_nothing_of_google_or_yelp_is_stored_but_ids(run, row):
    listing = LISTING | {"name": "Yelpword Pizza"}
    place = PLACE | {"displayName": {"text": "Googleword Pizza"}, "formattedAddress": "Googlestreet 1"}
    run(World(places=[place], pages={"https://joes.example/": "<title>Welcome</title>"}), listing=listing)
    text = str(row())
    assert "Googleword" not in text
    assert "Googlestreet" not in text
    assert "Yelpword" not in text
    assert row().own_name is None


def test_a_second_run_makes_no_call(run):
    world = World()
    run(world)
    asked = len(world.asked)
    report = run(world)
    assert (len(world.asked), report.calls, report.rows_reused, report.rows_out) == (asked, 0, 1, 1)


def test_the_contact_page_is_read_only_when_the_home_page_has_no_address(run, row):
    contact = "https://joes.example/contact"
    world = World(
        pages={
            "https://joes.example/": "<title>Joe's</title><a href='/contact'>Contact</a>",
            contact: "<p>hello@joes.example</p>",
        }
    )
    run(world)
    assert (row().contact_email, row().contact_email_url) == ("hello@joes.example", contact)
    assert world.asked[2:] == ["https://joes.example/", contact]


def test_a_contact_page_that_fails_is_noted_and_the_rest_is_kept(run, row):
    run(World(pages={"https://joes.example/": "<title>Joe's</title><a href='/contact'>Contact</a>"}))
    assert (row().status, row().contact_email, row().page_facts["contact_page_reason"]) == ("ok", None, "http_error")


def test_a_site_that_refuses_sellers_gives_no_address(run, row):
    run(World(pages={"https://joes.example/": HOME + "<p>No solicitation please.</p>"}))
    assert (row().status, row().contact_email, row().page_facts["no_solicitation"]) == ("ok", None, True)


@pytest.mark.parametrize(
    ("world", "status", "reason", "retryable"),
    [
        (World(places=[]), "no_website", "place_no_match", False),
        (World(places=[PLACE | {"websiteUri": None}]), "no_website", "none_known", False),
        (World(places=[PLACE | {"businessStatus": "CLOSED_PERMANENTLY"}]), "no_website", "closed_permanently", False),
        (World(places=[PLACE | {"websiteUri": "https://www.facebook.com/joes"}]), "no_website", "page_on_another_site", False),
        (World(places=VendorUnavailable("places", "search", "budget")), "unavailable", "places_budget", True),
        (World(places=VendorRejected("places", "search", "bad_request")), "unavailable", "places_bad_request", False),
        (World(pages={}), "unreachable", "http_error", False),
        (World(pages={"https://joes.example/": VendorRejected("website", "page", "robots")}), "unreachable", "robots", False),
        (World(pages={"https://joes.example/": VendorUnavailable("website", "page", "timeout")}), "unavailable", "site_timeout", True),
        (World(pages={"https://joes.example/": "<p>This domain is for sale</p>"}), "unreachable", "parked", False),
        (World(pages={"https://joes.example/": site_page("x", url="https://www.facebook.com/joes")}), "no_website", "redirects_to_another_site", False),
    ],
    ids=["unknown to google", "without a website", "closed", "a page on a network", "no budget", "google refuses", "not found", "robots",
         "timeout", "parked", "redirect to a network"],
)  # fmt: skip
def test_what_fails_is_a_row_with_its_reason(run, row, world, status, reason, retryable):
    report = run(world)
    got = row()
    assert (got.status, got.reason, got.retryable) == (status, reason, retryable)
    assert report.rows_open == int(retryable)
    assert report.rows_in == report.rows_out + report.rows_rejected + report.rows_open


def test_what_was_down_is_asked_again_and_what_was_refused_is_not(run, row):
    run(World(places=VendorUnavailable("places", "search", "timeout")))
    run(World())
    assert row().status == "ok"
    after = World(places=[])
    run(after)
    assert after.asked == []


def test_a_site_that_is_down_rests_before_google_is_paid_again(run, row):
    down = World(pages={"https://joes.example/": VendorUnavailable("website", "page", "timeout")})
    run(down)
    soon, later = World(), World()
    assert run(soon, on=Clock(start=NOW + dt.timedelta(minutes=59))).rows_open == 1
    assert soon.asked == []
    run(later, on=Clock(start=NOW + dt.timedelta(minutes=61)))
    assert row().status == "ok"


def test_yelps_own_word_for_the_website_is_used_when_google_knows_none(run, row):
    run(World(places=[]), listing=LISTING | {"attributes": {"business_url": "https://joes.example/"}})
    assert (row().status, row().site_source, row().place_match) == ("ok", "yelp", "no_match")


def test_content_that_is_gone_is_said_and_the_business_waits_for_it(run, row):
    world = World()
    run(world, listing=None)
    assert (row().reason, row().place_match, world.asked) == ("source_content_gone", "not_asked", [])
    run(world)
    assert row().status == "ok"


def test_a_day_that_is_over_buys_nothing(run, database):
    world = World()
    report = run(world, on=Clock(start=NOW + dt.timedelta(days=1)))
    assert world.asked == []
    assert "closed for sourcing" in " ".join(report.notes)


@pytest.mark.parametrize(
    ("address", "country", "state", "timezone"),
    [
        ("1 Corporate Plaza, Wilmington, DE 19801", "US", "NY", "America/New_York"),
        ("8 King St, Buffalo, NY 14201", "US", "NY", "America/New_York"),
    ],
    ids=["a chain's head office elsewhere", "the own address in the target's state"],
)
def test_where_a_business_is(run, row, address, country, state, timezone):
    run(World(pages={"https://joes.example/": f"<title>Joe's</title><p>{address}</p>"}))
    assert (row().country, row().state, row().timezone) == (country, state, timezone)


@pytest.mark.parametrize(("told", "country"), [("CA", "CA"), ("Kanada!", None)])
def test_a_site_of_another_country_is_not_assumed_to_be_american(run, row, told, country):
    data = '{"@type":"Store","address":{"streetAddress":"1 King St","addressCountry":"%s"}}' % told  # noqa: UP031
    run(World(pages={"https://joes.example/": f'<title>J</title><script type="application/ld+json">{data}</script>'}))
    assert row().country == country


def test_what_was_rejected_is_kept_as_id_confidence_and_codes_only(run, row):
    far = PLACE | {"id": "far", "displayName": {"text": "Joe's Pizza"}, "location": {"latitude": 37.2, "longitude": -93.3}, "nationalPhoneNumber": "(417) 555-0100"}  # fmt: skip
    report = run(World(places=[far]))
    got = row()
    assert (got.place_match, got.place_id, got.match_score, got.reason) == ("vetoed", None, None, "place_vetoed")
    assert got.rejected_candidate == {
        "place_id": "far", "confidence": 0.01, "evidence": ["phone_differs", "name_same", "around", "veto_another_town"]
    }  # fmt: skip
    assert report.chart["0.0–0.1"] == 1


def test_a_match_is_kept_with_its_confidence_and_evidence(run, row):
    report = run(World())
    assert float(row().match_score) > 0.99
    assert row().match_evidence == ["phone_same", "name_same", "near"]
    assert report.chart["0.9–1.0"] == 1


def test_each_field_says_where_it_comes_from(run, row):
    run(World())
    sources = row().field_sources
    assert sources["contact_email"] == {
        "source": "own_site", "url": "https://joes.example/", "fetched_at": NOW.isoformat(), "confidence": 0.95
    }  # fmt: skip
    assert sources["site_url"]["source"] == "places"
    assert sources["own_phone"]["confidence"] == 0.98  # the listing says the same
    assert sources["own_hours"] == {"source": "own_site", "reason": "not_on_the_site"}


def test_a_retry_asks_for_the_place_that_is_known(run, row):
    run(World(pages={"https://joes.example/": VendorUnavailable("website", "page", "timeout")}))
    assert row().place_id == "place-1"
    later = World()
    run(later, on=Clock(start=NOW + dt.timedelta(minutes=61)))
    assert later.asked == ["place-1", "https://joes.example/"]


YELPS = {"attributes": {"business_url": "https://joes-of-yelp.example/"}}
TWO = {"https://joes.example/": HOME, "https://joes-of-yelp.example/": HOME}
LIKELY = PLACE | {"nationalPhoneNumber": None}  # a place that is only probably the business


def test_a_website_that_was_named_is_not_overwritten_by_a_likely_ones(run, row):
    run(World(places=[LIKELY], pages=TWO), listing=LISTING | YELPS)
    assert (row().site_host, row().site_source) == ("joes-of-yelp.example", "yelp")


def test_a_website_that_is_gone_gives_way_to_the_other_that_was_named(run, row):
    run(World(places=[LIKELY], pages={"https://joes.example/": HOME}), listing=LISTING | YELPS)
    assert (row().status, row().site_host, row().site_source) == ("ok", "joes.example", "places")


def test_a_website_that_is_only_down_is_waited_for(run, row):
    down = VendorUnavailable("website", "page", "timeout")
    run(
        World(places=[LIKELY], pages={"https://joes.example/": HOME, "https://joes-of-yelp.example/": down}),
        listing=LISTING | YELPS,
    )
    assert (row().status, row().reason, row().site_source) == ("unavailable", "site_timeout", "yelp")


@pytest.mark.parametrize(
    ("records", "state", "reason", "email"),
    [
        ({}, "accepted", "mx", "info@joes.example"),
        ({("joes.example", "MX"): []}, "weak", "no_mx_but_address", "info@joes.example"),
        ({("joes.example", "MX"): ["0 ."]}, "refused", "null_mx", None),
        ({("joes.example", "MX"): [], ("joes.example", "A"): []}, "refused", "no_mail_server", None),
    ],
)
def test_an_address_is_kept_only_when_its_domain_can_take_mail(run, row, names, records, state, reason, email):
    names.said = records
    run(World())
    got = row()
    assert (got.contact_email_check, got.contact_email_check_reason, got.contact_email) == (state, reason, email)
    assert (got.contact_email_kind == "role") == (email is not None)
    if email is None:
        assert got.field_sources["contact_email"]["reason"] == reason


def test_the_next_address_is_taken_when_the_first_ones_domain_takes_no_mail(run, row, names):
    names.said = {("joes.example", "MX"): ["0 ."]}
    run(World(pages={"https://joes.example/": HOME + "<p>joes.pizza@gmail.com</p>"}))
    assert (row().contact_email, row().contact_email_kind) == ("joes.pizza@gmail.com", "free_mail")


@pytest.mark.parametrize(
    ("records", "state", "email"),
    [({}, "accepted", "info@joes.example"), ({("joes.example", "MX"): ["0 ."]}, "refused", None)],
)
def test_a_domain_that_nobody_could_ask_about_is_asked_again_without_a_call(run, row, names, records, state, email):
    names.codes = {"joes.example": dns.rcode.SERVFAIL}
    run(World())
    assert (row().contact_email, row().contact_email_check, row().contact_email_check_reason) == (
        "info@joes.example",
        "unknown",
        "resolver_silent",
    )
    names.codes, names.said = {}, records
    again = World()
    run(again)
    assert (row().contact_email_check, row().contact_email, again.asked) == (state, email, [])


def test_two_more_pages_are_read_at_most(run, row):
    links = (
        "<title>Joe's</title><a href='/about'>About</a><a href='/contact'>Contact</a><a href='/impressum'>Impressum</a>"
    )
    world = World(pages={"https://joes.example/": links, "https://joes.example/contact": "<p>Call</p>", "https://joes.example/about": "<p>a@joes.example</p>"})  # fmt: skip
    run(world)
    assert world.asked[2:] == [f"https://joes.example/{page}" for page in ("", "contact", "about")]
    assert (row().contact_email, row().contact_email_url) == ("a@joes.example", "https://joes.example/about")


@pytest.mark.parametrize(
    ("html", "field", "reason"),
    [
        ("<title>J</title>", "contact_email", "none_on_the_site"),
        ("<p>bob@agency.example</p>", "contact_email", "only_strangers_addresses"),
        (HOME + "<p>No solicitation.</p>", "contact_email", "asks_sellers_not_to_write"),
        ('<script type="application/ld+json">{"@type":"Store","address":{"streetAddress":"1 A","addressCountry":"CA"}}</script>', "country", "site_names_another_country"),
        ('<script type="application/ld+json">{"@type":"Store","address":{"streetAddress":"1 A","addressCountry":"Kanada!"}}</script>', "country", "country_unreadable"),
    ],
)  # fmt: skip
def test_what_is_unknown_or_unusable_has_its_reason(run, row, html, field, reason):
    run(World(pages={"https://joes.example/": html}))
    assert (row().status, row().field_sources[field]["reason"]) == ("ok", reason)


def test_a_site_under_another_countrys_domain_that_shows_nothing_american_is_not_assumed_to_be(run, row):
    place = PLACE | {"websiteUri": "https://joes.co.uk/"}
    run(World(places=[place], pages={"https://joes.co.uk/": "<title>Joe's</title>"}))
    assert (row().country, row().field_sources["country"]["reason"]) == (None, "site_of_another_country")


def test_a_page_in_another_language_says_which(run, row):
    html = "<html lang=en><body>" + "我们提供最好的比萨饼欢迎光临请致电预约营业时间周一至周五" * 2
    run(World(pages={"https://joes.example/": html}))
    assert (row().status, row().site_language) == ("ok", "zh")
