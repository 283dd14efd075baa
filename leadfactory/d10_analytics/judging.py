"""Great Expectations on a built warehouse, before it is published: rules that hold whatever the day was like.

dbt's tests stand beside the models and share their SQL; these look at the built file from outside.
"""

from __future__ import annotations

from pathlib import Path

from leadfactory.quality.suites import Expect, between, unique

KEYS = {  # of the marts that dashboards read; small enough to be looked at row by row
    "dim_campaigns": ("campaign_id",),
    "mart_cohort_conversion": ("cohort_on", "campaign_id", "days_since_send"),
    "mart_cohort_funnel": ("cohort_on", "campaign_id"),
    "mart_daily_activity": ("occurred_on",),
    "mart_daily_funnel": ("occurred_on", "campaign_id"),
    "mart_email_health": ("occurred_on", "sender_domain", "recipient_domain"),
    "mart_scoring_calibration": ("vertical", "score_decile"),
    "mart_unit_economics": ("cut", "cut_value"),
    "mart_vendor_health": ("occurred_on", "vendor", "endpoint"),
}
SIGNED = ("_cents", "margin_share")  # a refund or a loss takes a sum below zero


def expectations(key: tuple[str, ...], columns: dict[str, str]) -> tuple[Expect, ...]:
    """The key is whole and unique, shares are from 0 to 1, counts and costs are never below zero; ``columns``: name → DuckDB type."""
    one = unique(key[0]) if len(key) == 1 else Expect("ExpectCompoundColumnsToBeUnique", {"column_list": list(key)})
    whole = (Expect("ExpectColumnValuesToNotBeNull", {"column": column}) for column in key)
    shares = (between(name, 0, 1) for name, kind in columns.items() if "_share" in name and not name.endswith(SIGNED))
    counts = (
        between(name, 0, None) for name, kind in columns.items() if kind == "BIGINT" and not name.endswith(SIGNED)
    )
    return (one, *whole, *shares, *counts)


def judge(built: Path) -> dict[str, list[str]]:
    """Mart of ``KEYS`` → the rules that do not hold of it in the DuckDB file ``built``."""
    import duckdb

    from leadfactory.quality import gx

    found = {}
    with duckdb.connect(str(built), read_only=True) as warehouse:
        for mart, key in KEYS.items():
            rows = warehouse.execute(f"SELECT * FROM marts.{mart}")  # noqa: S608 - names of this module
            columns = {column[0]: str(column[1]) for column in rows.description or ()}
            found[mart] = gx.broken(mart, list(columns), rows.fetchall(), expectations(key, columns))
    return found
