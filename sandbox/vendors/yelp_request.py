"""What Yelp accepts in a query string: names, types, ranges and patterns. Unknown parameters are ignored, as Yelp does."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]


class BadRequest(ValueError):
    """A 400 of Yelp's: its code, and for a validation error the field and the value it would not take."""

    def __init__(self, description: str, code: str, **more: object) -> None:
        super().__init__(description)
        self.code, self.more = code, more


@dataclasses.dataclass(frozen=True)
class Rule:
    """One parameter; ``least``/``most`` bound a number, or the length of a text, or the items of a list."""

    kind: str
    least: float | None = None
    most: float | None = None
    pattern: str = ""
    allowed: tuple[str, ...] = ()
    required: bool = False


_LOCALE = Rule("text", pattern=r"^[a-z]{2,3}_[A-Z]{2}$")
_PHONE = r"^[0-9 +()\-./x]+$"
_LATITUDE, _LONGITUDE = Rule("number", -90, 90), Rule("number", -180, 180)
_PLATFORM = Rule("text", allowed=("android", "ios", "mobile-generic"))
SEARCH: dict[str, Rule] = {
    "location": Rule("text", 1, 250),
    "latitude": _LATITUDE,
    "longitude": _LONGITUDE,
    "term": Rule("text"),
    "radius": Rule("integer", 0, 40_000),
    "categories": Rule("list"),
    "locale": _LOCALE,
    "price": Rule("list", most=4, allowed=("1", "2", "3", "4")),
    "open_now": Rule("flag"),
    "open_at": Rule("integer"),
    "attributes": Rule("list"),
    "sort_by": Rule("text", allowed=("best_match", "rating", "review_count", "distance")),
    "device_platform": _PLATFORM,
    "reservation_covers": Rule("integer", 1, 10),
    "limit": Rule("integer", 0, 50),
    "offset": Rule("integer", 0, 1_000),
}
PHONE = {"phone": Rule("text", 1, 32, pattern=_PHONE, required=True), "locale": _LOCALE}
MATCHES: dict[str, Rule] = {
    "name": Rule("text", 1, 64, required=True),
    "address1": Rule("text", 0, 64, required=True),
    "address2": Rule("text", 0, 64),
    "address3": Rule("text", 0, 64),
    "city": Rule("text", 1, 64, required=True),
    "state": Rule("text", 1, 3, required=True),
    "country": Rule("text", 2, 2, pattern=r"^[A-Z]{2}$", required=True),
    "postal_code": Rule("text", 0, 12),
    "latitude": _LATITUDE,
    "longitude": _LONGITUDE,
    "phone": Rule("text", 1, 32, pattern=_PHONE),
    "yelp_business_id": Rule("text", 22, 22),
    "limit": Rule("integer", 1, 10),
    "match_threshold": Rule("text", allowed=("none", "default", "strict")),
}


def checked(rules: Mapping[str, Rule], given: Mapping[str, str]) -> Values:
    """The given parameters that the rules know, as typed values; raises BadRequest."""
    values: Values = {}
    for name, rule in rules.items():
        if name in given:
            values[name] = _value(name, rule, given[name])
        elif rule.required:
            raise BadRequest(f"'{name}' is a required parameter", "VALIDATION_ERROR", field=name, instance=None)
    return values


def merged_attributes(yelp_id: str) -> dict[str, object]:
    """What the error of a merged business adds: the id that stayed."""
    return {"new_business_id": yelp_id}


def _refuse(name: str, value: object, why: str) -> BadRequest:
    return BadRequest(f"{value!r} {why}", "VALIDATION_ERROR", field=name, instance=value)


def _value(name: str, rule: Rule, text: str) -> Any:
    match rule.kind:
        case "integer" | "number":
            return _number(name, rule, text)
        case "flag":
            if text.lower() not in ("true", "false"):
                raise _refuse(name, text, "is not of type 'boolean'")
            return text.lower() == "true"
        case "list":
            return _list(name, rule, text)
    _bound(name, text, len(text), rule, "is too short", "is too long")
    if rule.pattern and not re.match(rule.pattern, text):
        raise _refuse(name, text, f"does not match '{rule.pattern}'")
    if rule.allowed and text not in rule.allowed:
        raise _refuse(name, text, f"is not one of {list(rule.allowed)}")
    return text


def _number(name: str, rule: Rule, text: str) -> float | int:
    try:
        number = int(text) if rule.kind == "integer" else float(text)
    except ValueError:
        raise _refuse(name, text, f"is not of type '{rule.kind}'") from None
    _bound(
        name,
        number,
        number,
        rule,
        f"is less than the minimum of {rule.least}",
        f"is greater than the maximum of {rule.most}",
    )
    return number


def _list(name: str, rule: Rule, text: str) -> list[str]:
    items = text.split(",")
    _bound(name, items, len(items), rule, "is too short", "is too long")
    for item in items:
        if not item or (rule.allowed and item not in rule.allowed):
            raise _refuse(name, item, f"is not one of {list(rule.allowed)}" if rule.allowed else "is too short")
    if len(set(items)) < len(items):
        raise _refuse(name, items, "has non-unique elements")
    return items


def _bound(name: str, value: object, size: float, rule: Rule, low: str, high: str) -> None:
    if not (rule.least is None or size >= rule.least):  # written so that NaN is refused
        raise _refuse(name, value, low)
    if not (rule.most is None or size <= rule.most):
        raise _refuse(name, value, high)
