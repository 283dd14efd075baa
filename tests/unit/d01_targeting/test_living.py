"""Which campaigns Dagster must know, and which of its partitions may go."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.campaign_days import campaign_days, open_day
from leadfactory.d01_targeting import campaigns
from leadfactory.d01_targeting.places import PlaceSpec

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=30)


@pytest.fixture
def tx(database):
    with database.begin() as connection:
        yield connection


@pytest.fixture
def seeded(tx):
    """Seeds a campaign in a ZIP code and leaves it in a state."""

    def make(name: str, code: str, state: str) -> str:
        places = [PlaceSpec("zip", code)]
        campaigns.seed(tx, vertical="restaurant", places=places, quota=10, name=name, now=NOW)
        tx.execute(
            sa.text("UPDATE campaigns SET state = :state WHERE campaign = :name"), {"state": state, "name": name}
        )
        return name

    return make


def test_all_campaigns_live_but_the_closed(tx, seeded):
    for number, state in enumerate(("draft_only", "launched", "paused", "closed")):
        seeded(state.replace("_", "-"), f"1000{number + 1}", state)
    assert campaigns.living(tx) == ["draft-only", "launched", "paused"]


def test_a_closed_campaign_with_a_later_event_is_not_silent(tx, seeded):
    unit = CampaignDay(seeded("old", "10001", "closed"), NOW.date())
    open_day(tx, unit, NOW)
    tx.execute(sa.update(campaign_days).values(last_event_at=LATER))
    assert campaigns.silent_since(tx, LATER) == []
    assert campaigns.silent_since(tx, LATER + dt.timedelta(seconds=1)) == ["old"]


def test_a_day_that_was_opened_later_counts_as_a_sign_of_life(tx, seeded):
    open_day(tx, CampaignDay(seeded("old", "10001", "closed"), LATER.date()), LATER)
    assert campaigns.silent_since(tx, NOW + dt.timedelta(days=1)) == []


def test_the_latest_of_many_days_decides(tx, seeded):
    seeded("old", "10001", "closed")
    for days in (0, 30, 10):
        at = NOW + dt.timedelta(days=days)
        open_day(tx, CampaignDay("old", at.date()), at)
    assert campaigns.silent_since(tx, NOW + dt.timedelta(days=11)) == []


@pytest.mark.parametrize("state", ["draft_only", "launched", "paused"])
def test_a_campaign_that_is_not_closed_is_never_pruned(tx, seeded, state):
    seeded("alive", "10001", state)
    assert campaigns.silent_since(tx, NOW + dt.timedelta(days=999)) == []
