"""Damage is done to a page, a row, a Parquet file, the warehouse and a blob: each is found and named, and recovery brings it back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import psycopg
import pytest
import sqlalchemy as sa

from leadfactory import blobs, embedded
from leadfactory.backup import damage, drills, making, restoring, verifying
from leadfactory.backup.side import Target
from leadfactory.backup.store import Store
from leadfactory.backup.tables import restore_drills
from leadfactory.d10_analytics import lake_files
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.backup.test_restoring import home, opened, own, ran, sales, sell  # noqa: F401 - fixtures

CONTENT = b"PAR1 rows PAR1"


@pytest.fixture
def whole(own: Settings) -> Settings:  # noqa: F811
    """A factory with a sale, a lake file, a blob that a report names, and a warehouse; saved."""
    sell(own)
    lake_files.put(own.lake, "purchases/date=2026-10-06/a.parquet", CONTENT)
    digest = blobs.put(own.blobs, b"%PDF a sold report")
    own.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(own.warehouse)) as made:
        made.execute(
            "CREATE SCHEMA marts; CREATE TABLE marts.numbers AS SELECT range AS n, md5(range::text) AS t FROM range(200000)"
        )
    db = opened(own)
    with db.begin() as tx:
        tx.execute(
            sa.insert(lake_manifest).values(
                table_name="purchases", campaign="a", cohort_on="2026-10-06", path="purchases/date=2026-10-06/a.parquet",
                row_count=1, sha256=hashlib.sha256(CONTENT).hexdigest(), exported_at=sa.func.now(),
            )
        )  # fmt: skip
        tx.execute(
            sa.text(
                """INSERT INTO audit_reports (campaign, cohort_on, report_id, purchase_id, business_id, version, report_on, measured_at,
                     html_sha256, evidence_sha256, pages, template_version, sealed_at)
                   VALUES ('a', '2026-10-06', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, '2026-10-06', now(),
                     :sha, :sha, 1, '1', now())"""
            ),
            {"sha": digest},
        )
    db.dispose()
    making.make(own, db=None)
    return own


def broken(config: Settings) -> dict[str, list[damage.Broken]]:
    db = opened(config)
    with db.begin() as tx:
        found = {each.area: each.broken for each in damage.look(tx, config)}
    db.dispose()
    return found


def test_files_that_were_damaged_are_named_and_come_back(whole: Settings) -> None:
    assert broken(whole) == {"lake": [], "blobs": [], "warehouse": []}
    blob = next(path for path in Path(whole.blobs).rglob("*") if path.is_file())
    blob.write_bytes(b"%PDF another report")
    (Path(whole.lake) / "purchases/date=2026-10-06/a.parquet").unlink()
    content = bytearray(whole.warehouse.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 5000] = b"\xff" * 5000
    whole.warehouse.write_bytes(content)
    found = broken(whole)
    assert [each.what for each in found["blobs"]] == ["is not what was written"]
    assert [each.what for each in found["lake"]] == ["is gone"]
    assert "cannot be read" in found["warehouse"][0].what
    report = ran(whole, "data-corruption-report").stdout
    assert all(name in report for name in ("blobs_is_whole", "lake_is_whole", "warehouse_is_whole", "recover-files"))
    assert ran(whole, "recover-files").returncode == 0
    assert broken(whole) == {"lake": [], "blobs": [], "warehouse": []}


def test_a_row_that_broke_a_promise_is_named_and_a_restore_mends_it(whole: Settings) -> None:
    with psycopg.connect(embedded.ensure_running(whole.home).url("owner")) as tx:
        tx.execute(
            """INSERT INTO leadfactory.email_events (campaign, cohort_on, event_id, send_id, business_id, kind, occurred_at, machine, received_at)
               VALUES ('a', '2026-10-06', 'lost', gen_random_uuid(), gen_random_uuid(), 'open', now(), false, now())"""
        )
    checked = ran(whole, "verify-data-integrity")
    assert (checked.returncode, "events_have_sends" in checked.stdout) == (1, True)
    store = Store(whole.backups)
    restoring.restore(whole, store, making.catalogue.find(store, "latest"), Target())
    assert ran(whole, "verify-data-integrity").returncode == 0


def test_a_damaged_page_is_found_and_a_restore_brings_its_rows_back(whole: Settings) -> None:
    server = embedded.ensure_running(whole.home)
    with psycopg.connect(server.url("owner"), autocommit=True) as tx:
        tx.execute("VACUUM leadfactory.money_entries")
        (relative,) = tx.execute("SELECT pg_relation_filepath('leadfactory.money_entries')").fetchone() or ("",)
    embedded.stop(whole.home)
    page = embedded.folder(whole.home) / "data" / relative
    content = bytearray(page.read_bytes())
    content[8000:8020] = b"\xff" * 20  # rows lie at a page's end
    page.write_bytes(content)
    embedded.ensure_running(whole.home)
    assert damage.pages(whole)
    with pytest.raises(making.BackupFailed, match="invalid page"):
        making.make(whole, db=None)  # a nightly backup does not save it as if it were whole
    assert making.make_emergency(whole, db=None).backup.kind == "emergency"
    store = Store(whole.backups)
    assert making.catalogue.every(store)[-1].kind == "emergency"
    restoring.restore(whole, store, verifying.newest_good(whole, store).backup, Target())
    assert sales(whole) == 1
    assert damage.pages(whole) == []


def test_a_drill_measures_what_a_loss_would_cost_and_records_it(
    made: making.Made, filled: Settings, database: Database
) -> None:
    done = drills.drill(filled, database)
    assert done.ok, done.reason
    assert 0 < (done.rpo_s or 0) < 3600
    assert (done.rto_s or 0) > 0
    with database.begin() as tx:
        row = tx.execute(sa.select(restore_drills)).one()
    assert (row.ok, row.backup_id, row.rto_s) == (True, made.backup.id, done.rto_s)


def test_a_drill_without_a_backup_fails_and_says_so(filled: Settings, database: Database) -> None:
    done = drills.drill(filled, database)
    assert (done.ok, "there is no backup" in (done.reason or "")) == (False, True)
