"""Row rules of D11: what an assignment must satisfy before it is written."""

from __future__ import annotations

from leadfactory.quality.rows import RowRule

ROW_RULES = (
    RowRule("bucket_0_to_9999", lambda row: 0 <= row["bucket"] <= 9_999, lambda row: str(row["bucket"])),
    RowRule("has_an_arm", lambda row: bool(row["arm"])),
)
