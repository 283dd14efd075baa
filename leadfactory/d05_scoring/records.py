"""Row rules of D5: what a score must satisfy before it is written."""

from __future__ import annotations

from leadfactory.quality.rows import RowRule

ROW_RULES = (
    RowRule(
        "score_0_to_100", lambda row: row["score"] is None or 0 <= row["score"] <= 100, lambda row: str(row["score"])
    ),
    RowRule(
        "unknown_has_no_tier", lambda row: (row["score"] is None) == (row["tier"] == "none"), lambda row: row["tier"]
    ),
    RowRule("qualified_or_explained", lambda row: row["qualified"] != bool(row["reason"])),
)
