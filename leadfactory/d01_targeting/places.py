"""US places: ZIP codes, cities, metros and states, and which lies in which.

From config/metros.yaml and from config/zip_codes.tsv.gz, which ci/zip_codes.py writes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import functools
import gzip
import re
from collections import Counter
from typing import Literal, NamedTuple

import pydantic

from leadfactory import yaml_config
from leadfactory.settings import ROOT

Kind = Literal["zip", "city", "metro", "state"]
TABLE = ROOT / "config" / "zip_codes.tsv.gz"
_USED = {"STANDARD", "PO BOX", "UNIQUE"}  # military post is sorted abroad


@dataclasses.dataclass(frozen=True)
class PlaceSpec:
    """A place as an operator names it: ``zip`` "10001", ``city`` "New York, NY", ``metro`` "new-york", ``state`` "NY"."""

    kind: Kind
    place: str


@dataclasses.dataclass(frozen=True)
class Place:
    """A place that exists: canonical name, its ZIP codes, the state and time zone of most of them, its centre (WGS84 degrees).

    ``location`` and ``radius_m`` are how a vendor is asked for it; ``radius_m`` is None where the name alone says it.
    """

    kind: Kind
    name: str
    zips: frozenset[str]
    states: frozenset[str]
    state: str
    timezone: str
    latitude: float
    longitude: float
    location: str
    radius_m: int | None = None


class Metro(pydantic.BaseModel):
    """A metro: the city that vendors are asked for, how far around it, and the counties that it is made of."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    city: str
    radius_m: int = pydantic.Field(ge=1_000, le=40_000)
    counties: dict[str, tuple[str, ...]]


class _Metros(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    as_of: dt.date
    metros: dict[str, Metro]


class _Zip(NamedTuple):
    """A ZIP code in use, by the columns of ci/zip_codes.py."""

    code: str
    kind: str
    city: str
    county: str
    state: str
    country: str
    timezone: str
    latitude: str
    longitude: str
    area_codes: str


@dataclasses.dataclass(frozen=True)
class _Gazetteer:
    by_code: dict[str, str]  # lines of the table: forty thousand of them are read at once, and a few are asked for
    by_city: dict[tuple[str, str], list[str]]
    by_county: dict[tuple[str, str], list[str]]
    by_state: dict[str, list[str]]
    metros: dict[str, Metro]

    def row(self, code: str) -> _Zip | None:
        """What the table says of a ZIP code that is in use."""
        line = self.by_code.get(code)
        return None if line is None else _Zip(*line.split("\t"))


@functools.lru_cache(maxsize=1)
def _gazetteer() -> _Gazetteer:
    found = _Gazetteer({}, {}, {}, {}, yaml_config.load("metros", _Metros).metros)
    for line in gzip.decompress(TABLE.read_bytes()).decode().splitlines():
        code, kind, city, county, state, country, timezone, _ = line.split("\t", 7)
        if kind not in _USED or not timezone or country != "US":
            continue
        found.by_code[code] = line
        found.by_state.setdefault(state, []).append(code)
        found.by_county.setdefault((county, state), []).append(code)
        found.by_city.setdefault((city.lower(), state), []).append(code)
    return found


@functools.lru_cache(maxsize=2_000)
def find(spec: PlaceSpec) -> Place:
    """The place that ``spec`` names.

    Raises:
        ValueError: names the kind, the value and the form that is expected, with the nearest names where there are any.
    """
    text = spec.place.strip()
    match spec.kind:
        case "zip":
            return _zip(text)
        case "city":
            return _city(text)
        case "metro":
            return _metro(text)
        case "state":
            return _state(text)
    raise ValueError(f"kind {spec.kind!r} of place {spec.place!r} is unknown: use zip, city, metro or state")


def parents(code: str) -> dict[str, str]:
    """What a ZIP code lies in: ``city``, ``county``, ``metro`` (when it is in one of ours) and ``state``.

    Raises:
        ValueError: the code is malformed or not in use.
    """
    _zip(code)
    known = _gazetteer()
    row = known.row(code)
    assert row is not None
    found = {
        "city": f"{row.city}, {row.state}",
        "county": f"{row.county}, {row.state}",
        "state": row.state,
    }
    metro = next((name for name, each in known.metros.items() if row.county in each.counties.get(row.state, ())), None)
    return found | ({"metro": metro} if metro else {})


def timezone_of_zip(code: str) -> str | None:
    """The IANA time zone of a ZIP code; None when it is unknown."""
    row = _gazetteer().row(code)
    return row.timezone if row else None


def state_of_zip(code: str) -> str | None:
    """The state of a ZIP code; None when it is unknown."""
    row = _gazetteer().row(code)
    return row.state if row else None


def overlap(one: Place, other: Place) -> bool:
    """Whether two places share ground."""
    return not one.zips.isdisjoint(other.zips)


def _zip(text: str) -> Place:
    if not re.fullmatch(r"[0-9]{5}", text):
        raise ValueError(f"ZIP {text!r} is malformed: give five digits, for example 10001")
    if text not in _gazetteer().by_code:
        raise ValueError(f"ZIP {text!r} is not a US ZIP code in use: check it, or target its city as 'New York, NY'")
    return _place("zip", text, [text], text)


def _city(text: str) -> Place:
    known = _gazetteer()
    city, _, state = (part.strip() for part in text.rpartition(","))
    codes = known.by_city.get((city.lower(), state.upper()))
    if not codes:
        inside = [name for name, of in known.by_city if of == state.upper()]
        near = difflib.get_close_matches(city.lower(), inside, n=3, cutoff=0.6)
        hint = f"; did you mean {', '.join(f'{name.title()}, {state.upper()}' for name in near)}?" if near else ""
        raise ValueError(f"city {text!r} is unknown: write it as 'New York, NY'{hint}")
    row = known.row(codes[0])
    assert row is not None
    name = f"{row.city}, {state.upper()}"
    return _place("city", name, codes, name)


def _metro(text: str) -> Place:
    known = _gazetteer()
    metro = known.metros.get(text.lower().replace(" ", "-"))
    if metro is None:
        raise ValueError(
            f"metro {text!r} is unknown: config/metros.yaml has {', '.join(sorted(known.metros))}; add it there with its counties"
        )
    counties = [(county, state) for state, names in metro.counties.items() for county in names]
    missing = [f"{county}, {state}" for county, state in counties if (county, state) not in known.by_county]
    if missing:
        raise ValueError(
            f"config/metros.yaml: metros.{text}.counties names {'; '.join(missing)}: no such county; correct it"
        )
    inside = {code for county in counties for code in known.by_county[county]}
    codes = sorted(inside | _city(metro.city).zips)  # the package files some of a city's own ZIP codes elsewhere
    return _place("metro", text.lower().replace(" ", "-"), codes, metro.city, metro.radius_m)


def _state(text: str) -> Place:
    codes = _gazetteer().by_state.get(text.upper())
    if not codes:
        raise ValueError(f"state {text!r} is unknown: give two letters, for example NY")
    return _place("state", text.upper(), codes, f"{text.upper()}, USA")


def _place(kind: Kind, name: str, codes: list[str], location: str, radius_m: int | None = None) -> Place:
    rows = [row for code in codes if (row := _gazetteer().row(code))]
    zones, states = Counter(row.timezone for row in rows), Counter(row.state for row in rows)
    return Place(
        kind=kind, name=name, zips=frozenset(codes), states=frozenset(states), state=_most(states), timezone=_most(zones),
        latitude=sum(float(row.latitude) for row in rows) / len(rows), longitude=sum(float(row.longitude) for row in rows) / len(rows),
        location=location, radius_m=radius_m,
    )  # fmt: skip


def _most(counted: Counter[str]) -> str:
    """The commonest, the first in the alphabet among equals."""
    return min(counted, key=lambda each: (-counted[each], each))
