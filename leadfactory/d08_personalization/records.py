"""Row rules of D8: what a draft must satisfy before it is written as one that may leave."""

from __future__ import annotations

from leadfactory.quality.rows import RowRule

ROW_RULES = (
    RowRule(
        "complete",
        lambda row: (
            row["status"] != "drafted" or all(row[part] for part in ("subject", "preview", "body_html", "body_text"))
        ),
    ),
    RowRule("priced", lambda row: row["status"] != "drafted" or (row["price_cents"] or 0) > 0),
    RowRule("rests_on_findings", lambda row: row["status"] != "drafted" or bool(row["finding_ids"])),
    RowRule("explained", lambda row: row["status"] == "drafted" or bool(row["reason"])),
)
