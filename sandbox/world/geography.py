"""Where things are: US ZIP codes and cities, from config/zip_codes.tsv.gz (ci/zip_codes.py writes it)."""

from __future__ import annotations

import functools
import gzip
import math
import re
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).resolve().parents[2] / "config" / "zip_codes.tsv.gz"


class Zip(NamedTuple):
    """One standard ZIP code with its centre (WGS84 degrees)."""

    code: str
    city: str
    state: str
    latitude: float
    longitude: float
    area_codes: tuple[str, ...]


@functools.cache
def _all() -> tuple[dict[str, Zip], dict[tuple[str, str], list[Zip]]]:
    by_code: dict[str, Zip] = {}
    by_city: dict[tuple[str, str], list[Zip]] = {}
    for line in gzip.decompress(TABLE.read_bytes()).decode().splitlines():
        code, kind, city, _, state, _, _, latitude, longitude, area_codes = line.split("\t")
        if kind == "STANDARD" and area_codes:
            each = Zip(code, city, state, float(latitude), float(longitude), tuple(area_codes.split()))
            by_code[code] = each
            by_city.setdefault((city.lower(), state), []).append(each)
    return by_code, by_city


def load() -> None:
    """Reads the data now, so that the first question does not pay for it."""
    _all()


def all_zips() -> list[Zip]:
    """Every standard ZIP code, in order."""
    return list(_all()[0].values())


def zip_of(code: str) -> Zip | None:
    """The ZIP code, when it is a standard one."""
    return _all()[0].get(code)


@functools.cache
def size_of(city: str, state: str) -> int:
    """How many standard ZIP codes a city has: 1 for a village, dozens for a metropolis."""
    return len(_all()[1].get((city.lower(), state), []))


def zips_of(location: str) -> list[Zip]:
    """The ZIP codes of "10001", "New York, NY", "NY" or an address that ends so; raises LookupError for a place unknown."""
    by_code, by_city = _all()
    code = re.search(r"\b(\d{5})(?:-\d{4})?\b(?!.*\b\d{5}\b)", location)
    if code and code[1] in by_code:
        return [by_code[code[1]]]
    parts = [part.strip() for part in location.split(",") if part.strip()]
    while parts and parts[-1].lower() in {"us", "usa", "united states"}:
        parts.pop()
    if len(parts) >= 2:
        found = by_city.get((parts[-2].lower(), parts[-1][:2].upper()))
        if found:
            return found
    if len(parts) == 1 and (inside := [z for z in by_code.values() if z.state == parts[0].upper()]):
        return inside
    raise LookupError(location)


def near(latitude: float, longitude: float, radius_m: float) -> list[Zip]:
    """ZIP codes whose centre is within the radius, or the nearest one when there is none."""
    by_distance = sorted(
        (distance_m(latitude, longitude, z.latitude, z.longitude), z.code, z) for z in _all()[0].values()
    )
    inside = [z for metres, _, z in by_distance if metres <= radius_m]
    return inside or [by_distance[0][2]]


def around(south: float, west: float, north: float, east: float) -> list[Zip]:
    """ZIP codes of which a part can lie in a rectangle: businesses are up to 0.012 degrees from the centre."""
    reach = 0.0121
    return [
        z
        for z in _all()[0].values()
        if south - reach <= z.latitude <= north + reach and west - reach <= z.longitude <= east + reach
    ]


def distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Metres between two points, on a sphere."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    half = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    )
    return 2 * 6_371_000 * math.asin(math.sqrt(half))
