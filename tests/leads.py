"""Builds leads in the tests' database, from campaign to draft, and speaks for the vendors behind the clients' interfaces."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.campaign_days import open_day
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.openai import Parsed
from leadfactory.d00_gateway.pagespeed import PagespeedAnswer
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d02_sourcing.tables import unique_businesses
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d03_assessment.measurement import SiteMeasurement
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.database import Database
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

TUESDAY = dt.datetime(2026, 10, 6, 15, 0, tzinfo=dt.UTC)  # 11:00 in New York
CLOCK = Clock(start=TUESDAY)
UNIT = CampaignDay("restaurant-nyc", TUESDAY.date())
BAD_SITE = {"has_title": False, "tel_link_count": 0, "phone_visible": True, "hours_visible": False, "copyright_year": 2019,
            "images_without_alt": 9, "has_meta_description": False, "https": True}  # fmt: skip


def clock_at(moment: dt.datetime) -> Clock:
    """A clock that stands still."""
    return Clock(start=moment)


def lighthouse(**metrics: float) -> dict[str, Any]:
    """A small Lighthouse result: category scores in hundredths under their names, audits' numericValue under theirs."""
    scores = {"performance": 0.32, "seo": 0.6, "accessibility": 0.75, "best-practices": 0.9}
    values = {"largest-contentful-paint": 6100.0, "total-byte-weight": 5_200_000.0, "cumulative-layout-shift": 0.02}
    values |= {name.replace("_", "-"): value for name, value in metrics.items()}
    return {
        "lighthouseVersion": "13.4.1",
        "categories": {name: {"score": score} for name, score in scores.items()},
        "audits": {
            name: {"score": 0.1, "scoreDisplayMode": "numeric", "numericValue": value} for name, value in values.items()
        },
    }


class FakeGateway:
    """The part of the gateway that a stage uses around its client."""

    def __init__(self, settings: Settings) -> None:
        self.policies = Policies.for_settings(settings)
        self.scopes: list[tuple[CampaignDay | None, str | None]] = []
        self._scope = SimpleNamespace(calls=0, spend_microusd=0)

    @contextlib.asynccontextmanager
    async def running(self, *, unit: CampaignDay | None = None, asset: str | None = None) -> AsyncIterator[Any]:
        self.scopes.append((unit, asset))
        self._scope = SimpleNamespace(calls=0, spend_microusd=0)
        yield self._scope

    @contextlib.contextmanager
    def about(self, business_id: uuid.UUID) -> Iterator[None]:
        yield

    def count(self) -> None:
        """One call."""
        self._scope.calls += 1


class FakeVendor:
    """A client whose answers come from ``answer``: a function of what was asked, which may raise."""

    def __init__(self, settings: Settings, answer: Callable[..., Any]) -> None:
        self.gateway, self._answer = FakeGateway(settings), answer
        self.asked: list[Any] = []

    def _reply(self, asked: Any) -> Any:
        self.asked.append(asked)
        self.gateway.count()
        return self._answer(asked)


class FakePagespeed(FakeVendor):
    """PageSpeed: ``answer(url)`` gives a lighthouseResult, ``desktop(url)`` that of a computer; ``field`` goes with each, read ``read_at``."""

    def __init__(
        self,
        settings: Settings,
        answer: Callable[..., Any],
        desktop: Callable[..., Any] | None = None,
        *,
        field: dict[str, Any] | None = None,
        read_at: dt.datetime = TUESDAY,
    ) -> None:
        super().__init__(settings, answer)
        self._desktop, self._field, self._read_at = desktop, field, read_at

    async def run(self, url: str, *, strategy: str = "mobile") -> PagespeedAnswer:
        if strategy == "desktop" and self._desktop is not None:
            return PagespeedAnswer(self._desktop(url), None, url, b"\x02" * 32, self._read_at)
        return PagespeedAnswer(self._reply(url), self._field, url, b"\x01" * 32, self._read_at)


class FakeOpenAI(FakeVendor):
    """The model: ``answer(asked)`` gives the plain values of the schema; ``asked`` has instructions and input_text."""

    async def parse(self, *, instructions: str, input_text: str, schema: Any, max_output_tokens: int, model: str | None = None) -> Parsed[Any]:  # fmt: skip
        values = self._reply(SimpleNamespace(instructions=instructions, input_text=input_text, schema=schema))
        return Parsed(schema.model_validate(values), "gpt-5-mini", 400, 80, 260)


class FakeSendGrid(FakeVendor):
    """The mailer: ``answer(mail)`` gives a message id."""

    name = "sendgrid"

    async def send(self, mail: Any) -> str:
        return str(self._reply(mail))


@dataclasses.dataclass(frozen=True)
class Seed:
    """One business with a website, as D4 would have left it."""

    business_id: uuid.UUID
    email: str | None
    host: str


class Leads:
    """Fills the tables in front of a room. Every method commits."""

    def __init__(self, db: Database, settings: Settings, unit: CampaignDay = UNIT) -> None:
        self.db, self.settings, self.unit = db, settings, unit
        self.hashes = KeyedHashes(settings.suppression_key.get_secret_value())
        self._facts: dict[uuid.UUID, dict[str, Any] | None] = {}

    def campaign(self, **changes: Any) -> None:
        """A launched campaign of simulated recipients."""
        values = {
            "campaign": self.unit.campaign, "vertical": "restaurant", "state": "launched", "daily_quota": 100, "top_share": 1,
            "starts_on": self.unit.day, "consent_basis": "simulated", "sender_email": "ana@mail.leadfactory.example",
            "sender_name": "Ana Ruiz", "postal_address": "LeadFactory, 500 Example Plaza, Wilmington, DE 19801",
            "budget_cents": 5_000, "created_at": TUESDAY,
        }  # fmt: skip
        with self.db.begin() as tx:
            tx.execute(sa.insert(campaigns).values(**values | changes))
            open_day(tx, self.unit, TUESDAY)

    def business(
        self, number: int = 1, *, email: str | None = "", unique: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = BAD_SITE, **changes: Any,
    ) -> Seed:  # fmt: skip
        """A unique business with an enriched row; ``email`` is made up unless given. ``facts`` are what a crawl will have found, None when it was let in nowhere."""
        business_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{self.unit.key}:{number}")
        host = changes.pop("site_host", f"shop{number}.example")
        self._facts[business_id] = facts
        address = f"info@{host}" if email == "" else email
        cohort = {"campaign": self.unit.campaign, "cohort_on": self.unit.day, "business_id": business_id}
        row = {
            **cohort, "status": "ok", "place_match": "matched", "site_url": f"https://{host}/", "site_host": host,
            "site_domain_hmac": self.hashes.domain(host), "own_name": f"Shop {number}", "contact_email": address,
            "contact_email_hmac": self.hashes.address(address) if address else None, "contact_email_check": "accepted", "country": "US",
            "timezone": "America/New_York", "page_facts": {"no_solicitation": False}, "fetched_at": TUESDAY,
        }  # fmt: skip
        with self.db.begin() as tx:
            tx.execute(
                sa.insert(unique_businesses).values(
                    **cohort, sourced_id=uuid.uuid4(), decided_at=TUESDAY, **(unique or {})
                )
            )
            if changes.pop("enriched", True):
                tx.execute(sa.insert(enriched_businesses).values(**row | changes))
        return Seed(business_id, address, host)

    def rows(self, statement: Any) -> list[Any]:
        """What a query gives."""
        with self.db.begin() as tx:
            return list(tx.execute(statement))

    def crawled(self) -> None:
        """The crawls of the websites that have no audit yet, kept as an outage of PageSpeed keeps them: only the lab is asked."""
        e, moment = enriched_businesses, sa.func.coalesce(enriched_businesses.c.fetched_at, TUESDAY)
        waiting = sa.select(e.c.business_id, e.c.site_url, moment.label("at")).where(
            e.c.campaign == self.unit.campaign, e.c.cohort_on == self.unit.day, e.c.status == "ok"
        )
        with self.db.begin() as tx:
            for row in tx.execute(waiting).all():
                facts = self._facts.get(row.business_id, BAD_SITE)  # of a lead that others made: the usual
                reason = "http_error" if facts is None else None
                found = SiteMeasurement(row.site_url, row.site_url, row.at, reason, facts or {}, {}, {}, {})
                tx.execute(
                    insert(site_audits).on_conflict_do_nothing().values(
                        campaign=self.unit.campaign, cohort_on=self.unit.day, business_id=row.business_id, audit_id=uuid.uuid4(),
                        status="unavailable", reason="breaker_open", pagespeed_reason="breaker_open", retryable=True, strategy="mobile",
                        requested_url=row.site_url, measurement=found.plain(), technologies=[], fetched_at=row.at, expires_at=row.at,
                        rules_version=catalogue().version,
                    )
                )  # fmt: skip

    async def audit(self, pagespeed: FakePagespeed, *, clock: Clock = CLOCK) -> StageReport:
        """The audit of websites whose crawls are there: ``pagespeed`` answers, and the web is not asked."""
        from leadfactory.d03_assessment.auditing import audit

        self.crawled()
        nobody = WebsiteClient(Gateway(self.db, clock=clock, settings=self.settings), self.settings)
        return await audit(self.unit, db=self.db, clock=clock, pagespeed=pagespeed, website=nobody)

    async def through(self, room: str, *, model: Callable[..., Any] | None = None, clock: Clock = CLOCK) -> None:
        """Runs the rooms from the audit up to and including ``room``: audit, score, assign or draft."""
        from leadfactory.d05_scoring.scoring import score
        from leadfactory.d08_personalization.drafting import draft
        from leadfactory.d11_experiments.assignment import assign

        rooms = ("audit", "score", "assign", "draft")
        for name in rooms[: rooms.index(room) + 1]:
            if name == "audit":
                await self.audit(FakePagespeed(self.settings, lambda url: lighthouse()), clock=clock)
            elif name == "score":
                score(self.unit, db=self.db, clock=clock)
            elif name == "assign":
                assign(self.unit, db=self.db, clock=clock)
            else:
                openai = FakeOpenAI(self.settings, model or model_down)
                await draft(self.unit, db=self.db, clock=clock, settings=self.settings, openai=openai)


def model_down(asked: Any) -> Any:
    """A model that is not there: the rules' words stand in."""
    raise VendorUnavailable("openai", "responses", "breaker_open", left_the_house=False)
