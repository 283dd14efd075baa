"""A sandbox and settings for whole campaign-days, in the tests' own database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory.settings import Settings, settings
from sandbox.process import SandboxProcess, start

CLOCK = "2026-10-06T15:00:00+00:00"


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    """A sandbox of this test's own, at a fixed hour: its truth log holds what this test made it accept."""
    process = start(clock=CLOCK)
    yield process
    process.stop()


@pytest.fixture
def config(database: Database, sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Settings]:
    """Settings that point at the tests' database and this test's sandbox, for this process."""
    before = dict(os.environ)
    os.environ |= {
        "LEADFACTORY_ENV": "test",
        "LEADFACTORY_HOME": str(tmp_path / "home"),
        "LEADFACTORY_CLOCK": CLOCK,
        "LEADFACTORY_SANDBOX_URL": sandbox.base_url,
        "LEADFACTORY_DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False),
        "WEBSITE_CA_FILE": str(sandbox.ca_file),
    }
    settings.cache_clear()
    yield settings()
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()


@pytest.fixture
def launched(database: Database, config: Settings) -> Callable[..., CampaignDay]:
    """Seeds, configures and launches a campaign; returns today's campaign-day of it."""

    def make(name: str, vertical: str, place: campaigns.PlaceSpec, quota: int) -> CampaignDay:
        now = config.clock.now()
        with database.begin() as tx:
            campaigns.seed(tx, vertical=vertical, places=[place], quota=quota, name=name, now=now)
            campaigns.configure(
                tx, name, consent_basis="simulated", sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz",
                postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=5_000, top_share=1.0,
            )  # fmt: skip
            campaigns.launch(tx, name, now)
        return CampaignDay(name, config.clock.today())

    return make
