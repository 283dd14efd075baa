"""A campaign-day with a plan, and a Yelp of our own making that answers from a list."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import types
from collections.abc import Callable

import pytest

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.yelp import YelpPage
from leadfactory.d01_targeting import campaigns, planning
from leadfactory.settings import Settings

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


def business(number: int, **given) -> dict:
    """A Yelp listing as the API writes it."""
    return {
        "id": f"yelp-{number:05d}", "name": f"Shop {number} Unlike {number * 7919}", "phone": f"+1212{2000000 + number}", "is_closed": False,
        "coordinates": {"latitude": 40.70 + number * 0.001, "longitude": -73.99}, "attributes": {},
        "location": {"address1": f"{number} Elm St", "city": "New York", "state": "NY", "zip_code": "10001", "country": "US"},
    } | given  # fmt: skip


@dataclasses.dataclass
class FakeYelp:
    """Answers searches from ``listed``; ``failures`` maps an offset to what is raised there, once."""

    listed: list[dict]
    failures: dict[int, Exception] = dataclasses.field(default_factory=dict)
    asked: list[tuple[str, int]] = dataclasses.field(default_factory=list)

    @property
    def gateway(self):
        @contextlib.asynccontextmanager
        async def running(*, unit=None, asset=None):
            before = len(self.asked)
            scope = types.SimpleNamespace(calls=0, spend_microusd=0)
            yield scope
            scope.calls = len(self.asked) - before

        return types.SimpleNamespace(running=running)

    async def search(self, *, location, categories, limit, offset, radius_m=None) -> YelpPage:
        assert limit <= 50
        assert limit + offset <= 240
        if offset in self.failures:
            raise self.failures.pop(offset)
        self.asked.append((location, offset))
        return YelpPage(self.listed[offset : offset + limit], len(self.listed), NOW, NOW + dt.timedelta(hours=24))


@pytest.fixture
def clock() -> Clock:
    return Clock(start=NOW)


@pytest.fixture
def settings() -> Settings:
    return Settings(env="test", clock_spec=NOW.isoformat())


@pytest.fixture
def planned(database, clock) -> Callable[..., CampaignDay]:
    """Seeds and plans a campaign-day: ``planned(quota=120, zips=("10001",))``."""

    def make(*, quota: int, zips: tuple[str, ...] = ("10001",), name: str = "shops", on: Clock = clock) -> CampaignDay:
        unit = CampaignDay(name, on.today())
        with database.begin() as tx:
            specs = [campaigns.PlaceSpec("zip", code) for code in zips]
            campaigns.seed(tx, vertical="retail", places=specs, quota=quota, name=name, now=on.now())
        planning.plan_day(unit, db=database, clock=on)
        return unit

    return make
