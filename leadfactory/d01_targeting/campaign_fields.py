"""What the fields of a campaign may hold; each refusal says what is allowed. Pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

MAX_QUOTA = 100_000  # businesses a day; the table's own limit
MAX_BUDGET_CENTS = 100_000_000
CONSENT_BASES = ("consented", "transactional", "cold", "simulated")
MAILERS = ("sendgrid", "smtp")
SIMULATED = "simulated"
TIERS = ("A", "B", "C", "D")
_CHOICES: dict[str, tuple[tuple[str | bool, ...], str]] = {
    "pagespeed_desktop": ((True, False), "whether websites are measured as a computer too"),
    "min_tier": (TIERS, "the lowest tier that is written to"),
    "mailer": (MAILERS, "the adapter that its letters leave by"),
}
_RANGES = {
    "budget_cents": (1, MAX_BUDGET_CENTS, "is out of range: $0.01 to $1,000,000"),
    "daily_quota": (1, MAX_QUOTA, f"is out of range: choose 1 to {MAX_QUOTA} businesses a day"),
    "review_percent": (0, 100, "is out of range: 0 (no letter waits for a person) to 100 (every letter does)"),
}
_HEADER_BREAK = re.compile(r"[\x00-\x1f\x7f]")  # a line break in a sender's name would write mail headers of its own
_ADDRESS = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+\.[^@\s<>,;:\".]{2,}")


def problem(field: str, value: Any, *, production: bool) -> str | None:
    """What is wrong with ``value`` for ``field``, to be read after ``field=value``; None when it may be stored."""
    if isinstance(value, str) and _HEADER_BREAK.search(value):
        return "holds a line break or a control character: write it on one line"
    match field:
        case "consent_basis":
            if value == SIMULATED and production:
                return "belongs to demos and tests; production refuses it: use consented, transactional or cold"
            return None if value in CONSENT_BASES else f"is not one of {', '.join(CONSENT_BASES)}"
        case "sender_email":
            ok = isinstance(value, str) and len(value) <= 254 and bool(_ADDRESS.fullmatch(value))
            return None if ok else "is not an e-mail address: write it as you@your-domain"
        case "sender_name" | "risk_acknowledged_by":
            return _name(field, value)
        case "postal_address":
            ok = isinstance(value, str) and bool(re.search(r"\d", value)) and 12 <= len(value.strip()) <= 300
            return (
                None
                if ok
                else "is not a postal address: CAN-SPAM asks for a street address, a PO box or a registered mailbox"
            )
        case "budget_cents" | "daily_quota" | "review_percent":
            return _between(value, *_RANGES[field])
        case "top_share":
            number = not isinstance(value, bool) and isinstance(value, (int, float))
            return None if number and 0 < value <= 1 else "is out of range: above 0, at most 1"
        case "min_tier" | "pagespeed_desktop" | "mailer":
            choices, what = _CHOICES[field]
            return None if value in choices else f"is not one of {', '.join(map(str, choices))}: {what}"
        case "starts_on" | "ends_on":
            ok = isinstance(value, dt.date) and not isinstance(value, dt.datetime)
            return None if ok else "is not a date: write it as YYYY-MM-DD"
    return "is not a field that can be set"


def _name(field: str, value: Any) -> str | None:
    ok = isinstance(value, str) and 1 <= len(value.strip()) <= 120
    if field == "sender_name":
        return None if ok else "is not a name of 1 to 120 characters: mail names the person who writes"
    full = ok and len(value.split()) >= 2
    return None if full else "is not the full name of a person: write first and last name of who takes the risk"


def _between(value: Any, low: int, high: int, refusal: str) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return None if whole and low <= value <= high else refusal
