"""A launched campaign in front of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.leads import Leads
from tests.postgres import settings_for_tests


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """Settings of a test process."""
    return settings_for_tests(tmp_path)


@pytest.fixture
def leads(database: Database, config: Settings) -> Leads:
    """An empty launched campaign."""
    made = Leads(database, config)
    made.campaign()
    return made
