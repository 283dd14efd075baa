"""Fills the ledgers of whole campaign-days at random, so that every state that a row can be in occurs."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.audit_log import audit_log
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.tables import vendor_calls
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d02_sourcing.tables import businesses, sourced_businesses, unique_businesses
from leadfactory.d03_assessment.tables import audit_findings, site_audits, site_insights
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.d06_reports.tables import audit_reports, report_deliveries
from leadfactory.d07_storefront.tables import money_entries, purchases
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery.tables import SEND_STATES, email_events, email_sends, send_outcomes
from leadfactory.database import Database
from tests.dbt.answers import answered

NOON = dt.datetime(2026, 10, 6, 12, 0, tzinfo=dt.UTC)
CLOCK = Clock(start=NOON)
NYC, LA = CampaignDay("restaurant-nyc", NOON.date()), CampaignDay("dental-la", NOON.date())
NYC_NEXT_DAY = CampaignDay("restaurant-nyc", NOON.date() + dt.timedelta(days=1))
UNITS = (NYC, LA, NYC_NEXT_DAY)
NO_UNIT = (businesses, money_entries, audit_log)  # tables whose rows do not name their campaign-day


class Cohorts:
    """Writes rows as the rooms would: with their flags, in one transaction a campaign-day."""

    def __init__(self, db: Database, seed: int) -> None:
        self.db, self.draw = db, random.Random(seed)
        self._known: list[uuid.UUID] = []

    def campaign(self, unit: CampaignDay) -> None:
        """The campaign of ``unit``, launched."""
        with self.db.begin() as tx:
            tx.execute(
                sa.insert(campaigns).values(
                    campaign=unit.campaign, vertical=unit.campaign.split("-")[0], state="launched", daily_quota=50,
                    top_share="0.250", starts_on=unit.day, consent_basis="simulated", created_at=NOON,
                    sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz", postal_address="500 Example Plaza",
                )
            )  # fmt: skip

    def day(self, unit: CampaignDay, listings: int = 25) -> None:
        """A campaign-day somewhere on its way, with its flags set."""
        rows: dict[str, list[dict[str, Any]]] = {}
        for number in range(listings):
            self._listing(unit, number, rows)
        with self.db.begin() as tx:
            campaign_days.open_day(tx, unit, dt.datetime.combine(unit.day, NOON.timetz()))
            for table in (
                sourced_businesses, businesses, unique_businesses, enriched_businesses, site_audits, audit_findings,
                site_insights, lead_scores, email_drafts, email_sends, send_outcomes, email_events, audit_log, purchases,
                money_entries, audit_reports, report_deliveries,
            ):  # fmt: skip
                of_unit = {} if table in NO_UNIT else {"campaign": unit.campaign, "cohort_on": unit.day}
                alike: dict[
                    tuple[str, ...], list[dict[str, Any]]
                ] = {}  # one statement for all rows with the same columns
                for row in rows.get(table.name, ()):
                    alike.setdefault(tuple(row), []).append(of_unit | row)
                for group in alike.values():
                    tx.execute(sa.insert(table), group)
            campaign_days.mark_dirty(tx, unit, *rows)
        self._known += [row["business_id"] for row in rows["businesses"]]

    def call(self, unit: CampaignDay | None, **changes: Any) -> uuid.UUID:
        """One attempt of a vendor call, settled unless told otherwise. The ledger sets no flags."""
        row = {
            "call_id": self._id(), "vendor": self.draw.choice(("yelp", "pagespeed", "openai")), "endpoint": "any", "asset": None,
            "campaign": unit.campaign if unit else None, "cohort_on": unit.day if unit else None, "attempt": 1, "units": 1,
            "status": "ok", "http_status": 200, "reserved_microusd": 900, "cost_microusd": self.draw.randint(0, 900),
            "latency_ms": 80, "cache_hit": False, "request_hash": b"\x00", "started_at": NOON, "settled_at": NOON,
            "occurred_on": NOON.date(),
        }  # fmt: skip
        with self.db.begin() as tx:
            tx.execute(sa.insert(vendor_calls).values(**row | changes))
        return (row | changes)["call_id"]

    def calls(self, unit: CampaignDay) -> None:
        """Calls in every state."""
        for _ in range(3):
            self.call(unit)
        self.call(unit, cache_hit=True, cost_microusd=0, reserved_microusd=0)
        self.call(unit, status="not_sent", cost_microusd=0)
        self.call(unit, status="started", cost_microusd=None, settled_at=None)
        self.call(unit, status="unknown", cost_microusd=900)

    def _id(self) -> uuid.UUID:
        return uuid.UUID(int=self.draw.getrandbits(128), version=4)

    def _listing(self, unit: CampaignDay, number: int, rows: dict[str, list[dict[str, Any]]]) -> None:
        def add(table: str, **row: Any) -> None:
            rows.setdefault(table, []).append(row)

        draw, at = self.draw, NOON + (unit.day - NOON.date())
        sourced_id = self._id()
        add("sourced_businesses", sourced_id=sourced_id, target_id=uuid.UUID(int=1), source="yelp", yelp_id=f"{unit.key}-{number}",
            rank=number + 1, fetched_at=at, expires_at=at + dt.timedelta(days=1))  # fmt: skip
        if draw.random() < 0.15:
            return  # merged into another listing
        twice = bool(self._known) and draw.random() < 0.15
        business_id = self._known.pop() if twice else self._id()
        add("unique_businesses", business_id=business_id, sourced_id=sourced_id, decided_at=at, duplicate_of=business_id if twice else None)  # fmt: skip
        if twice:
            add("lead_scores", business_id=business_id, tier="none", qualified=False, reason="known", components={}, rules_version="1",
                input_hash=b"", scored_at=at)  # fmt: skip
            return
        rows.setdefault("businesses", []).append(
            {
                "business_id": business_id,
                "first_campaign": unit.campaign,
                "first_cohort_on": unit.day,
                "registered_at": at,
            }
        )
        status = draw.choice(("ok", "ok", "ok", "no_website", "unreachable", "unavailable"))
        add("enriched_businesses", business_id=business_id, status=status, place_match="matched", fetched_at=at,
            own_name=f"Café № {number}" if status == "ok" else None, site_host=f"shop{number}.example" if status == "ok" else None,
            contact_email=f"info@shop{number}.example", page_facts={}, match_score="0.875")  # fmt: skip
        if status == "ok":
            self._audited(add, business_id, at)

    def _audited(self, add: Any, business_id: uuid.UUID, at: dt.datetime) -> None:
        draw, audit_id = self.draw, self._id()
        ok = draw.random() < 0.8
        add("site_audits", audit_id=audit_id, business_id=business_id, status="ok" if ok else "failed", fetched_at=at,
            reason=None if ok else "NO_FCP", performance=draw.randint(0, 100) if ok else None, cls="0.0213" if ok else None,
            total_bytes=5_200_000_000 if ok else None, expires_at=at + dt.timedelta(days=30))  # fmt: skip
        if ok:
            add("audit_findings", finding_id=self._id(), audit_id=audit_id, business_id=business_id, kind="slow", category="speed",
                severity=3, measured="6100.0000", unit="ms", threshold="2500.0000", source="largest-contentful-paint", evidence={},
                rules_version="1")  # fmt: skip
            add("site_insights", business_id=business_id, audit_id=audit_id, status="ok", source="rules", headline="Slow",
                prompt_version="1", fetched_at=at)  # fmt: skip
        qualified = False
        for version in range(1, draw.randint(1, 3) + 1):
            score = draw.randint(0, 100) if draw.random() < 0.9 else None
            qualified = score is not None and score > 30
            add("lead_scores", business_id=business_id, version=version, score=score, tier="B" if qualified else "none", rules_version="1",
                qualified=qualified, components={}, input_hash=b"", scored_at=at + dt.timedelta(minutes=version))  # fmt: skip
        if qualified:
            self._drafted(add, business_id, at)

    def _drafted(self, add: Any, business_id: uuid.UUID, at: dt.datetime) -> None:
        draw = self.draw
        for version in range(1, draw.randint(1, 2) + 1):
            draft_id = self._id()
            status = draw.choice(("drafted", "drafted", "rejected", "held_out"))
            add("email_drafts", draft_id=draft_id, business_id=business_id, step=1, version=version, status=status, wording="rules",
                subject="Your website", body_text="Hello", facts={}, template_version="1", content_hash=b"", price_cents=19_900,
                currency="USD", drafted_at=at)  # fmt: skip
            if status == "drafted":
                state = draw.choice(SEND_STATES)
                send: dict[str, Any] = {
                    "send_id": self._id(), "business_id": business_id, "step": 1, "draft_id": draft_id, "address_hmac": b"\x01",
                    "address_plus_hmac": b"\x01", "sender_email": "ana@mail.leadfactory.example", "state": state, "due_at": at,
                    "planned_at": at, "expires_at": at + dt.timedelta(days=3), "settled_at": at if state == "accepted" else None,
                }  # fmt: skip
                add("email_sends", **send)
                if state == "accepted":
                    answered(add, draw, self._id, send)
                return
