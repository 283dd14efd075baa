"""What an admin may say about recipients, checked: whether they act, how fast, at which rates, and the fates of single ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.recipients.temper import FATES, RATES


def checked(body: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a request changes; rates and fates are added to those that are set. Raises ValueError with the remedy."""
    if not isinstance(body, dict) or not body.keys() <= {"act", "hurry", "rates", "fates"}:
        raise ValueError("send a JSON object with any of act (true, false), hurry (a factor), rates, fates")
    found: dict[str, Any] = {}
    if "act" in body:
        if not isinstance(body["act"], bool):
            raise ValueError(f"act={body['act']!r}: choose true or false")
        found["recipients"] = body["act"]
    if "hurry" in body:
        if not _is_number(body["hurry"]) or body["hurry"] <= 0:
            raise ValueError(f"hurry={body['hurry']!r} is no factor: choose a number above 0")
        found["recipients_hurry"] = body["hurry"]
    if "rates" in body:
        found["sendgrid_rates"] = (options.get("sendgrid_rates") or {}) | _rates(body["rates"])
    if "fates" in body:
        found["sendgrid_outcomes"] = (options.get("sendgrid_outcomes") or {}) | _fates(body["fates"])
    return found


def _rates(given: Any) -> dict[str, float]:
    for name, rate in dict(given).items():
        if name not in RATES:
            raise ValueError(f"rate {name!r} is unknown: choose from {', '.join(RATES)}")
        if not _is_number(rate) or not 0 <= rate <= 1:
            raise ValueError(f"rate {name}={rate!r} is no share: choose 0 to 1")
    return dict(given)


def _fates(given: Any) -> dict[str, str]:
    for address, fate in dict(given).items():
        if fate not in FATES:
            raise ValueError(f"fate {fate!r} of {address} is unknown: choose from {', '.join(FATES)}")
    return dict(given)


def told(options: Mapping[str, Any]) -> dict[str, Any]:
    """What holds now."""
    return {
        "act": bool(options.get("recipients")),
        "hurry": options.get("recipients_hurry") or 1,
        "rates": {**RATES, **(options.get("sendgrid_rates") or {})},
        "fates": options.get("sendgrid_outcomes") or {},
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
