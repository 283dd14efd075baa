"""What the suite builds and counts with: campaigns whose mails left long ago, the tables as they stand, the vendors' truth."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import sqlalchemy as sa

from leadfactory import stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory.quality import verdicts
from leadfactory.quality.gx import look
from leadfactory.quality.suites import SUITES
from leadfactory.settings import settings
from leadfactory.tables import metadata
from sandbox.process import SandboxProcess

MAILED_AT = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)  # a Tuesday, 11:00 in New York: every send window is open
NOW = MAILED_AT + dt.timedelta(days=30)  # a Thursday, 10:00 in New York
DAY = dt.timedelta(days=1)
# When something was done may change by doing it again; nothing else may.
WHEN_ONLY = {"quality_verdicts": {"judged_at"}}


NOT_COPIED = {"vendor_calls", "lake_manifest", "rejected_rows"}
BY_ID = {
    "businesses": """t.business_id IN (SELECT business_id FROM unique_businesses
        WHERE campaign = :campaign AND cohort_on = :source)""",
    "send_transitions": "t.send_id IN (SELECT send_id FROM email_sends WHERE campaign = :campaign AND cohort_on = :source)",
}


@dataclasses.dataclass(frozen=True)
class Rows:
    """A table at one moment: place and version of each row as Postgres has it, and the rows."""

    versions: frozenset[tuple[str, str]]
    rows: list[str]


@dataclasses.dataclass(frozen=True)
class World:
    """The system of record and the sandbox of one suite."""

    db: Database
    sandbox: SandboxProcess

    def campaign(self, name: str, vertical: str, city: str, quota: int, *, since: dt.datetime) -> None:
        """A launched campaign of simulated recipients."""
        with self.db.begin() as tx:
            campaigns.seed(
                tx, vertical=vertical, places=[campaigns.PlaceSpec("city", city)], quota=quota, name=name, now=since
            )
            campaigns.configure(
                tx, name, consent_basis="simulated", sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz",
                postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=5_000, top_share=1.0,
            )  # fmt: skip
            campaigns.launch(tx, name, since)

    def run(self, unit: CampaignDay, *stages: str) -> None:
        """Stages of ``unit`` at three in the afternoon UTC of its own day, without Dagster."""
        set_clock(dt.datetime.combine(unit.day, MAILED_AT.timetz()))
        for name in stages:
            stage.run(name, unit, self.db, settings())

    def copy(self, of: CampaignDay, days: Iterable[dt.date]) -> None:
        """The same campaign-day again on other ``days``: rows with ids of their own and times moved."""
        given = {"campaign": of.campaign, "source": of.day, "days": sorted(days)}
        with self.db.begin() as tx:
            for table in metadata.sorted_tables:
                of_cohort = {"campaign", "cohort_on"} <= set(table.columns.keys())
                if table.name in NOT_COPIED or not (of_cohort or table.name in BY_ID):
                    continue
                columns = {c.name: _moved(c) for c in table.columns if c.identity is None}
                mine = BY_ID.get(table.name, "t.campaign = :campaign AND t.cohort_on = :source")
                if table.name == "quality_verdicts":
                    mine += " AND t.subject_id IS NOT NULL"
                copied = f"""INSERT INTO {table.name} ({", ".join(columns)}) SELECT {", ".join(columns.values())}
                             FROM {table.name} t, unnest(CAST(:days AS date[])) AS g(day) WHERE {mine}"""
                tx.execute(sa.text(copied), given)

    def judged(self, units: Iterable[CampaignDay], *assets: str) -> None:
        """Verdicts that passed on what ``units`` hold now: judging 400 copies would take a minute and show nothing."""
        with self.db.begin() as tx:
            passed = [
                verdicts.Verdict(
                    asset, unit, asset, SUITES[asset].version, look(tx, asset, unit).input_hash, True, 1, ()
                )
                for unit in units
                for asset in assets
            ]
            verdicts.record(tx, passed, NOW - DAY)

    def rows(self, query: str, **given: Any) -> list[Any]:
        """What a query gives."""
        with self.db.begin() as tx:
            return list(tx.execute(sa.text(query), given))

    def mails(self) -> int:
        """How many mails the sandbox's SendGrid ever accepted."""
        return int(self._truth().get("sendgrid/mail", 0))

    @contextlib.contextmanager
    def faulty(self, **fault: Any) -> Iterator[None]:
        """A fault of the sandbox's while the block runs."""
        httpx.post(f"{self.sandbox.base_url}/_admin/faults", json=fault).raise_for_status()
        try:
            yield
        finally:
            httpx.delete(f"{self.sandbox.base_url}/_admin/faults").raise_for_status()

    def _truth(self) -> dict[str, int]:
        return dict(httpx.get(f"{self.sandbox.base_url}/_truth").json())

    def outside(self) -> dict[str, Any]:
        """All that ever reached a vendor: accepted (truth log), requested, and our own ledger."""
        asked = httpx.get(f"{self.sandbox.base_url}/_truth/_requests").json()
        (calls,) = self.rows("SELECT count(*) FROM vendor_calls")
        return {"accepted": self._truth(), "requested": asked, "ledger": calls[0]}

    def tables(self) -> dict[str, Rows]:
        """Every row of every table, normalised: times of doing are left out, rows are sorted."""
        with self.db.begin() as tx:
            return {table.name: Rows(_versions(tx, table), _sorted(tx, table)) for table in metadata.sorted_tables}

    def changed(self, before: dict[str, Rows]) -> dict[str, dict[str, list[str]]]:
        """Rows that are gone or new since ``before``, by table; empty when nothing changed.

        Only tables into which somebody wrote since are read: a row that nobody touched is in its place, in its version.
        """
        found = {}
        with self.db.begin() as tx:
            for table in metadata.sorted_tables:
                then = before[table.name]
                if _versions(tx, table) == then.versions:
                    continue
                now = _sorted(tx, table)
                gone, new = sorted(set(then.rows) - set(now)), sorted(set(now) - set(then.rows))
                if gone or new or len(then.rows) != len(now):
                    counts = [str(len(then.rows)), str(len(now))]
                    found[table.name] = {"gone": gone[:3], "new": new[:3], "counts": counts}
        return found


def _versions(tx: sa.Connection, table: sa.Table) -> frozenset[tuple[str, str]]:
    """Whoever inserts, updates or deletes a row leaves another place or another version."""
    return frozenset((row[0], row[1]) for row in tx.execute(sa.text(f"SELECT ctid::text, xmin::text FROM {table}")))


def _sorted(tx: sa.Connection, table: sa.Table) -> list[str]:
    columns = [c for c in table.columns if c.name not in WHEN_ONLY.get(table.name, ())]
    return sorted(repr(tuple(row)) for row in tx.execute(sa.select(*columns)))


def _moved(column: sa.Column[Any]) -> str:
    """The SQL of a copied row's column."""
    name = f"t.{column.name}"
    if column.name == "cohort_on":
        return "g.day"
    if isinstance(column.type, sa.Uuid) and column.name != "target_id":
        return f"md5({name}::text || g.day)::uuid"
    if isinstance(column.type, sa.ARRAY) and isinstance(column.type.item_type, sa.Uuid):
        return f"ARRAY(SELECT md5(each::text || g.day)::uuid FROM unnest({name}) each)"
    if isinstance(column.type, sa.TIMESTAMP):
        return f"{name} + (g.day - CAST(:source AS date)) * interval '1 day'"
    return name


def set_clock(moment: dt.datetime) -> None:
    """Sets this process's clock."""
    os.environ["LEADFACTORY_CLOCK"] = moment.isoformat()
    settings.cache_clear()
