"""Row rules of D2: what a sourced listing must have before it is written."""

from __future__ import annotations

from leadfactory.quality.rows import RowRule

SOURCED_RULES = (
    RowRule("yelp_id_present", lambda row: bool(row["yelp_id"])),
    RowRule("name_present", lambda row: row["name_hmac"] is not None),
)
