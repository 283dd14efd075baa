"""What counts in the funnel, one definition a test, on a campaign-day of one lead."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from leadfactory.d02_sourcing.tables import unique_businesses
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.d10_analytics.funnel import Funnel, calls_and_spend, funnel_from_ledgers
from leadfactory.database import Database
from tests.dbt.cohorts import LA, NOON, NYC, Cohorts

ONE = {"campaign": NYC.campaign, "cohort_on": NYC.day, "business_id": uuid.UUID(int=7)}


class Lead:
    """One business, to which rows are added."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def add(self, table: sa.Table, **row: Any) -> None:
        with self.db.begin() as tx:
            tx.execute(sa.insert(table).values(**ONE | row))

    def score(self, version: int, score: int | None, qualified: bool) -> None:
        self.add(lead_scores, version=version, score=score, qualified=qualified, tier="B", components={}, rules_version="1",
                 input_hash=b"", scored_at=NOON)  # fmt: skip

    def letter(self, version: int, status: str, step: int = 1) -> None:
        self.add(email_drafts, draft_id=uuid.uuid4(), version=version, status=status, step=step, wording="rules", facts={},
                 template_version="1", content_hash=b"", drafted_at=NOON)  # fmt: skip

    def send(self, state: str, step: int = 1) -> None:
        self.add(email_sends, send_id=uuid.uuid4(), step=step, draft_id=uuid.uuid4(), address_hmac=b"", address_plus_hmac=b"",
                 sender_email="ana@mail.leadfactory.example", state=state, due_at=NOON, expires_at=NOON, planned_at=NOON)  # fmt: skip

    @property
    def funnel(self) -> Funnel:
        with self.db.begin() as tx:
            return funnel_from_ledgers(tx, [NYC])[NYC]


@pytest.fixture
def lead(database: Database) -> Lead:
    return Lead(database)


def test_a_day_without_rows_is_all_zero(lead: Lead) -> None:
    assert lead.funnel == Funnel()


@pytest.mark.parametrize(("duplicate_of", "counted"), [(None, 1), (uuid.UUID(int=7), 0)])
def test_a_business_of_an_earlier_cohort_is_not_unique_here(
    lead: Lead, duplicate_of: uuid.UUID | None, counted: int
) -> None:
    lead.add(unique_businesses, sourced_id=uuid.uuid4(), decided_at=NOON, duplicate_of=duplicate_of)
    assert lead.funnel == Funnel(unique=counted)


@pytest.mark.parametrize(("status", "counted"), [("ok", 1), ("no_website", 0), ("unreachable", 0), ("unavailable", 0)])
def test_enriched_means_that_the_own_website_answered(lead: Lead, status: str, counted: int) -> None:
    lead.add(enriched_businesses, status=status, place_match="matched", fetched_at=NOON, page_facts={})
    assert lead.funnel == Funnel(enriched=counted)


@pytest.mark.parametrize(("status", "counted"), [("ok", 1), ("failed", 0), ("unavailable", 0)])
def test_audited_means_measured(lead: Lead, status: str, counted: int) -> None:
    lead.add(site_audits, audit_id=uuid.uuid4(), status=status, fetched_at=NOON, expires_at=NOON)
    assert lead.funnel == Funnel(audited=counted)


def test_a_score_of_zero_is_a_score(lead: Lead) -> None:
    lead.score(1, 0, False)
    assert lead.funnel == Funnel(scored=1)


def test_an_unknown_score_is_none(lead: Lead) -> None:
    lead.score(1, None, False)
    assert lead.funnel == Funnel()


def test_the_newest_version_of_a_score_counts(lead: Lead) -> None:
    lead.score(9, 80, True)
    lead.score(10, 10, False)
    assert lead.funnel == Funnel(scored=1)


@pytest.mark.parametrize(("status", "counted"), [("drafted", 1), ("rejected", 0), ("held_out", 0)])
def test_drafted_means_that_the_newest_letter_may_leave(lead: Lead, status: str, counted: int) -> None:
    lead.letter(1, "rejected" if counted else "drafted")
    lead.letter(2, status)
    assert lead.funnel == Funnel(drafted=counted)


def test_a_follow_up_is_no_second_lead(lead: Lead) -> None:
    lead.letter(1, "drafted", step=1)
    lead.letter(1, "drafted", step=2)
    assert lead.funnel == Funnel(drafted=1)


def test_every_accepted_letter_is_sent(lead: Lead) -> None:
    lead.send("accepted", step=1)
    lead.send("accepted", step=2)
    assert lead.funnel == Funnel(sent=2)


def test_an_unknown_letter_is_not_sent(lead: Lead) -> None:
    lead.send("unknown")
    assert lead.funnel == Funnel(unknown=1)


@pytest.mark.parametrize("state", ["planned", "claimed", "rejected", "expired", "refused"])
def test_a_letter_that_has_not_left_is_neither(lead: Lead, state: str) -> None:
    lead.send(state)
    assert lead.funnel == Funnel()


def test_rows_of_another_day_do_not_count(lead: Lead) -> None:
    lead.score(1, 80, True)
    with lead.db.begin() as tx:
        assert funnel_from_ledgers(tx, [LA]) == {LA: Funnel()}


@pytest.mark.parametrize(
    ("changes", "counted", "cost"),
    [
        ({"cost_microusd": 300}, 1, 300),
        ({"status": "started", "cost_microusd": None, "settled_at": None}, 1, 900),
        ({"status": "unknown", "cost_microusd": 900}, 1, 900),
        ({"status": "not_sent", "cost_microusd": 0}, 0, 0),
        ({"cache_hit": True, "cost_microusd": 0}, 0, 0),
    ],
    ids=["settled", "still open", "unknown", "not sent", "cached"],
)
def test_what_a_call_costs(
    cohorts: Cohorts, database: Database, changes: dict[str, Any], counted: int, cost: int
) -> None:
    cohorts.call(NYC, vendor="yelp", reserved_microusd=900, **changes)
    with database.begin() as tx:
        assert calls_and_spend(tx, [NYC]) == ({"yelp": counted} if counted else {}, cost)
