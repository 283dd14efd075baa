"""Whole campaign-days in this process under a clock that a test turns, and what they left."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory import flow, stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import gateway as gateways
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory.locks import campaign_day_lock
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from leadfactory.tables import metadata
from tests.crash.matrix import LEDGERS, NOT_COMPARED, NOT_COMPARED_INSIDE


@dataclasses.dataclass(frozen=True)
class Turning(Clock):
    """Stands still until it was told to ``turn`` and read so often, then at ``then``; counts its readings in ``read``."""

    then: dt.datetime | None = None
    read: list[int] = dataclasses.field(default_factory=lambda: [0])
    last: list[int] = dataclasses.field(default_factory=lambda: [10**9])

    def now(self) -> dt.datetime:
        """``start`` or ``then``."""
        self.read[0] += 1
        before = self.start if self.read[0] <= self.last[0] else self.then
        assert before is not None
        return before

    def turn(self, readings: int) -> None:
        """Goes over after so many more readings."""
        self.last[0] = self.read[0] + readings


WITH_MOMENTS = {"lake_manifest": {"sha256"}}  # of files in which moments stand
# Moments that stand as text inside a row, by table, column and key at any depth: only what is one is left out, and only there.
MOMENTS_INSIDE = {
    "enriched_businesses": {"field_sources": {"fetched_at"}},
    "site_audits": {"measurement": {"fetched_at", "measured_at"}},
    "audit_findings": {"evidence": {"at"}},
    "lead_scores": {"inputs": {"site", "audit", "listing"}},
}


# What a night's calls and budgets come to when it does not matter on which of two days each was made. Attempts that were not sent
# are left out: on a busy machine a permit lapses before it is used, and another one is taken.
DAYLESS = {
    "vendor_calls": """SELECT vendor, endpoint, campaign, cohort_on, asset, business_id, units, status, http_status, reason,
        reserved_microusd, cost_microusd, cache_hit FROM vendor_calls WHERE status <> 'not_sent'""",
    "budgets": """SELECT scope, CASE scope WHEN 'day' THEN 'any' WHEN 'vendor' THEN split_part(key, '|', 1) ELSE key END AS key,
        sum(spent_microusd) AS spent, sum(reserved_microusd) AS reserved FROM budgets GROUP BY 1, 2""",
    "vendor_quotas": "SELECT vendor, rate, limit_units FROM vendor_quotas",
}
# How many rows of a ledger each of its lake files must hold, by the file's campaign and day.
IN_FILES = """
    SELECT 'vendor_calls', coalesce(campaign, '_none'), coalesce(cohort_on, occurred_on), count(*) FROM vendor_calls GROUP BY 1, 2, 3
    UNION ALL SELECT 'budgets', '_all', DATE '0001-01-01', count(*) FROM budgets WHERE scope <> 'lead'
    UNION ALL SELECT 'vendor_quotas', '_all', DATE '0001-01-01', count(*) FROM vendor_quotas"""


def launch(db: Database, name: str, zips: Sequence[str], quota: int, since: dt.datetime) -> None:
    """A launched campaign of simulated recipients."""
    places = [campaigns.PlaceSpec("zip", code) for code in zips]
    with db.begin() as tx:
        campaigns.seed(tx, vertical="restaurant", places=places, quota=quota, name=name, now=since)
        campaigns.configure(
            tx, name, consent_basis="simulated", sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz",
            postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=5_000, top_share=1.0,
        )  # fmt: skip
        campaigns.launch(tx, name, since)


def play(names: Sequence[str], unit: CampaignDay, db: Database, config: Settings, clock: Clock) -> Iterator[StageReport]:  # fmt: skip
    """Stages in turn under ``clock``, the gateway's included; each report as it comes."""
    gateways._gateways[(id(config), None)] = Gateway(db, clock=clock, settings=config)
    try:
        for name in names:
            group, work = stage.STAGES[name]
            with campaign_day_lock(db, unit, group):
                report: Any = work(unit, db, clock, config, flow.quiet)
                yield asyncio.run(stage._awaited(report)) if inspect.isawaitable(report) else report
    finally:
        gateways._gateways.pop((id(config), None), None)


def left(db: Database, *, moments: bool = False) -> dict[str, Counter[str]]:
    """Every row of every table, as text; moments only if asked for, days always, but for the ledgers', which are days of calls."""
    found: dict[str, Counter[str]] = {}
    with db.begin() as tx:
        counts = {(table, campaign, day): rows for table, campaign, day, rows in tx.execute(sa.text(IN_FILES))}
        for name, query in DAYLESS.items():
            found[name] = Counter(repr(dict(row)) for row in tx.execute(sa.text(query)).mappings())
        for table in metadata.sorted_tables:
            if table.name not in LEDGERS:
                columns = [
                    c
                    for c in table.columns
                    if c.name not in NOT_COMPARED.get(table.name, set()) | WITH_MOMENTS.get(table.name, set())
                ]
                rows = tx.execute(sa.select(*columns)).mappings()
                inside = {} if moments else MOMENTS_INSIDE.get(table.name, {})
                found[table.name] = Counter(
                    repr(
                        _counted(table.name, counts, {k: _plain(k, v, moments, inside.get(k)) for k, v in row.items()})
                    )
                    for row in rows
                )
    return found


def differing(one: dict[str, Counter[str]], other: dict[str, Counter[str]]) -> dict[str, list[str]]:
    """Rows that only one of them has, by table."""
    return {name: sorted((one[name] - other[name]) + (other[name] - one[name])) for name in one if one[name] != other[name]}  # fmt: skip


def _plain(column: str, value: Any, moments: bool, inside: set[str] | None = None) -> Any:
    if isinstance(value, dt.datetime) and not moments:
        return "a moment"
    left_out = NOT_COMPARED_INSIDE.get(column)
    value = {k: v for k, v in value.items() if k not in left_out} if left_out and value is not None else value
    return _timeless(value, inside) if inside else value


def _timeless(value: Any, keys: set[str]) -> Any:
    if isinstance(value, list):
        return [_timeless(each, keys) for each in value]
    if not isinstance(value, dict):
        return value
    return {k: "a moment" if k in keys and _is_moment(v) else _timeless(v, keys) for k, v in value.items()}


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) > len("2026-12-31") and bool(dt.datetime.fromisoformat(value))
    except ValueError:
        return False


def _counted(table: str, counts: dict[tuple[str, str, dt.date], int], row: dict[str, Any]) -> dict[str, Any]:
    """A night of two days has two days' budgets: a ledger's file is not as long as the other night's, but as long as its table."""
    if table != "lake_manifest" or row["table_name"] not in LEDGERS:
        return row
    rows = counts.get((row["table_name"], row["campaign"], row["cohort_on"]), 0)
    return row | {"row_count": "all" if row["row_count"] == rows else f"{row['row_count']} of {rows}"}
