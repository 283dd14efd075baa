"""How large the factory is, how fast it grows and what it costs, from its own tables and files."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from leadfactory.d10_analytics import lake_files
from leadfactory.database import SCHEMA
from leadfactory.settings import Settings


@dataclasses.dataclass(frozen=True)
class Sized:
    """A table or store: bytes with indexes, rows as the planner estimates them."""

    name: str
    bytes: int
    rows: int = 0


@dataclasses.dataclass(frozen=True)
class Capacity:
    """Sizes now, rows a day over the window, free bytes of the home's disk, and when it is full at that rate."""

    stores: list[Sized]
    tables: list[Sized]
    per_day: dict[str, float]
    bytes_per_day: float
    free_bytes: int
    forecast: str


GREW = {
    "businesses": ("unique_businesses", "decided_at"),
    "audits": ("site_audits", "fetched_at"),
    "mails": ("email_sends", "claimed_at"),
    "mail events": ("email_events", "received_at"),
    "vendor calls": ("vendor_calls", "started_at"),
}


def capacity(tx: sa.Connection, settings: Settings, *, days: int) -> Capacity:
    """Measures; nothing is changed. Bytes a day are the database's bytes by the share of its rows that are of the window."""
    tables = [Sized(*row) for row in tx.execute(sa.text(_TABLES), {"schema": SCHEMA}).tuples()]
    database = int(tx.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0)
    since = settings.clock.now() - dt.timedelta(days=days)
    per_day: dict[str, float] = {}
    new = every = 0
    for name, (table, column) in GREW.items():
        query = f"SELECT count(*) FILTER (WHERE {column} >= :since), count(*) FROM {table}"  # noqa: S608 - constants
        recent, total = (int(count) for count in tx.execute(sa.text(query), {"since": since}).one())
        per_day[name] = recent / days
        new, every = new + recent, every + total
    stores = [Sized("database", database)]
    stores += [
        Sized(name, _size(where))
        for name, where in (("lake", settings.lake), ("blobs", settings.blobs), ("backups", settings.backups))
    ]
    stores.append(Sized("warehouse", settings.warehouse.stat().st_size if settings.warehouse.is_file() else 0))
    files = sum(each.bytes for each in stores[1:3])
    grown = (database + files) * (new / every if every else 0.0) / days
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    left = f"full in about {free / grown:,.0f} days at {grown / 2**20:,.2f} MiB a day" if grown else "nothing grew"
    return Capacity(stores, tables, per_day, grown, free, left)


def costs(tx: sa.Connection, now: dt.datetime, *, days: int) -> dict[str, Any]:
    """Vendors' cost over the last ``days``, in millionths of a dollar, by vendor and endpoint, by campaign, by mail and sale."""
    given = {"since": now - dt.timedelta(days=days), "day": (now - dt.timedelta(days=days)).date()}
    vendors = [dict(row._mapping) for row in tx.execute(sa.text(_BY_VENDOR), given)]
    campaigns = [dict(row._mapping) for row in tx.execute(sa.text(_BY_CAMPAIGN), given)]
    total = sum(row["cost_microusd"] for row in vendors)
    mails = (
        tx.scalar(sa.text("SELECT count(*) FROM email_sends WHERE state = 'accepted' AND claimed_at >= :since"), given)
        or 0
    )
    sales = tx.scalar(sa.text("SELECT count(*) FROM purchases WHERE paid_at >= :since"), given) or 0
    return {
        "days": days, "vendors": vendors, "campaigns": campaigns, "cost_microusd": total, "mails": mails, "sales": sales,
        "microusd_a_mail": total / mails if mails else None, "microusd_a_sale": total / sales if sales else None,
    }  # fmt: skip


def _size(url: str) -> int:
    local = lake_files.folder(url)
    if local is not None:
        return sum(path.stat().st_size for path in Path(local).rglob("*") if path.is_file())
    import fsspec

    filesystem, base = fsspec.core.url_to_fs(url)
    return int(filesystem.du(base)) if filesystem.exists(base) else 0


_TABLES = """SELECT c.relname, pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::bigint FROM pg_class c
  WHERE c.relnamespace = cast(:schema AS text)::regnamespace AND c.relkind = 'r' ORDER BY 2 DESC, 1"""
_BY_VENDOR = """SELECT vendor, endpoint, count(*) AS calls, count(*) FILTER (WHERE cache_hit) AS from_store,
    coalesce(sum(cost_microusd), 0)::bigint AS cost_microusd
  FROM vendor_calls WHERE occurred_on >= :day GROUP BY 1, 2 ORDER BY 5 DESC, 1, 2"""
_BY_CAMPAIGN = """SELECT coalesce(campaign, '–') AS campaign, coalesce(sum(cost_microusd), 0)::bigint AS cost_microusd
  FROM vendor_calls WHERE occurred_on >= :day GROUP BY 1 ORDER BY 2 DESC, 1"""
