"""A few simulated days in a database of their own, with everything that may go wrong in them: one simulation serves the suite."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from cli import simulate
from cli.simulating import script
from leadfactory import embedded
from leadfactory.d10_analytics import postgres_marts
from leadfactory.database import Database
from leadfactory.settings import Settings, settings
from tests.postgres import settings_for_tests
from tests.states import copy_database, superuser_url

DATABASE = "dashboards"
DAYS = 3


@dataclasses.dataclass(frozen=True)
class Played:
    """A simulation that has ended: what the command said, and the settings of a process that looks at it."""

    told: dict[str, Any]
    home: Path
    config: Settings


def small_script(path: Path) -> None:
    """One small campaign; on its three days a vendor is out, addresses die, and buyers want their money."""
    whole = yaml.safe_load(script.PATH.read_text())
    whole["campaigns"] = {
        "restaurant-new-york": {"vertical": "restaurant", "zips": ["10001"], "quota": 12, "sender": "ana"}
    }
    whole["rates"] |= {
        "open": 0.9,
        "click": 0.9,
        "checkout": 1.0,
        "pay": 1.0,
        "refund": 0.0,
        "dispute": 0.0,
        "later": 0.3,
    }
    whole["rates"] |= {"bounce": 0.0, "blocked": 0.0, "unsubscribe": 0.0, "spamreport": 0.0}
    whole["events"] = [
        {"kind": "vendor_outage", "vendor": "pagespeed", "from_day": 1, "days": 2},
        {"kind": "bounce_spike", "rate": 0.4, "from_day": 2},
        {"kind": "refund_wave", "share": 0.5, "of_last_days": 3, "from_day": 3},
    ]
    path.write_text(yaml.safe_dump(whole))


@pytest.fixture(scope="session")
def played(postgres: embedded.EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """`leadfactory simulate --days 3`, run once."""
    folder = tmp_path_factory.mktemp("dashboards")
    copy_database(postgres, "leadfactory", DATABASE)
    with psycopg.connect(superuser_url(postgres, "postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {DATABASE} OWNER TO lf_owner")  # who may swap the schemas of the marts
    small_script(folder / "quarter.yaml")
    url, home = postgres.url("app", DATABASE), folder / "home"
    before, usual = dict(os.environ), script.PATH
    os.environ |= {"LEADFACTORY_DATABASE_URL": url, "LEADFACTORY_ENV": "test"}
    script.PATH = folder / "quarter.yaml"
    settings.cache_clear()
    try:
        simulate.simulate(days=DAYS, seed="demo", home=home, anew=False, json=True)
        told = json.loads((home / simulate.MARK).read_text())
        yield Played(told, home, settings_for_tests(home, LEADFACTORY_DATABASE_URL=url))
    finally:
        script.PATH = usual
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()


@pytest.fixture(scope="session")
def db(played: Played, postgres: Any) -> Iterator[Database]:
    """The simulation's database with its marts published in it."""
    owner = postgres.url("owner", DATABASE)
    if postgres_marts.live_version(owner) is None:
        postgres_marts.load(owner, played.config.warehouse)
        postgres_marts.swap(owner)
    found = Database.from_settings(played.config)
    yield found
    found.dispose()


@pytest.fixture(scope="session")
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
