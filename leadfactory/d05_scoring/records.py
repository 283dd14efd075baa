"""Row rules of D5: what a score must satisfy before it is written."""

from __future__ import annotations

from leadfactory.d05_scoring.signals import FACTORS
from leadfactory.quality.rows import RowRule

ROW_RULES = (
    RowRule(
        "score_0_to_100", lambda row: row["score"] is None or 0 <= row["score"] <= 100, lambda row: str(row["score"])
    ),
    RowRule(
        "unknown_has_no_tier", lambda row: (row["score"] is None) == (row["tier"] == "none"), lambda row: row["tier"]
    ),
    RowRule(
        "factors_0_to_1",
        lambda row: all(row[name] is None or 0 <= row[name] <= 1 for name in (*FACTORS, "confidence")),
        lambda row: str({name: row[name] for name in (*FACTORS, "confidence")}),
    ),
    RowRule(
        "estimate_is_a_range",
        lambda row: row["revenue_low_cents"] is None or 0 <= row["revenue_low_cents"] <= row["revenue_high_cents"],
        lambda row: f"{row['revenue_low_cents']}..{row['revenue_high_cents']}",
    ),
    RowRule("qualified_or_explained", lambda row: row["qualified"] != bool(row["reason"])),
)
