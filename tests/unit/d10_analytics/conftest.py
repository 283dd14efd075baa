"""A lake on disk beside the tests' Postgres."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadfactory.d10_analytics.export import ExportReport, export_lake
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import CLOCK, Cohorts
from tests.postgres import settings_for_tests


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """Settings of a test process with a lake of its own."""
    return settings_for_tests(tmp_path)


@pytest.fixture
def cohorts(database: Database) -> Cohorts:
    """An empty system of record that can be filled."""
    return Cohorts(database, seed=1)


@pytest.fixture
def export(database: Database, config: Settings) -> Callable[..., ExportReport]:
    """Exports what is behind."""
    return lambda **more: export_lake(db=database, clock=CLOCK, settings=config, **more)


@pytest.fixture
def lake(config: Settings) -> Callable[[str], pa.Table]:
    """Reads a file of the lake."""
    return lambda path: pq.read_table(Path(config.lake) / path, partitioning=None)
