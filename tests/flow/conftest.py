"""A sandbox and settings for whole campaign-days, in the tests' own database."""

from __future__ import annotations

import contextlib
import functools
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


@contextlib.contextmanager
def pointing_at(url: str, sandbox: SandboxProcess, home: Path) -> Iterator[Settings]:
    """Settings of this process, of a database and a sandbox; what the environment was comes back."""
    before = dict(os.environ)
    os.environ |= {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(home), "LEADFACTORY_CLOCK": CLOCK, "LEADFACTORY_SANDBOX_URL": sandbox.base_url,
        "LEADFACTORY_DATABASE_URL": url, "WEBSITE_CA_FILE": str(sandbox.ca_file),
    }  # fmt: skip
    settings.cache_clear()
    yield settings()
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()


def launch(
    db: Database, config: Settings, name: str, vertical: str, place: campaigns.PlaceSpec, quota: int
) -> CampaignDay:
    """Seeds, configures and launches a campaign; today's campaign-day of it."""
    now = config.clock.now()
    with db.begin() as tx:
        campaigns.seed(tx, vertical=vertical, places=[place], quota=quota, name=name, now=now)
        campaigns.configure(
            tx, name, consent_basis="simulated", sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz",
            postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=5_000, top_share=1.0,
        )  # fmt: skip
        campaigns.launch(tx, name, now)
    return CampaignDay(name, config.clock.today())


@pytest.fixture
def config(database: Database, sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Settings]:
    """Settings that point at the tests' database and this test's sandbox, for this process."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with pointing_at(url, sandbox, tmp_path / "home") as found:
        yield found


@pytest.fixture
def launched(database: Database, config: Settings) -> Callable[..., CampaignDay]:
    """Seeds, configures and launches a campaign; returns today's campaign-day of it."""
    return functools.partial(launch, database, config)
