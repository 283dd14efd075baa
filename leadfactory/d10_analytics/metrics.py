"""The figures that operators ask for by name, read from the published marts: of a day, of a campaign, of an experiment."""

from __future__ import annotations

import datetime as dt
from typing import Any

from leadfactory.d10_analytics.reading import Marts


class Unknown(LookupError):
    """A name that the marts do not have; the message says which they have."""


def daily(marts: Marts, day: dt.date) -> dict[str, Any]:
    """What happened on ``day`` (UTC) in the whole factory; all zero when nothing did. Columns as in mart_daily_activity."""
    rows = marts.ask("SELECT * EXCLUDE (occurred_on) FROM mart_daily_activity WHERE occurred_on = ?", [day])
    found = rows.to_pylist()
    return {"occurred_on": day, **(found[0] if found else dict.fromkeys(rows.column_names, 0))}


def campaign(marts: Marts, campaign_id: str) -> dict[str, Any]:
    """What a campaign has come to over all its days, what it cost and what is left.

    Raises:
        Unknown: when there is no such campaign.
    """
    about = marts.ask(
        "SELECT vertical, state, first_cohort_on, last_cohort_on FROM dim_campaigns WHERE campaign_id = ?",
        [campaign_id],
    )
    if not about.num_rows:
        raise _unknown(marts, "campaign", campaign_id, "SELECT campaign_id FROM dim_campaigns ORDER BY 1")
    sums = marts.ask(
        "SELECT COLUMNS(* EXCLUDE (cohort_on, campaign_id, vertical, state))::BIGINT FROM "
        "(SELECT sum(COLUMNS(* EXCLUDE (cohort_on, campaign_id, vertical, state))), '' AS cohort_on, '' AS campaign_id, '' AS vertical, "
        "'' AS state FROM mart_cohort_funnel WHERE campaign_id = ?)",
        [campaign_id],
    )
    economics = marts.ask(
        "SELECT * EXCLUDE (cut, cut_value, vendor_cost_microusd, revenue_cents, qualified) FROM mart_unit_economics "
        "WHERE cut = 'campaign' AND cut_value = ?",
        [campaign_id],
    )
    rows = [part.to_pylist() for part in (about, sums, economics)]
    return {"campaign_id": campaign_id} | {name: value for part in rows for row in part for name, value in row.items()}


def experiment(marts: Marts, name: str) -> list[dict[str, Any]]:
    """What the newest version of an experiment says now, one row an arm.

    Raises:
        Unknown: when the marts hold no read-out of it.
    """
    rows = marts.ask(
        "SELECT experiment, version, read_on, arm, exposed, events, rate, rate_low, rate_high, ratio, ratio_low, ratio_high, decision, "
        "winner, sentence FROM mart_experiments WHERE experiment = ? AND is_newest QUALIFY version = max(version) OVER () ORDER BY arm",
        [name],
    ).to_pylist()
    if not rows:
        raise _unknown(marts, "experiment", name, "SELECT DISTINCT experiment FROM mart_experiments ORDER BY 1")
    return rows


def _unknown(marts: Marts, what: str, name: str, query: str) -> Unknown:
    have = ", ".join(str(next(iter(row.values()))) for row in marts.ask(query).to_pylist()) or "none"
    return Unknown(f"the marts hold no {what} {name!r}; they hold {have}")
