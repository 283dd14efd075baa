"""A home and a database for commands that run in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def cli_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def cli_env(database: object) -> dict[str, str]:
    """Points a command at the tests' own Postgres, whose tables the ``database`` fixture has emptied."""
    url = database.url.render_as_string(hide_password=False)  # type: ignore[attr-defined]
    return {"LEADFACTORY_DATABASE_URL": url.replace("postgresql+psycopg", "postgresql")}
