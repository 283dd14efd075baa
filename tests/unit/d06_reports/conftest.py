"""Leads in front of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadfactory.database import Database
from tests.leads import Leads
from tests.postgres import settings_for_tests


@pytest.fixture
def leads(database: Database, tmp_path: Path) -> Leads:
    """An empty launched campaign."""
    made = Leads(database, settings_for_tests(tmp_path))
    made.campaign()
    return made
