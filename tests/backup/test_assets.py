"""The two assets that protect the factory, materialized as Dagster does it: a backup that is read again, and a drill that restores it."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
import sqlalchemy as sa

from leadfactory import settings as settings_module
from leadfactory.backup.tables import backups, restore_drills
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory_assets.backup import nightly_backup, restore_drill
from leadfactory_assets.policies import key


@pytest.fixture
def here(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """This process's settings are those of the filled factory."""
    for name, value in {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(filled.home), "LEADFACTORY_BACKUP_URL": filled.backups,
        "LEADFACTORY_LAKE_URL": filled.lake, "LEADFACTORY_BLOB_URL": filled.blobs,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LEADFACTORY_DATABASE_URL", raising=False)
    settings_module.settings.cache_clear()
    yield filled
    settings_module.settings.cache_clear()


def test_a_backup_and_its_drill_are_materialized_and_leave_their_rows(here: Settings, database: Database) -> None:
    resources = {"db": dg.ResourceDefinition.hardcoded_resource(database)}
    run = dg.materialize([nightly_backup, restore_drill], resources=resources, raise_on_error=False)
    assert run.success
    with database.begin() as tx:
        saved = tx.execute(sa.select(backups)).one()
        drilled = tx.execute(sa.select(restore_drills)).one()
    assert (saved.ok, saved.verified_at is not None) == (True, True)
    assert (drilled.ok, drilled.backup_id) == (True, saved.id)
    (told,) = run.asset_materializations_for_node(key("restore_drill").to_python_identifier())
    assert told.metadata["RTO (seconds)"].value == pytest.approx(drilled.rto_s, abs=0.1)
    assert "RPO, seconds" in str(told.metadata["chart"].value)


def test_a_drill_without_a_backup_is_a_failed_run(here: Settings, database: Database) -> None:
    resources = {"db": dg.ResourceDefinition.hardcoded_resource(database)}
    run = dg.materialize(
        [nightly_backup, restore_drill], selection=[key("restore_drill")], resources=resources, raise_on_error=False
    )
    assert not run.success
    with database.begin() as tx:
        assert tx.scalar(sa.select(restore_drills.c.ok)) is False
