"""The scenes of a game day. Each breaks one thing as it breaks in life, mends it as the runbook says, and counts what was lost."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable

import sqlalchemy as sa

from cli.gaming import load
from cli.gaming.floor import Floor, until
from leadfactory import embedded, embedded_process
from leadfactory.database import Database

MENDED_WITHIN_S = 90.0


@dataclasses.dataclass
class Played:
    """How a scene went. ``lost`` must be empty; ``could_not`` says why a scene was not played."""

    scene: str
    kept: str = ""
    lost: list[str] = dataclasses.field(default_factory=list)
    broken_s: float | None = None
    mended_s: float | None = None
    alerts: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    could_not: str | None = None


class CouldNot(Exception):
    """This machine lacks what the scene needs; the message says what."""


def vendor_outage(floor: Floor) -> Played:
    """Yelp answers 503 to everything: the night's sourcing stays open, names why, and is filled when Yelp is back."""
    from leadfactory import stage
    from leadfactory.campaign_day import CampaignDay

    unit = CampaignDay("restaurant-outage", floor.config.clock.today())
    told = Played("vendor-outage")
    with floor.database() as db:
        floor.launch(db, unit, "10001", quota=10)
        stage.run("targeting", unit, db, floor.config)
        began = time.monotonic()
        floor.vendors("faults", vendor="yelp", kind="5xx", rate=1.0)
        try:
            during = [stage.run("sourcing", unit, db, floor.config) for _ in range(2)]
            floor.watch.wait_for("BreakerOpen")
        finally:
            floor.calm()
        told.broken_s = time.monotonic() - began
        if not any(each.rows_open for each in during):
            told.lost.append("an outage left no open row: who would know that something is missing?")
        back = time.monotonic()
        while (
            after := stage.run("sourcing", unit, db, floor.config)
        ).rows_open and time.monotonic() - back < MENDED_WITHIN_S:
            time.sleep(1)
        told.mended_s = time.monotonic() - back
        told.kept = f"{after.rows_out} of {after.rows_in} businesses sourced, {max(each.rows_open for each in during)} had waited"
        if after.rows_open:
            told.lost.append(f"{after.rows_open} rows are still open: {after.notes}")
        with db.begin() as tx:
            hanging = tx.scalar(sa.text("SELECT count(*) FROM vendor_calls WHERE status = 'started'"))
        if hanging:
            told.lost.append(f"{hanging} vendor calls never ended in the ledger")
    return told


def database_restart(floor: Floor) -> Played:
    """The database server is killed under webhook load and started again; SendGrid tries again what was not accepted."""
    told = Played("database-restart")
    with floor.database() as db, load.running(floor.edge_url, floor.key) as posts:
        posts.wait_for(100)
        pid = embedded_process.postmaster_of(embedded.folder(floor.config.home) / "data")
        if pid is None:
            raise CouldNot("the database does not run")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        floor.watch.wait_for("DatabaseDown")
        told.broken_s = time.monotonic() - began
        began = time.monotonic()
        embedded.ensure_running(floor.config.home)
        _flows_again(told, posts, began)
        posts.finish()
        _counted(told, posts, db)
    return told


def edge_kill(floor: Floor) -> Played:
    """The edge is killed in the middle of posts and started again: what it had answered for is in the inbox."""
    told = Played("edge-kill")
    with floor.database() as db, load.running(floor.edge_url, floor.key) as posts:
        posts.wait_for(100)
        began = time.monotonic()
        floor.kill_edge()
        floor.watch.wait_for("EdgeDown")
        told.broken_s = time.monotonic() - began
        began = time.monotonic()
        floor.start_edge()
        _flows_again(told, posts, began)
        posts.finish()
        _counted(told, posts, db)
    return told


def corrupt_warehouse(floor: Floor) -> Played:
    """Bytes of the published warehouse are overwritten: the integrity check names it, and it is built again from the lake."""
    from leadfactory.backup import looks
    from leadfactory.d10_analytics import export, warehouse

    told, config = Played("corrupt-warehouse"), floor.config
    with floor.database() as db:
        export.export_lake(db=db, clock=config.clock, settings=config)
        warehouse.build_marts(config, into=None)
        before = _figures(config.warehouse)
        content = bytearray(config.warehouse.read_bytes())
        third = len(content) // 3
        content[third : third + 20_000] = b"\xff" * len(content[third : third + 20_000])
        beside = config.warehouse.with_suffix(".damaged")
        beside.write_bytes(content)
        began = time.monotonic()
        beside.replace(config.warehouse)
        found = [each for area in looks.note(db, config) for each in area.broken]  # as the job files_whole does
        floor.watch.wait_for("DamagedFiles")
        told.broken_s = time.monotonic() - began
        if [each.area for each in found] != ["warehouse"]:
            told.lost.append(f"the damage was not found: {found}")
        began = time.monotonic()
        warehouse.build_marts(config, into=None)
        looks.note(db, config)
        told.mended_s = time.monotonic() - began
        after = _figures(config.warehouse)
        told.kept = f"{sum(after.values()):,} rows of {len(after)} marts"
        told.lost += [
            f"{name}: {after.get(name)} rows instead of {rows}"
            for name, rows in before.items()
            if after.get(name) != rows
        ]
    return told


def restore(floor: Floor) -> Played:
    """The whole cluster is deleted. It comes back from the backup and the archived WAL, fenced until the send journal is replayed."""
    from leadfactory.backup import making, restoring, wal
    from leadfactory.backup.side import Target
    from leadfactory.backup.store import Store

    told, config, store = Played("restore"), floor.config, Store(floor.config.backups)
    with floor.database() as db:
        _sell(db)
        with wal.archiving(config, every_s=0.2):
            backup = making.make(config, db=db).backup
            for _ in range(20):
                _sell(db)
            sold, after = _sales(db), _wall(db)
            until(lambda: (wal.complete_at(store) or backup.started_at) >= after, 60, "the archive's last segment")
    began = time.monotonic()
    embedded.stop(config.home)
    shutil.rmtree(embedded.folder(config.home) / "data")
    floor.watch.wait_for("DatabaseDown")
    told.broken_s = time.monotonic() - began
    began = time.monotonic()
    restoring.restore(config, store, backup, Target(as_far_as_possible=True))
    with floor.database() as db:
        told.mended_s = time.monotonic() - began
        found = _sales(db)
        told.kept = f"{len(found)} sales, {len(sold) - 1} of them after the backup"
        told.lost += [f"sale {each}" for each in sold - found]
        _fenced(told, floor, db)
    return told


SCENES: dict[str, Callable[[Floor], Played]] = {
    "vendor-outage": vendor_outage,
    "database-restart": database_restart,
    "edge-kill": edge_kill,
    "corrupt-warehouse": corrupt_warehouse,
    "restore": restore,
}


def _flows_again(told: Played, posts: load.Load, began: float) -> None:
    if not posts.wait_for(100, MENDED_WITHIN_S):
        told.lost.append(f"no post was accepted within {MENDED_WITHIN_S:.0f} s of the start")
    told.mended_s = time.monotonic() - began


def _counted(told: Played, posts: load.Load, db: Database) -> None:
    told.kept = f"{len(posts.accepted):,} accepted events, {posts.refused} posts tried again"
    told.lost += [f"event {each}" for each in posts.lost(db)]


def _figures(path: object) -> dict[str, int]:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as opened:
        names = opened.sql("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY 1, 2").fetchall()
        return {f"{s}.{t}": opened.sql(f'SELECT count(*) FROM "{s}"."{t}"').fetchall()[0][0] for s, t in names}  # noqa: S608 - names of the catalogue


def _sell(db: Database) -> None:
    sale = {"posting": uuid.uuid4(), "purchase": uuid.uuid4()}
    with db.begin() as tx:
        tx.execute(
            sa.text(
                """INSERT INTO money_entries (posting_id, kind, account, amount_cents, currency, purchase_id, occurred_at, recorded_at)
                   VALUES (:posting, 'sale', 'stripe', 9900, 'usd', :purchase, now(), now()),
                          (:posting, 'sale', 'sales', -9900, 'usd', :purchase, now(), now())"""
            ),
            sale,
        )


def _sales(db: Database) -> set[uuid.UUID]:
    with db.begin() as tx:
        return set(tx.scalars(sa.text("SELECT posting_id FROM money_entries")))


def _wall(db: Database) -> dt.datetime:
    with db.begin() as tx:
        found: dt.datetime = tx.scalar(sa.text("SELECT clock_timestamp()"))
        return found


def _fenced(told: Played, floor: Floor, db: Database) -> None:
    """The mailer must be fenced after a restore, and a person can lift it where nothing was ever mailed."""
    from leadfactory import fence
    from leadfactory.backup import replaying

    now = floor.config.clock.now()
    with db.begin() as tx:
        if fence.is_fenced(tx) is None:
            told.lost.append("the mailer was not fenced after the restore")
    with contextlib.suppress(replaying.JournalUnreadable), db.begin() as tx:
        replaying.replay(tx, floor.config.journal, now)
    with db.begin() as tx:
        if fence.is_fenced(tx) is not None:
            fence.lift(tx, by="Game Day", why="no mail was ever sent from this game", now=now)
