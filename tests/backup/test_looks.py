"""The scheduled look at files: what is damaged is a row by area, an alert's figure, and a failed run; what was mended is neither."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import duckdb
import pytest
import sqlalchemy as sa

import leadfactory_assets.auditing
from leadfactory.backup import damage, looks
from leadfactory.backup.tables import file_looks
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory_assets.auditing import files_whole
from schedules.auditing import files_daily, warehouse_hourly
from tests.postgres import settings_for_tests


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with a published warehouse."""
    settings = settings_for_tests(tmp_path)
    _publish(settings)
    monkeypatch.setattr(leadfactory_assets.auditing, "settings", lambda: settings)
    return settings


def _publish(settings: Settings) -> None:
    settings.warehouse.parent.mkdir(parents=True, exist_ok=True)
    settings.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(settings.warehouse)) as opened:
        opened.execute("CREATE TABLE leads AS SELECT range AS n, md5(range::text) AS name FROM range(50000)")


def _overwrite(settings: Settings) -> None:
    content = bytearray(settings.warehouse.read_bytes())
    third = len(content) // 3
    content[third : third + 20_000] = b"\xff" * 20_000
    settings.warehouse.write_bytes(content)


def _rows(database: Database) -> dict[str, int]:
    with database.begin() as tx:
        return {row.area: row.broken for row in tx.execute(sa.select(file_looks))}


def test_what_is_whole_is_written_down_as_whole(database: Database, config: Settings) -> None:
    looks.note(database, config)
    assert _rows(database) == {"lake": 0, "blobs": 0, "warehouse": 0}


def test_an_overwritten_warehouse_is_counted_until_it_is_built_again(database: Database, config: Settings) -> None:
    _overwrite(config)
    found = looks.note(database, config)
    damaged = _rows(database)
    _publish(config)
    looks.note(database, config)
    assert [each.path for area in found for each in area.broken] == [config.warehouse.name]
    assert (damaged["warehouse"], _rows(database)["warehouse"]) == (1, 0)


def test_what_was_replaced_between_two_looks_is_not_damage(
    database: Database, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _overwrite(config)
    really, seen = damage.look, []

    def published_after_the_first(*arguments: object) -> object:
        seen.append(really(*arguments))  # type: ignore[arg-type]
        _publish(config)
        return seen[-1]

    monkeypatch.setattr(damage, "look", published_after_the_first)
    looks.note(database, config)
    assert [len(each.broken) for each in seen[0]] == [0, 0, 1]
    assert _rows(database)["warehouse"] == 0


def test_the_job_fails_and_names_the_file(database: Database, config: Settings) -> None:
    _overwrite(config)
    run = files_whole.execute_in_process(resources={"db": database}, raise_on_error=False)
    failure = run.failure_data_for_node("look_at_files")
    assert (run.success, failure is not None) == (False, True)
    assert "1 files are damaged or gone: see `leadfactory data-corruption-report`" in str(failure)


def test_the_hourly_look_reads_the_warehouse_alone_and_the_daily_one_all(database: Database, config: Settings) -> None:
    read = []
    for schedule in (warehouse_hourly, files_daily):
        tick = schedule.evaluate_tick(dg.build_schedule_context())
        asked = (tick.run_requests or [])[0].run_config
        files_whole.execute_in_process(resources={"db": database}, run_config=asked)
        read.append(set(_rows(database)))
    assert read == [{"warehouse"}, {"lake", "blobs", "warehouse"}]
