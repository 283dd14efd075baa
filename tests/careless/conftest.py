"""A factory that a careless hand may touch: real webserver and daemon on dagster-postgres, a sandbox, an injected clock.

One stack serves the whole suite; every test brings campaigns of its own.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli import processes, stack
from cli.dagster_api import DagsterApi
from leadfactory import embedded
from leadfactory.database import SCHEMA, Database
from leadfactory.settings import ROOT, settings
from leadfactory.tables import metadata
from resources.dagster_home import prepare
from sandbox.process import SandboxProcess, start
from tests.careless.world import NOW, World

# The marts' location is left out: its import costs seconds, and nobody clicks on it here.
WORKSPACE = "load_from:\n  - python_module: {module_name: leadfactory_assets.definitions, location_name: factory}\n"
FIRST_DAY = "2025-06-01"  # so that Dagster knows 400 days before the injected clock


def free_port() -> int:
    """A port that the system picks: 3333 is the demo's, whose suite may run beside this one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxProcess]:
    """The vendors of the whole suite."""
    with start(clock=NOW.isoformat()) as process:
        yield process


@pytest.fixture(scope="session")
def environment(
    postgres: embedded.EmbeddedServer, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The variables of every process of the suite, this one included; the clock stands thirty days after the mails."""
    home = tmp_path_factory.mktemp("careless") / "home"
    before = dict(os.environ)
    ours = {
        "LEADFACTORY_ENV": "test",
        "LEADFACTORY_HOME": str(home),
        "LEADFACTORY_CLOCK": NOW.isoformat(),
        "LEADFACTORY_FIRST_DAY": FIRST_DAY,
        "LEADFACTORY_SANDBOX_URL": sandbox.base_url,
        "LEADFACTORY_DATABASE_URL": postgres.url("app"),
        "LEADFACTORY_BACKUP_DATABASE_URL": postgres.url("backup"),
        "DAGSTER_DATABASE_URL": postgres.url("dagster"),
        "WEBSITE_CA_FILE": str(sandbox.ca_file),
        "WEBSITE_MOST_REQUESTS": "6",  # nothing here looks at how much a crawl found
    }
    os.environ |= ours
    settings.cache_clear()
    os.environ |= prepare(settings())
    yield dict(os.environ)
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()


@pytest.fixture(scope="session")
def db(_engines: tuple[Database, Database], environment: dict[str, str]) -> Database:
    """The system of record as the application's role sees it; emptied once."""
    _empty(_engines[1])
    return _engines[0]


@pytest.fixture(scope="module")
def emptied(db: Database, _engines: tuple[Database, Database]) -> None:
    """Nothing is left of the modules before: reading four hundred copied campaign-days again and again shows nothing more."""
    _empty(_engines[1])


def _empty(owner: Database) -> None:
    names = ", ".join(f"{SCHEMA}.{table.name}" for table in metadata.sorted_tables)
    with owner.begin() as tx:
        tx.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


@pytest.fixture(scope="session")
def booting(environment: dict[str, str], db: Database) -> Iterator[tuple[processes.Process, DagsterApi]]:
    """``dagster dev``, started and not waited for: the world is built meanwhile."""
    home = Path(environment["LEADFACTORY_HOME"])
    (home / "workspace.yaml").write_text(WORKSPACE)
    port = free_port()
    argv = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", str(home / "workspace.yaml")]
    argv += ["-h", "127.0.0.1", "-p", str(port)]
    process = processes.start("Dagster", argv, env=environment, log=home / "logs" / "dagster.log", cwd=ROOT)
    with processes.stopping([process]):
        yield process, DagsterApi(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def api(booting: tuple[processes.Process, DagsterApi]) -> DagsterApi:
    """The webserver, when it answers and the factory's code location is loaded."""
    process, found = booting

    def loaded() -> bool:
        return stack.answers(f"{found.url}/server_info") and found.locations() == {"factory": "LOADED"}

    processes.wait_until(process, loaded, within_s=180)
    return found


@pytest.fixture(scope="session")
def world(db: Database, sandbox: SandboxProcess, environment: dict[str, str]) -> World:
    """What the tests build campaigns with and count by."""
    return World(db, sandbox)


@pytest.fixture
def at(environment: dict[str, str]) -> Iterator[Callable[[str], None]]:
    """Sets this process's clock; the stack's processes keep theirs."""

    def move(moment: str) -> None:
        os.environ["LEADFACTORY_CLOCK"] = moment
        settings.cache_clear()

    yield move
    move(environment["LEADFACTORY_CLOCK"])
