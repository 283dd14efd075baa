"""What a build reads: everything, or the files of campaign-days that are new, changed or gone since the published build."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from leadfactory.d10_analytics import columns, increments, lake_files
from leadfactory.d10_analytics.export import ExportReport, export_lake, parquet
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import CLOCK, LA, NYC, Cohorts

DAY = dt.date(2026, 10, 6)


def listed(config: Settings, *files: tuple[str, str, str]) -> None:
    """A lake whose manifest lists these (table, campaign, hash) of one day, and a registry."""
    at = dt.datetime(2026, 10, 6, tzinfo=dt.UTC)
    rows = [
        (table, campaign, DAY, f"{table}/date={DAY}/{campaign}.parquet", 1, sha, at) for table, campaign, sha in files
    ]
    rows.append(("campaigns", *columns.WHOLE, "campaigns/all/campaigns.parquet", 1, "r", at))
    lake_files.put(config.lake, lake_files.MANIFEST, parquet(increments.FILES, rows))


def published(config: Settings, project: str | None = None) -> None:
    """A published build of the lake as it is now."""
    config.warehouse.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(config.warehouse)) as made:
        made.execute("CREATE SCHEMA marts")
        made.execute(
            "CREATE TABLE marts.version AS SELECT 'b1' AS build_id, ? AS project_sha256",
            [project or increments.project_sha256()],
        )
        made.register("files", increments.scope(config, full=True).files)
        made.execute("CREATE TABLE marts.lake_files AS FROM files")


def test_without_a_published_build_everything_is_read(config: Settings) -> None:
    listed(config, ("email_sends", "a", "1"))
    assert increments.scope(config, full=False).changed is None


def test_new_changed_and_vanished_campaign_days_are_taken_anew(config: Settings) -> None:
    listed(config, ("email_sends", "same", "1"), ("email_sends", "changed", "1"), ("email_sends", "gone", "1"))
    published(config)
    listed(config, ("email_sends", "same", "1"), ("email_sends", "changed", "2"), ("purchases", "new", "1"))
    found = increments.scope(config, full=False)
    assert found.changed == {("changed", DAY), ("gone", DAY), ("new", DAY)}
    assert found.base_build == "b1"


def test_a_changed_registry_is_no_campaign_day(config: Settings) -> None:
    listed(config, ("email_sends", "same", "1"))
    published(config)
    assert increments.scope(config, full=False).changed == frozenset()


@pytest.mark.parametrize(("project", "full"), [("another project", False), (None, True)])
def test_another_project_or_a_wish_builds_everything_anew(config: Settings, project: str | None, full: bool) -> None:
    listed(config, ("email_sends", "same", "1"))
    published(config, project)
    assert increments.scope(config, full=full).base is None


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.fixture
def two_days(cohorts: Cohorts, export: Callable[..., ExportReport]) -> None:
    for unit in (NYC, LA):
        cohorts.campaign(unit)
        cohorts.day(unit, listings=5)
    export()


def test_an_increment_sees_its_campaign_days_the_registries_and_every_schema(two_days: None, config: Settings) -> None:
    everything = increments.scope(config, full=True)
    chosen = increments.Scope(config.warehouse, "b1", everything.files, frozenset({(NYC.campaign, NYC.day)}))
    with increments.view(config, chosen) as seen:
        names = set(files_of(seen))
    assert f"email_sends/date={NYC.day}/{NYC.campaign}.parquet" in names
    assert f"email_sends/date={LA.day}/{LA.campaign}.parquet" not in names
    assert {"campaigns/all/campaigns.parquet", "email_sends/_schema/empty.parquet"} <= names


def test_the_view_is_gone_after_the_build(two_days: None, config: Settings) -> None:
    with increments.view(config, increments.scope(config, full=True)) as seen:
        assert seen.is_dir()
    assert not seen.exists()
    assert Path(config.lake).is_dir()


def test_a_lake_in_an_object_store_gives_the_same_view(two_days: None, config: Settings, database: Database) -> None:
    there = config.model_copy(update={"lake_url": "memory://lake-of-increments"})
    export_lake(db=database, clock=CLOCK, settings=there)
    with increments.view(config, increments.scope(config, full=True)) as local:
        here = files_of(local)
    with increments.view(there, increments.scope(there, full=True)) as copied:
        assert files_of(copied) == here


def test_a_file_that_the_manifest_lists_and_the_store_lost_is_named(config: Settings) -> None:
    there = config.model_copy(update={"lake_url": "memory://lake-that-lost"})
    from leadfactory.d10_analytics.export import _put_schemas

    _put_schemas(there.lake)
    listed(there, ("email_sends", "a", "1"))
    lake_files.put(there.lake, "campaigns/all/campaigns.parquet", parquet(pa.schema([]), ()))
    with (
        pytest.raises(FileNotFoundError, match="email_sends/date=2026-10-06/a"),
        increments.view(there, increments.scope(there, full=True)),
    ):
        pass
