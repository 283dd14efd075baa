"""The tests' Postgres: one embedded server a session, migrated once; every test starts with empty tables."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from leadfactory import embedded, migrate
from leadfactory.database import SCHEMA, Database
from leadfactory.settings import Settings
from leadfactory.tables import metadata


def settings_for_tests(home: Path, **environment: str) -> Settings:
    """Settings as a process with these variables would see them; the environment of the tests is left as it is."""
    names = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
    values = {names[name]: value for name, value in environment.items()}
    return Settings(**{"env": "test", "home": home, **values})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def postgres() -> Iterator[embedded.EmbeddedServer]:
    """A server of this session's own, without fsync, stopped and removed at its end."""
    home = Path(tempfile.mkdtemp(prefix="lf-tests-"))
    home.chmod(0o700)
    server = embedded.ensure_running(home, fast=True)
    os.environ.pop("LEADFACTORY_DATABASE_URL", None)
    migrate.upgrade(settings_for_tests(home))
    yield server
    embedded.stop(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def _engines(postgres: embedded.EmbeddedServer) -> Iterator[tuple[Database, Database]]:
    app, owner = Database(postgres.url("app"), pool_size=10), Database(postgres.url("owner"))
    yield app, owner
    app.dispose()
    owner.dispose()


@pytest.fixture
def database(_engines: tuple[Database, Database]) -> Database:
    """The system of record as the application's role sees it, with empty tables."""
    app, owner = _engines
    tables = ", ".join(f"{SCHEMA}.{table.name}" for table in metadata.sorted_tables)
    with owner.begin() as tx:
        tx.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    return app


@pytest.fixture
def owner_database(database: Database, _engines: tuple[Database, Database]) -> Database:
    """The same database as the schema's owner."""
    return _engines[1]
