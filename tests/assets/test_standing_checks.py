"""One standing check a room: red while an open campaign-day has a failing or missing verdict."""

from __future__ import annotations

import datetime as dt

import pytest

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns, planning
from leadfactory.database import Database
from leadfactory.quality import verdicts
from leadfactory_assets.d01_targeting import d01_standing, every_active_campaign_has_today

NOON = Clock(dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC))
UNIT = CampaignDay("dental-60601", dt.date(2026, 10, 6))


@pytest.fixture
def planned(database: Database) -> Database:
    with database.begin() as tx:
        campaigns.seed(
            tx,
            vertical="dental",
            places=[campaigns.PlaceSpec("zip", "60601")],
            quota=5,
            name=UNIT.campaign,
            now=NOON.now(),
        )
    planning.plan_day(UNIT, db=database, clock=NOON)
    return database


def judged(database: Database, *, passed: bool, number: int = 1) -> None:
    verdict = verdicts.Verdict("campaign_targets", UNIT, "campaign_targets", "1", bytes([number]), passed, 4, ())
    with database.begin() as tx:
        verdicts.record(tx, [verdict], NOON.now() + dt.timedelta(minutes=number))


def test_a_missing_verdict_is_red_and_named(planned: Database) -> None:
    result = d01_standing(db=planned, clock=NOON)
    assert not result.passed
    assert "dental-60601|2026-10-06 campaign_targets: missing" in str(result.metadata["campaign-days"])


def test_a_failing_verdict_is_red(planned: Database) -> None:
    judged(planned, passed=False)
    assert not d01_standing(db=planned, clock=NOON).passed


def test_the_newest_verdict_speaks(planned: Database) -> None:
    judged(planned, passed=False)
    judged(planned, passed=True, number=2)
    assert d01_standing(db=planned, clock=NOON).passed


def test_a_closed_campaign_day_is_nobodys_worry(planned: Database) -> None:
    with planned.begin() as tx:
        campaign_days.set_state(tx, UNIT, "closed", closed_at=NOON.now())
    assert d01_standing(db=planned, clock=NOON).passed


def test_an_active_campaign_without_today_is_named(database: Database) -> None:
    with database.begin() as tx:
        campaigns.seed(
            tx,
            vertical="dental",
            places=[campaigns.PlaceSpec("zip", "60601")],
            quota=5,
            name=UNIT.campaign,
            now=NOON.now(),
        )
    result = every_active_campaign_has_today(db=database, clock=NOON)
    assert not result.passed
    assert "dental-60601" in str(result.metadata["campaigns without today"])


def test_a_campaign_with_today_is_fine(planned: Database) -> None:
    assert every_active_campaign_has_today(db=planned, clock=NOON).passed
