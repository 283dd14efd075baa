"""Great Expectations on a built warehouse, before it is published: rules that hold whatever the day was like.

dbt's tests stand beside the models and share their SQL; these look at the built file from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadfactory.quality.suites import Expect, between, equal

if TYPE_CHECKING:
    import duckdb

KEYS = {  # of the marts that dashboards read
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


# Rules of what DuckDB sums up of each column: one line per column, whatever it has of rows. Great Expectations takes as long for a rule
# of a mart as for one of all marts.
RULES: dict[str, tuple[Expect, ...]] = {
    "key": (equal("rows", "keys"), between("missing", 0, 0)),
    "share": (between("lowest", 0, None), between("highest", None, 1)),
    "count": (between("lowest", 0, None),),
}
SUMMED_UP = ("mart", "column", "rows", "keys", "missing", "lowest", "highest")


def judge(built: Path) -> dict[str, list[str]]:
    """Mart of ``KEYS`` → the rules that do not hold of it in the DuckDB file ``built``: the key is whole and unique, shares are from 0
    to 1, counts and costs are never below zero."""
    import duckdb

    from leadfactory.quality import gx

    lines: dict[str, list[tuple[Any, ...]]] = {kind: [] for kind in RULES}
    with duckdb.connect(str(built), read_only=True) as warehouse:
        for mart, key in KEYS.items():
            for kind, line in _summed_up(warehouse, mart, key):
                lines[kind].append(line)
    found: dict[str, list[str]] = {mart: [] for mart in KEYS}
    for kind, rules in RULES.items():
        for line, told in gx.broken_lines(kind, list(SUMMED_UP), lines[kind], rules):
            found[line[0]].append(f"{line[1]!r} {told}")
    return found


def _summed_up(
    warehouse: duckdb.DuckDBPyConnection, mart: str, key: tuple[str, ...]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Each rule's kind with a line of ``SUMMED_UP``: of the key, of shares, of counts. A mart without rows has none."""
    types = {c[0]: str(c[1]) for c in warehouse.execute(f"SELECT * FROM marts.{mart} LIMIT 0").description or ()}  # noqa: S608
    shares = [name for name in types if "_share" in name and not name.endswith(SIGNED)]
    counts = [name for name, kind in types.items() if kind == "BIGINT" and not name.endswith(SIGNED)]
    whole = ", ".join(key)
    asked = [
        "count(*)",
        f"count(DISTINCT row({whole}))",
        f"count(*) FILTER (({' OR '.join(f'{c} IS NULL' for c in key)}))",
    ]
    for name in (*shares, *counts):  # what is no number is beyond every limit
        number = f"CASE WHEN isnan({name}::double) THEN 'infinity'::double ELSE {name} END" if name in shares else name
        asked += [f"min({number})", f"max({number})"]
    row = warehouse.execute(f"SELECT {', '.join(asked)} FROM marts.{mart}").fetchone()  # noqa: S608
    if row is None or row[0] == 0:
        return
    rows, keys, missing, *ends = row
    yield "key", (mart, whole, rows, keys, missing, None, None)
    for at, name in enumerate((*shares, *counts)):
        kind = "share" if name in shares else "count"
        yield kind, (mart, name, rows, None, None, ends[2 * at], ends[2 * at + 1])
