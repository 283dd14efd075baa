"""Row rules of D9: what a planned send must satisfy before it is written."""

from __future__ import annotations

from leadfactory.quality.rows import RowRule

ROW_RULES = (
    RowRule("hashed_recipient", lambda row: len(row["address_hmac"]) == 32 and len(row["address_plus_hmac"]) == 32),
    RowRule("has_a_sender", lambda row: "@" in (row["sender_email"] or "")),
    RowRule("expires_after_due", lambda row: row["expires_at"] > row["due_at"]),
)
