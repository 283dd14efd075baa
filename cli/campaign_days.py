"""`leadfactory campaign-days`: the cohorts there are, and what became of them."""

from __future__ import annotations

import dataclasses

from cli.campaigns import system_of_record
from cli.output import Table, as_json, console
from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay


def list_days(*, only_open: bool, dirty: bool, json: bool) -> None:
    """Campaign-days, newest first."""
    import sqlalchemy as sa

    from leadfactory.d10_analytics import funnel

    days = campaign_days.campaign_days
    query = sa.select(days).order_by(days.c.cohort_on.desc(), days.c.campaign)
    if only_open:
        query = query.where(days.c.state != "closed")
    if dirty:
        query = query.where(sa.func.cardinality(days.c.dirty) > 0)
    with system_of_record() as db, db.begin() as tx:
        rows = [dict(row) for row in tx.execute(query).mappings()]
        units = [CampaignDay(row["campaign"], row["cohort_on"]) for row in rows]
        for row, found in zip(rows, funnel.funnel_from_ledgers(tx, units).values(), strict=True):
            row["counts"] = dataclasses.asdict(found)
    if json:
        as_json([{**row, "campaign_day": f"{row['campaign']}|{row['cohort_on']}"} for row in rows])
        return
    if not rows:
        console.print("no campaign-day matches; `leadfactory demo` makes two")
        return
    table = Table()
    for column in ("campaign-day", "state", "counts", "lake is behind for"):
        table.add_column(column)
    for row in rows:
        counts = ", ".join(f"{k} {v}" for k, v in row["counts"].items() if v)
        table.add_row(
            f"{row['campaign']}|{row['cohort_on']}", row["state"], counts, ", ".join(sorted(row["dirty"])) or "–"
        )
    console.print(table)
