"""What must be true of a send at the moment it is claimed. Pure: the facts are read in the claiming transaction.

A *final* reason means never; any other means not now.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from leadfactory.d09_delivery.rules import DeliveryRules


@dataclasses.dataclass(frozen=True)
class Stopped:
    """Why a send may not leave; ``final`` when it never may."""

    reason: str
    final: bool


def judge(
    facts: Mapping[str, Any], *, now: dt.datetime, rules: DeliveryRules, consent_bases: tuple[str, ...]
) -> Stopped | None:
    """The first gate that stops the send, or None when it may leave.

    Args:
        facts: a row of ``claiming.candidates``.
        consent_bases: those that the adapter accepts here.
    """
    checks = (
        (facts["suppressed"], Stopped("suppressed", final=True)),
        (facts["contact_email"] is None, Stopped("no_address", final=True)),
        (facts["contact_email_hmac"] != facts["address_hmac"], Stopped("address_changed", final=True)),
        (facts["newer_draft"], Stopped("draft_superseded", final=True)),
        (not facts["verdict_passed"], Stopped("no_passing_verdict", final=False)),
        (facts["campaign_state"] != "launched", Stopped("campaign_not_launched", final=False)),
        (facts["consent_basis"] not in consent_bases, Stopped("consent_basis_refused", final=False)),
        (facts["country"] not in rules.jurisdictions, Stopped("jurisdiction", final=True)),
        (not _parts_present(facts), Stopped("parts_missing", final=True)),
        (_audit_too_old(facts, now, rules), Stopped("audit_too_old", final=False)),
        (not rules.window.open_at(now, facts["timezone"]), Stopped("outside_window", final=False)),
    )
    return next((stopped for broken, stopped in checks if broken), None)


def _parts_present(facts: Mapping[str, Any]) -> bool:
    """Postal address and unsubscribe link in both bodies, as CAN-SPAM asks of the very bytes."""
    address = (facts["postal_address"] or "").strip()
    bodies = (facts["body_text"] or "", facts["body_html"] or "")
    return bool(address) and address in bodies[0] and all("/u/" in body for body in bodies)


def _audit_too_old(facts: Mapping[str, Any], now: dt.datetime, rules: DeliveryRules) -> bool:
    measured = facts["audited_at"]
    return measured is None or now - measured > dt.timedelta(days=rules.audit_not_older_days)
