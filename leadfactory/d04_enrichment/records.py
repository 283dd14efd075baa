"""Row rules of D4."""

from __future__ import annotations

from leadfactory.quality.rows import RowRule

ENRICHED_RULES = (
    RowRule("site_is_http", lambda row: row["site_url"] is None or row["site_url"].startswith(("http://", "https://"))),
    RowRule("address_has_origin", lambda row: row["contact_email"] is None or row["contact_email_url"] is not None),
    RowRule("address_takes_mail", lambda row: row["contact_email"] is None or row["contact_email_check"] != "refused"),
    RowRule("match_is_the_place", lambda row: (row["place_match"] == "matched") <= (row["place_id"] is not None)),
    RowRule("failure_has_reason", lambda row: row["status"] == "ok" or bool(row["reason"])),
)
