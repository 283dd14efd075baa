"""A restore is judged beside the living database, comes to any moment, and mails nobody a second time."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from leadfactory import embedded, migrate
from leadfactory.backup import catalogue, facts, making, replaying, restoring, side, wal
from leadfactory.backup.side import Target
from leadfactory.backup.store import Store
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d09_delivery import sending
from leadfactory.d09_delivery.mailer import PostOffice
from leadfactory.database import Database
from leadfactory.settings import ROOT, Settings
from sandbox import process
from tests.backup.conftest import SALE, SECRET_WORDS, settings_of
from tests.leads import CLOCK, UNIT
from tests.postgres import settings_for_tests
from tests.unit.d09_delivery.conftest import Mailroom


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home whose database may be replaced, which the shared one may not."""
    folder = Path(tempfile.mkdtemp(prefix="lf-home-"))
    try:
        embedded.ensure_running(folder, fast=True)
        yield folder
    finally:
        embedded.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Settings:
    """The settings of that home, its database empty and at head."""
    config = settings_of(home, tmp_path)
    server = embedded.ensure_running(home)
    migrate.upgrade(config)
    with psycopg.connect(server.url("owner")) as tx:
        names = [row[0] for row in tx.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'leadfactory' AND tablename <> 'alembic_version'")]  # fmt: skip
        tx.execute(f"TRUNCATE {', '.join(f'leadfactory.{name}' for name in names)} RESTART IDENTITY CASCADE")
    shutil.rmtree(config.journal, ignore_errors=True)
    return config


def ran(config: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command on that home."""
    env = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    env |= {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(config.home), "LEADFACTORY_BACKUP_URL": config.backups,
        "LEADFACTORY_LAKE_URL": config.lake, "LEADFACTORY_BLOB_URL": config.blobs, "COLUMNS": "300",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def opened(config: Settings) -> Database:
    return Database(embedded.ensure_running(config.home).url("app"), pool_size=1)


def sell(config: Settings) -> None:
    db = opened(config)
    with db.begin() as tx:
        tx.execute(sa.text(SALE), {"posting": uuid.uuid4(), "purchase": uuid.uuid4()})
    db.dispose()


def sales(config: Settings) -> int:
    db = opened(config)
    with db.begin() as tx:
        found = tx.scalar(sa.text("SELECT count(*) FROM money_entries WHERE account = 'stripe'")) or 0
    db.dispose()
    return found


def test_a_rehearsal_proves_the_backup_and_leaves_nothing_behind(
    made: making.Made, filled: Settings, store: Store
) -> None:
    done = restoring.rehearse(filled, store, made.backup, Target())
    assert all(each.ok for each in done.checks)
    assert {"schema revision", "rows of money_entries", "checksums of all pages"} <= {each.name for each in done.checks}
    assert not (filled.home / "rehearsal").exists()


def test_a_restored_database_has_no_vendor_content_not_even_in_a_file(
    made: making.Made, filled: Settings, store: Store, tmp_path: Path
) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    with (
        side.recovered(store, made.backup, making.Keys.of(filled), aside, Target()) as server,
        psycopg.connect(server.url("lf_backup")) as tx,
    ):
        assert tx.execute("SELECT count(*) FROM leadfactory.vendor_content").fetchone() == (0,)
    words = SECRET_WORDS.encode()
    assert [path for path in aside.rglob("*") if path.is_file() and words in path.read_bytes()] == []


def test_a_backup_that_lost_a_sale_is_refused(
    made: making.Made, filled: Settings, store: Store, database: Database
) -> None:
    with database.begin() as tx:
        held = facts.collect(tx, CLOCK.now())
        held["rows"]["money_entries"] += 1
        wrong = [each for each in facts.compare(tx, held) if not each.ok]
    assert [each.name for each in wrong] == ["rows of money_entries"]


def test_the_command_brings_back_what_was_there_and_keeps_what_it_replaced(own: Settings) -> None:
    sell(own)
    backup = making.make(own, db=None).backup
    sell(own)
    assert sales(own) == 2
    told = json.loads(ran(own, "restore-database", "--backup=latest", "--json").stdout)
    assert (told["backup"], all(each["ok"] for each in told["checks"])) == (backup.id, True)
    assert sales(own) == 1
    assert (Path(told["kept"]) / "PG_VERSION").is_file()
    assert "journal is gone" in told["fenced"]  # nothing was ever mailed here, so there is none, and who knows why
    assert ran(own, "fence", "status").returncode == 1
    lifted = ran(own, "fence", "lift", "--by=Ana Ruiz", "--reason=no mail was ever sent from here")
    assert (lifted.returncode, ran(own, "fence", "status").returncode) == (0, 0)


def test_a_restore_says_what_it_would_do_and_does_nothing(own: Settings) -> None:
    sell(own)
    backup = making.make(own, db=None).backup
    sell(own)
    told = json.loads(ran(own, "restore-database", "--verify", "--dry-run", "--json").stdout)
    assert (told["backup"], sales(own)) == (backup.id, 2)
    assert "is no moment" in ran(own, "restore-database", "--timestamp=yesterday").stderr
    assert "before every backup" in ran(own, "restore-database", "--timestamp=2020-01-01 00:00:00", "--dry-run").stderr


def test_a_damaged_backup_leaves_the_living_database_alone(own: Settings) -> None:
    sell(own)
    backup = making.make(own, db=None).backup
    sell(own)
    (Path(own.backups) / backup.part("base.tar.gz").path).write_bytes(b"age-encryption.org/v1\n")
    with pytest.raises(OSError, match=r"base\.tar\.gz"):
        restoring.restore(own, Store(own.backups), backup, Target())
    assert sales(own) == 2


def test_any_moment_between_can_be_restored_from_the_archived_wal(own: Settings) -> None:
    store = Store(own.backups)
    sell(own)
    with wal.archiving(own, every_s=0.2):
        backup = making.make(own, db=None).backup
        sell(own)
        time.sleep(0.1)
        between = dt.datetime.now(dt.UTC)
        time.sleep(0.1)
        sell(own)
        after = dt.datetime.now(dt.UTC)
        deadline = time.monotonic() + 60
        while (wal.complete_at(store) or backup.started_at) < after and time.monotonic() < deadline:
            time.sleep(0.2)
    assert sales(own) == 3
    assert catalogue.before(store, between).id == backup.id
    with pytest.raises(side.RestoreFailed, match="the WAL does not reach"):
        restoring.rehearse(own, store, backup, Target(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)))
    restoring.restore(own, store, backup, Target(between))
    assert sales(own) == 2
    restoring.restore(own, store, backup, Target(as_far_as_possible=True))
    assert sales(own) == 3


def test_a_new_machine_needs_the_store_and_the_key_only(own: Settings, tmp_path: Path) -> None:
    sell(own)
    backup = making.make(own, db=None).backup
    elsewhere = settings_of(Path(tempfile.mkdtemp(prefix="lf-home-")), tmp_path)
    (elsewhere.home / "backup.key").write_text((own.home / "backup.key").read_text())
    try:
        restoring.restore(elsewhere, Store(own.backups), backup, Target())
        assert sales(elsewhere) == 1
    finally:
        embedded.stop(elsewhere.home)
        shutil.rmtree(elsewhere.home, ignore_errors=True)


def test_a_restore_to_before_the_sourcing_mails_nobody_a_second_time(own: Settings) -> None:
    db = opened(own)
    store = Store(own.backups)
    before = making.make(own, db=None).backup
    room = Mailroom(db, own)
    room.campaign()
    count = room.drafted(40)
    _, first = room.send()
    assert len(first.asked) == count > 20
    db.dispose()
    restoring.restore(own, store, before, Target())
    db = opened(own)
    again = Mailroom(db, own)
    again.campaign()
    again.drafted(40)
    _, fenced = again.send()
    assert fenced.asked == []
    with db.begin() as tx:
        done = replaying.replay(tx, own.journal, CLOCK.now())
    assert (done.entries, done.lifted) == (count, 1)
    _, second = again.send()
    assert second.asked == []
    assert again.states["accepted"] == 0
    db.dispose()


def test_a_vendor_that_is_asked_afterwards_took_each_mail_once(own: Settings) -> None:
    """The same through the real mailer and the sandbox, whose log of what it took no restore of ours can change."""
    with process.start(clock=CLOCK.now().isoformat()) as sandbox, httpx.Client(base_url=sandbox.base_url) as vendor:
        vendor.post("/_admin/options", json={"sendgrid_per_minute": 10**6}).raise_for_status()
        config = settings_for_tests(
            own.home, LEADFACTORY_BACKUP_URL=own.backups, LEADFACTORY_LAKE_URL=own.lake, LEADFACTORY_BLOB_URL=own.blobs,
            LEADFACTORY_SANDBOX_URL=sandbox.base_url, LEADFACTORY_CLOCK=CLOCK.now().isoformat(),
        )  # fmt: skip

        def night() -> int:
            """Sources and drafts the same businesses where that is not done, and sends what is due; how many mails SendGrid has taken ever."""
            db = opened(config)
            room = Mailroom(db, config)
            if not room.rows(sa.text("SELECT 1 FROM campaigns")):
                room.campaign()
                room.drafted(40)
            sent = sending.send_due(
                UNIT, db=db, clock=CLOCK, settings=config, mailer=PostOffice.of(config, Gateway(db, clock=CLOCK, settings=config)), dry_run=False
            )  # fmt: skip
            asyncio.run(sent)
            db.dispose()
            return len(vendor.get("/_truth/sendgrid", params={"kind": "mail"}).json())

        store = Store(config.backups)
        before = making.make(config, db=None).backup
        taken = night()
        assert taken > 20
        restoring.restore(config, store, before, Target())
        assert night() == taken  # fenced
        db = opened(config)
        with db.begin() as tx:
            assert replaying.replay(tx, config.journal, CLOCK.now()).lifted == 1
        db.dispose()
        assert night() == taken  # every one of them is known to have been begun
