"""The funnel of a campaign-day, twice: from the ledgers and from the published marts. They must agree to the row and the cent."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay

FIELDS = ("sourced", "unique", "enriched", "audited", "scored", "qualified", "drafted", "sent")
MART_NAMES = {"unique": "unique_businesses"}  # "unique" is a word of SQL


@dataclasses.dataclass(frozen=True)
class Funnel:
    """How far a campaign-day's businesses came. Each number is defined here; int_funnel_days.sql says the same in dbt.

    - ``sourced``: listings of the campaign-day, before duplicates are merged
    - ``unique``: its distinct businesses, without those that an earlier cohort holds
    - ``enriched``: of which the own website was found and answered (status ok)
    - ``audited``: of whose website there is a measurement (status ok)
    - ``scored``: with a number in the newest version of their score
    - ``qualified``: qualified by the newest version of their score
    - ``drafted``: whose newest first letter is drafted, neither rejected nor held out
    - ``sent``: letters, of every step, that the mailer accepted
    - ``unknown``: letters handed over without an answer; apart from ``sent``, because nobody knows

    A business that was written to and scored anew since may be in ``sent`` and no longer in ``qualified``.
    """

    sourced: int = 0
    unique: int = 0
    enriched: int = 0
    audited: int = 0
    scored: int = 0
    qualified: int = 0
    drafted: int = 0
    sent: int = 0
    unknown: int = 0


_NEWEST_SCORES = "SELECT DISTINCT ON (business_id) * FROM lead_scores WHERE {unit} ORDER BY business_id, version DESC"
_NEWEST_DRAFTS = (
    "SELECT DISTINCT ON (business_id) * FROM email_drafts WHERE {unit} AND step = 1 ORDER BY business_id, version DESC"
)
_LEDGERS = """SELECT
  (SELECT count(*) FROM sourced_businesses WHERE {unit}) AS sourced,
  (SELECT count(*) FROM unique_businesses WHERE {unit} AND duplicate_of IS NULL) AS "unique",
  (SELECT count(*) FROM enriched_businesses WHERE {unit} AND status = 'ok') AS enriched,
  (SELECT count(*) FROM site_audits WHERE {unit} AND status = 'ok') AS audited,
  (SELECT count(*) FROM ({scores}) s WHERE score IS NOT NULL) AS scored,
  (SELECT count(*) FROM ({scores}) s WHERE qualified) AS qualified,
  (SELECT count(*) FROM ({drafts}) d WHERE status = 'drafted') AS drafted,
  (SELECT count(*) FROM email_sends WHERE {unit} AND state = 'accepted') AS sent,
  (SELECT count(*) FROM email_sends WHERE {unit} AND state = 'unknown') AS unknown"""
_UNIT = "campaign = :campaign AND cohort_on = :cohort_on"


def funnel_from_ledgers(tx: sa.Connection, units: Sequence[CampaignDay]) -> dict[CampaignDay, Funnel]:
    """The funnels of ``units`` from the ledgers in Postgres; a campaign-day without rows is all zero."""
    query = _LEDGERS.format(
        unit=_UNIT, scores=_NEWEST_SCORES.format(unit=_UNIT), drafts=_NEWEST_DRAFTS.format(unit=_UNIT)
    )
    found = {}
    for unit in units:
        row = tx.execute(sa.text(query), {"campaign": unit.campaign, "cohort_on": unit.day}).mappings().one()
        found[unit] = Funnel(**row)
    return found


def counts_from_marts(path: Path, units: Sequence[CampaignDay]) -> dict[CampaignDay, dict[str, int]]:
    """Every measure of ``units`` from mart_cohort_funnel of the published DuckDB file; without rows there all are zero.

    Raises:
        duckdb.IOException: when nothing was published at ``path`` yet.
    """
    import duckdb

    with duckdb.connect(str(path), read_only=True) as warehouse:
        found = warehouse.execute("SELECT * EXCLUDE (vertical, state) FROM marts.mart_cohort_funnel")
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    stored = {CampaignDay(row.pop("campaign_id"), row.pop("cohort_on")): row for row in rows}
    zero = dict.fromkeys(names[2:], 0)
    return {unit: {name: int(n) for name, n in stored.get(unit, zero).items()} for unit in units}


def funnel_from_marts(path: Path, units: Sequence[CampaignDay]) -> dict[CampaignDay, Funnel]:
    """The funnels of ``units`` from the published DuckDB file; a campaign-day that it does not have is all zero.

    Raises:
        duckdb.IOException: when nothing was published at ``path`` yet.
    """
    names = {field.name: MART_NAMES.get(field.name, field.name) for field in dataclasses.fields(Funnel)}
    counts = counts_from_marts(path, units)
    return {unit: Funnel(**{field: of[name] for field, name in names.items()}) for unit, of in counts.items()}


def calls_and_spend(tx: sa.Connection, units: Sequence[CampaignDay]) -> tuple[dict[str, int], int]:
    """Calls by vendor and their cost in millionths of a US dollar.

    A call counts when it left the house (no cached answer, not stopped before); while its cost is unknown it counts at the
    worst case that was reserved.
    """
    calls: dict[str, int] = {}
    spend = 0
    for unit in units:
        rows = tx.execute(
            sa.text(
                f"""SELECT vendor, count(*) AS n, coalesce(sum(coalesce(cost_microusd, reserved_microusd)), 0) AS microusd
                    FROM vendor_calls WHERE {_UNIT} AND NOT cache_hit AND status <> 'not_sent' GROUP BY vendor"""  # noqa: S608
            ),
            {"campaign": unit.campaign, "cohort_on": unit.day},
        )
        for row in rows:
            calls[row.vendor] = calls.get(row.vendor, 0) + row.n
            spend += int(row.microusd)
    return calls, spend


_PROGRESS = (
    ("sourced_businesses", "SELECT coalesce(sum(businesses_planned), 0) FROM campaign_targets WHERE {unit}"),
    ("unique_businesses", "SELECT count(*) FROM sourced_businesses WHERE {unit}"),
    (
        "enriched_businesses",
        "SELECT count(*) FROM unique_businesses WHERE {unit} AND duplicate_of IS NULL AND excluded_reason IS NULL",
    ),
    ("site_audits", "SELECT count(*) FROM enriched_businesses WHERE {unit} AND status = 'ok'"),
    ("site_insights", "SELECT count(*) FROM site_audits WHERE {unit} AND status = 'ok'"),
    ("lead_scores", "SELECT count(*) FROM unique_businesses WHERE {unit}"),
    ("email_drafts", "SELECT count(*) FROM lead_scores WHERE {unit} AND qualified"),
)


def stage_counts(tx: sa.Connection, unit: CampaignDay) -> dict[str, tuple[int, int]]:
    """Stage → (rows there, rows expected), for progress bars."""
    parts = ", ".join(  # constants of this module only
        f"(SELECT count(*) FROM {table} WHERE {_UNIT}), ({expected.format(unit=_UNIT)})"  # noqa: S608
        for table, expected in _PROGRESS
    )
    row = tx.execute(sa.text(f"SELECT {parts}"), {"campaign": unit.campaign, "cohort_on": unit.day}).one()
    return {table: (int(row[2 * i]), int(row[2 * i + 1])) for i, (table, _) in enumerate(_PROGRESS)}
