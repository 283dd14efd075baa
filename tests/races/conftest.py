"""Processes, a vendor and a database for races; what they leave behind is ended with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from leadfactory.database import Database
from tests.races.processes import Crew, Vendor, serve_vendor


@pytest.fixture
def crew() -> Iterator[Crew]:
    """Makes processes; none of them outlives the test."""
    made = Crew()
    yield made
    for member in made.members:
        member.close()


@pytest.fixture
def vendor(crew: Crew) -> Vendor:
    """The vendor of one test on a port of its own."""
    (process,) = crew.of(1, serve_vendor)
    return Vendor(f"http://127.0.0.1:{process.says()}")


@pytest.fixture
def url(database: Database) -> str:
    """The emptied database's address, for processes that connect by themselves."""
    return database.url.render_as_string(hide_password=False)
