"""US places: ZIP codes, cities, states and which lies in which, from the zipcodes package."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any, Literal

Kind = Literal["zip", "city", "state"]


@dataclasses.dataclass(frozen=True)
class PlaceSpec:
    """A place as an operator names it: kind ``zip`` with "10001", ``city`` with "New York, NY", ``state`` with "NY"."""

    kind: Kind
    place: str


@dataclasses.dataclass(frozen=True)
class Place:
    """A place that exists: its canonical name, the standard ZIP codes in it, a time zone and its centre (WGS84 degrees)."""

    kind: Kind
    name: str
    zips: frozenset[str]
    state: str
    timezone: str
    latitude: float
    longitude: float

    @property
    def location(self) -> str:
        """How vendors are asked for it."""
        return self.name


@functools.lru_cache(maxsize=1)
def _standard() -> tuple[dict[str, dict[str, Any]], dict[tuple[str, str], list[str]], dict[str, list[str]]]:
    import zipcodes

    by_code: dict[str, dict[str, Any]] = {}
    by_city: dict[tuple[str, str], list[str]] = {}
    by_state: dict[str, list[str]] = {}
    for row in zipcodes.list_all():
        if row["zip_code_type"] == "STANDARD" and row["active"] and row["country"] == "US":
            by_code[row["zip_code"]] = row
            by_city.setdefault((row["city"].lower(), row["state"]), []).append(row["zip_code"])
            by_state.setdefault(row["state"], []).append(row["zip_code"])
    return by_code, by_city, by_state


def find(spec: PlaceSpec) -> Place:
    """The place that ``spec`` names.

    Raises:
        ValueError: names the kind, the value and the form that is expected.
    """
    by_code, by_city, by_state = _standard()
    text = spec.place.strip()
    if spec.kind == "zip":
        if not re.fullmatch(r"\d{5}", text):
            raise ValueError(f"ZIP {spec.place!r} is malformed: give five digits, for example 10001")
        if text not in by_code:
            raise ValueError(
                f"ZIP {spec.place!r} is not a standard US ZIP code: check it, or target its city as 'New York, NY'"
            )
        codes, name = [text], text
    elif spec.kind == "city":
        city, comma, state = (part.strip() for part in text.partition(","))
        codes = by_city.get((city.lower(), state.upper()), [])
        if not comma or not codes:
            raise ValueError(f"city {spec.place!r} is unknown: write it as 'New York, NY'")
        name = f"{by_code[codes[0]]['city']}, {state.upper()}"
    elif spec.kind == "state":
        codes, name = by_state.get(text.upper(), []), text.upper()
        if not codes:
            raise ValueError(f"state {spec.place!r} is unknown: give two letters, for example NY")
    else:
        raise ValueError(f"kind {spec.kind!r} is unknown: zip, city or state")
    rows = [by_code[code] for code in codes]
    zones = sorted({row["timezone"] for row in rows}, key=lambda z: (-sum(r["timezone"] == z for r in rows), z))
    return Place(
        spec.kind,
        name,
        frozenset(codes),
        rows[0]["state"],
        zones[0],
        sum(float(row["lat"]) for row in rows) / len(rows),
        sum(float(row["long"]) for row in rows) / len(rows),
    )


def timezone_of_zip(code: str) -> str | None:
    """The IANA time zone of a ZIP code; None when it is unknown."""
    row = _standard()[0].get(code)
    return str(row["timezone"]) if row else None


def state_of_zip(code: str) -> str | None:
    """The state of a ZIP code; None when it is unknown."""
    row = _standard()[0].get(code)
    return str(row["state"]) if row else None


def overlap(one: Place, other: Place) -> bool:
    """Whether two places share ground."""
    return not one.zips.isdisjoint(other.zips)
