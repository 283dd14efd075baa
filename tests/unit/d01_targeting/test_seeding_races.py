"""Two operators at once: places that overlap are never both targeted, and one command given twice makes one campaign."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from leadfactory.d01_targeting import campaigns
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d01_targeting.tables import targets

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


@pytest.fixture
def at_once(database):
    """Seeds restaurants in these places, each in a transaction and a thread of its own; says which were made."""

    def seed(name: str, kind: str, place: str) -> str:
        try:
            with database.begin() as tx:
                specs = [PlaceSpec(kind, place)]
                made = campaigns.seed(tx, vertical="restaurant", places=specs, quota=10, name=name, now=NOW)
        except ValueError as error:
            return str(error)
        return "made" if made.created else "known"

    def all_of(*wanted: tuple[str, str, str]) -> list[str]:
        with ThreadPoolExecutor(len(wanted)) as pool:
            return list(pool.map(lambda each: seed(*each), wanted))

    return all_of


def test_of_two_overlapping_campaigns_one_is_made_and_one_is_told_why(at_once):
    told = sorted(at_once(("city", "city", "Chicago, IL"), ("zip", "zip", "60601")), key=len)
    assert told[0] == "made"
    assert "60601" in told[1]
    assert "Chicago, IL" in told[1]


def test_one_command_given_four_times_at_once_makes_one_campaign(at_once, database):
    told = at_once(*[("nyc", "zip", "10001")] * 4)
    assert sorted(told) == ["known", "known", "known", "made"]
    with database.begin() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(targets)) == 1


def test_neighbours_that_share_no_ground_are_both_made(at_once):
    assert at_once(("one", "zip", "60601"), ("two", "zip", "60602")) == ["made", "made"]
