"""The published marts against the ledgers, campaign-day by campaign-day: every count and every cent that both of them know.

The ledgers are asked anew, by SQL that shares nothing with dbt's (funnel.py, responses.py, sales.py). A campaign-day that changed since
the published build read it is not judged: the next build takes it. Nor is an archived one: the ledgers do not have all of it any more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import duckdb
import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d10_analytics import columns, export, funnel, responses, sales
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.settings import Settings

MOST_DAYS = 50  # a night compares the newest campaign-days
Counts = Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """One measure of one campaign-day on which both are apart."""

    unit: CampaignDay
    measure: str
    mart: int
    ledger: int

    def __str__(self) -> str:
        return f"{self.unit.key}: {self.measure} is {self.mart} in the marts and {self.ledger} in the ledgers"


def of_ledgers(tx: sa.Connection, units: list[CampaignDay]) -> dict[CampaignDay, dict[str, int]]:
    """What the ledgers say of ``units``, by the names of the marts."""
    parts = (funnel.funnel_from_ledgers(tx, units), responses.responses(tx, units), sales.sales(tx, units))
    return {
        unit: {
            funnel.MART_NAMES.get(name, name): int(value)
            for part in parts
            for name, value in dataclasses.asdict(part[unit]).items()
        }
        for unit in units
    }


def compare(marts: Mapping[CampaignDay, Counts], ledgers: Mapping[CampaignDay, Counts]) -> list[Disagreement]:
    """Every measure of the ledgers that the marts tell otherwise."""
    return [
        Disagreement(unit, name, marts[unit][name], value)
        for unit, told in sorted(ledgers.items())
        for name, value in told.items()
        if marts[unit][name] != value
    ]


def differences(tx: sa.Connection, settings: Settings, *, most_days: int = MOST_DAYS) -> tuple[int, list[Disagreement]]:
    """How many campaign-days were compared, the newest, and every difference; ``tx`` is one snapshot.

    Raises:
        duckdb.IOException: when nothing was published yet.
    """
    units = _judged(tx, settings)[:most_days]
    found = compare(funnel.counts_from_marts(settings.warehouse, units), of_ledgers(tx, units))
    return len(units), [*_of_nowhere(tx, settings), *found]


def _of_nowhere(tx: sa.Connection, settings: Settings) -> list[Disagreement]:
    """Campaign-days of the marts that the registry does not have."""
    days = campaign_days.campaign_days.c
    known = {tuple(row) for row in tx.execute(sa.select(days.campaign, days.cohort_on))}
    with duckdb.connect(str(settings.warehouse), read_only=True) as warehouse:
        told = warehouse.execute("SELECT campaign_id, cohort_on FROM marts.mart_cohort_funnel ORDER BY ALL").fetchall()
    return [Disagreement(CampaignDay(*row), "campaign-days", 1, 0) for row in told if row not in known]


def _judged(tx: sa.Connection, settings: Settings) -> list[CampaignDay]:
    """Campaign-days of which the published build read what the ledgers hold now, the newest first."""
    with duckdb.connect(str(settings.warehouse), read_only=True) as warehouse:
        read = set(warehouse.execute("SELECT campaign, cohort_on, table_name, sha256 FROM marts.lake_files").fetchall())
    m = lake_manifest.c
    moved = {
        (row.campaign, row.cohort_on)
        for row in tx.execute(sa.select(m.campaign, m.cohort_on, m.table_name, m.sha256))
        if row.table_name != export.LEDGER and tuple(row) not in read
    }
    moved |= {(unit.campaign, unit.day) for unit in campaign_days.dirty_days(tx)}
    day = campaign_days.campaign_days.c
    left = sa.or_(day.audits_archived_at.is_not(None), day.mail_archived_at.is_not(None))
    moved |= {(row.campaign, row.cohort_on) for row in tx.execute(sa.select(day.campaign, day.cohort_on).where(left))}
    for name, rules in columns.policy().tables.items():
        if rules.via:  # a ledger that sets no flags
            moved |= {(row.campaign, row.cohort_on) for row in tx.execute(export.more_than_listed(name))}
    known = {(campaign, day) for campaign, day, _, _ in read} - moved - {columns.WHOLE}
    units = [CampaignDay(campaign, day) for campaign, day in known if campaign != export.NO_CAMPAIGN]
    return sorted(units, key=lambda unit: (unit.day, unit.campaign), reverse=True)
