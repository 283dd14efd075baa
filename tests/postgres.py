"""The tests' Postgres: one embedded server a session, migrated once; every test starts with empty tables."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from leadfactory import embedded, migrate
from leadfactory.database import SCHEMA, Database
from leadfactory.settings import Settings
from leadfactory.tables import metadata
from tests.states import States

PREFIX = "lf-tests-"
FILLED = " UNION ALL ".join(
    f"SELECT '{SCHEMA}.{table.name}' WHERE EXISTS (SELECT FROM {SCHEMA}.{table.name})"
    for table in metadata.sorted_tables
)


def settings_for_tests(home: Path, **environment: str) -> Settings:
    """Settings as a process with these variables would see them, on the embedded server of ``home`` unless they say else."""
    names = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
    values = {names[name]: value for name, value in environment.items()}
    defaults = {"env": "test", "home": home, "database_url": None, "dagster_database_url": None}
    return Settings(**{**defaults, **values})  # type: ignore[arg-type]


def _sweep() -> None:
    """Ends what killed sessions left running."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = left.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            embedded.stop(left)
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[embedded.EmbeddedServer]:
    """A server of this session's own, without fsync, stopped and removed at its end."""
    _sweep()
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        server = embedded.ensure_running(home, fast=True)
        migrate.upgrade(settings_for_tests(home))
        yield server
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def _engines(postgres: embedded.EmbeddedServer) -> Iterator[tuple[Database, Database]]:
    app, owner = Database(postgres.url("app"), pool_size=10), Database(postgres.url("owner"))
    yield app, owner
    app.dispose()
    owner.dispose()


@pytest.fixture(scope="session")
def _states(postgres: embedded.EmbeddedServer) -> Iterator[States]:
    kept = States(postgres, "leadfactory")
    yield kept
    kept.close()


@pytest.fixture
def database(_engines: tuple[Database, Database], _states: States) -> Database:
    """The system of record as the application's role sees it, with empty tables."""
    _states.empty()
    return _engines[0]


@pytest.fixture
def once(database: Database, _states: States) -> Callable[[str, Callable[[], object]], None]:
    """``once(name, make)``: what ``make`` wrote into the tables, made for the first test that asks and put back for the others.

    Only for a ``make`` that does the same for each of them; ``name`` is of the session.
    """

    def stand(name: str, make: Callable[[], object]) -> None:
        if name in _states.kept:
            _states.restore(name)
        else:
            make()
            _states.keep(name)

    return stand


@pytest.fixture
def owner_database(database: Database, _engines: tuple[Database, Database]) -> Database:
    """The same database as the schema's owner."""
    return _engines[1]
