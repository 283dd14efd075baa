"""One server for all tests of backups, with a little of everything in it; each test has a store of its own."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from leadfactory import embedded
from leadfactory.backup.making import Made, make
from leadfactory.backup.store import Store
from leadfactory.database import Database
from leadfactory.settings import ROOT, Settings
from tests.postgres import settings_for_tests

SECRET_WORDS = "Zanzibar Ramen 4471"  # of a vendor's answer; no backup may hold them
CONTENT = """INSERT INTO vendor_content (vendor, content_key, subject, content, fetched_at, expires_at)
  SELECT 'yelp', decode(md5(n::text), 'hex'), 'biz', jsonb_build_object('name', :words ||' '|| n), now(), now() + interval '1 day'
  FROM generate_series(1, 500) n"""
SALE = """INSERT INTO money_entries (posting_id, kind, account, amount_cents, currency, purchase_id, occurred_at, recorded_at)
  VALUES (:posting, 'sale', 'stripe', 9900, 'usd', :purchase, now(), now()), (:posting, 'sale', 'sales', -9900, 'usd', :purchase, now(), now())"""


def settings_of(home: Path, folder: Path) -> Settings:
    """A factory on the server of ``home`` whose files and backups are below ``folder``."""
    return settings_for_tests(
        home, LEADFACTORY_BACKUP_URL=str(folder / "store"), LEADFACTORY_LAKE_URL=str(folder / "lake"),
        LEADFACTORY_BLOB_URL=str(folder / "blobs"),
    )  # fmt: skip


@pytest.fixture
def config(postgres: embedded.EmbeddedServer, tmp_path: Path) -> Settings:
    """The settings of a factory on the shared server, whose files and backups are this test's own."""
    return settings_of(postgres.home, tmp_path)


@pytest.fixture
def store(config: Settings) -> Store:
    return Store(config.backups)


def fill(db: Database, settings: Settings) -> None:
    """A sale, a lake file, a blob and vendor content, which must stay out of everything."""
    with db.begin() as tx:
        tx.execute(sa.text(SALE), {"posting": uuid.uuid4(), "purchase": uuid.uuid4()})
        tx.execute(sa.text(CONTENT), {"words": SECRET_WORDS})
    for root, path in ((settings.lake, "purchases/date=2026-10-06/a.parquet"), (settings.blobs, "ab/abcd")):
        target = Path(root) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(f"content of {path}".encode())


@pytest.fixture
def filled(database: Database, config: Settings) -> Settings:
    """The settings of a factory that has all of it."""
    fill(database, config)
    return config


@dataclasses.dataclass(frozen=True)
class Saved:
    """The one backup that all tests read, its store, and whether vendor content was there while it was made."""

    made: Made
    store: Path
    content_rows: int


@pytest.fixture(scope="session")
def saved(postgres: embedded.EmbeddedServer, _engines: tuple[Database, Database]) -> Saved:
    """A backup of a filled factory; made once, copied by every test that looks at it."""
    folder = Path(tempfile.mkdtemp(prefix="saved-", dir=postgres.home))  # goes with the server
    app, owner = _engines
    with owner.begin() as tx:
        for table in ("money_entries", "vendor_content"):
            tx.execute(sa.text(f"TRUNCATE {table}"))
    config = settings_of(postgres.home, folder)
    fill(app, config)
    made = make(config, db=app)
    with app.begin() as tx:
        return Saved(made, folder / "store", tx.scalar(sa.text("SELECT count(*) FROM vendor_content")) or 0)


@pytest.fixture
def made(saved: Saved, filled: Settings) -> Made:
    """That backup, in this test's own store."""
    shutil.copytree(saved.store, filled.backups)
    return saved.made


@pytest.fixture
def command(config: Settings) -> Callable[..., subprocess.CompletedProcess[str]]:
    """One command in a process of its own, with the same settings."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
        env |= {
            "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(config.home), "LEADFACTORY_BACKUP_URL": config.backups,
            "LEADFACTORY_LAKE_URL": config.lake, "LEADFACTORY_BLOB_URL": config.blobs, "COLUMNS": "300",
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run
