"""Whether two listings are one business. Agreement confirms, disagreement vetoes.

Thresholds and words are in config/matching.yaml.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from leadfactory.d02_sourcing import doors, names
from leadfactory.d02_sourcing.listings import Listing
from leadfactory.d02_sourcing.matching_rules import rules, zip5


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What two listings say of each other: ``same`` (with what agrees), ``different`` (a veto), or ``unknown``."""

    outcome: str
    evidence: tuple[str, ...] = ()


_TWO_PLACES = Verdict("different", ("phone", "door"))


def compare(one: Listing, other: Listing) -> Verdict:
    """Judges a pair; symmetric, and never ``same`` when in doubt."""
    phones, doored = one_number(one, other), doors.same_door(one.door, other.door)
    if phones is False and doored is False:
        return _TWO_PLACES
    seen = _Pair.of(one, other, phones, doored)
    if seen.doored is False:
        return _two_doors(seen)
    if seen.doored is None and seen.apart is not None and seen.apart > rules().thresholds.far_m and not _moved(seen):
        return Verdict("different", ("distance",))
    told = _behind_one_door(seen) if seen.doored else _door_unknown(seen)
    if told == "same":
        return Verdict("same", seen.agreed)
    return Verdict(told, ("phone",) if told == "different" else ())


@dataclasses.dataclass(frozen=True)
class _Pair:
    """What a pair agrees on: True, False, or None where one side does not say. ``alike`` is ``names.likeness``; metres."""

    one: Listing
    other: Listing
    phones: bool | None
    domains: bool | None
    doored: bool | None
    apart: float | None
    alike: str
    clash: bool

    @classmethod
    def of(cls, one: Listing, other: Listing, phones: bool | None, doored: bool | None) -> _Pair:
        """The pair as it is read."""
        alike = names.likeness(one.named, other.named)
        clash = names.trades_clash(one.named, other.named) or (
            one.named.plain != other.named.plain
            and names.comparable(one.named, other.named)
            and names.categories_clash(one.categories, other.categories)
        )
        domains = None if one.domain is None or other.domain is None else one.domain == other.domain
        return cls(one, other, phones, domains, doored, distance_m(one, other), alike, clash)

    @property
    def near(self) -> bool:
        return self.apart is not None and self.apart <= rules().thresholds.near_m

    @property
    def close(self) -> bool:
        return self.alike in (names.SAME, names.INSIDE)

    @property
    def filed_alike(self) -> bool:
        """Whether the names share a telling word and the sources file both under one category."""
        return self.alike == names.TOUCHING and not self.one.categories.isdisjoint(self.other.categories)

    @property
    def housed(self) -> bool:
        """Whether exactly one of the two is a house of others, under another name."""
        one, other = self.one, self.other
        return self.alike != names.SAME and names.is_host(one.named, one.categories) != names.is_host(
            other.named, other.categories
        )

    @property
    def agreed(self) -> tuple[str, ...]:
        """What speaks for one business, in words."""
        said = {
            "phone": self.phones is True, "door": self.doored is True, "domain": self.domains is True, "name": self.alike == names.SAME,
            "distance": self.near and self.doored is not True, "name_inside": self.alike == names.INSIDE,
        }  # fmt: skip
        return tuple(word for word, yes in said.items() if yes)


def one_number(one: Listing, other: Listing) -> bool | None:
    """Whether two listings share a number. Two extensions are two lines; two toll-free numbers are two advertisements."""
    if one.phone is None or other.phone is None:
        return None
    shared = one.phone == other.phone or bool(({one.phone} | one.other_phones) & ({other.phone} | other.other_phones))
    if shared and one.extension and other.extension and one.extension != other.extension:
        return None
    return True if shared else None if one.toll_free or other.toll_free else False


def _two_doors(seen: _Pair) -> Verdict:
    """Two doors are two businesses, but for one that moved, or whose address is written in another way."""
    if (
        seen.phones is True
        and seen.close
        and not seen.clash
        and not seen.one.toll_free
        and (_moved(seen) or _one_door_after_all(seen))
    ):
        return Verdict("same", (*seen.agreed, "door_nearly"))
    return Verdict("different", ("door",))


def _moved(seen: _Pair) -> bool:
    """Whether local number, name and website stayed within a metropolis, and nothing tells of branches."""
    one, other = seen.one, seen.other
    if (
        not (seen.phones and seen.domains and seen.close)
        or one.toll_free
        or names.has_branch_sign(one.named, other.named)
    ):
        return False
    in_reach = seen.apart is None or seen.apart <= rules().thresholds.metro_m
    return in_reach and (one.site_path == other.site_path or not (one.site_path and other.site_path)) and not seen.clash


def _one_door_after_all(seen: _Pair) -> bool:
    """Whether two addresses that read differently are one: pins that touch, another suite, the road's other name, a slip of the pen."""
    one, other, apart = seen.one, seen.other, seen.apart
    limits = rules().thresholds
    if names.has_branch_sign(one.named, other.named):
        return False
    if apart is not None and apart <= limits.touching_m:
        return True
    if apart is not None and apart > limits.far_m:
        return False
    written = (
        doors.units_differ(one.door, other.door)
        or doors.number_mistyped(one.door, other.door)
        or doors.same_number(one.door, other.door)
    )
    same_street = apart is not None and seen.alike == names.SAME and doors.one_street(one.door, other.door)
    return written or same_street


def _behind_one_door(seen: _Pair) -> str:
    """The same number or the same name behind a door is the same business; another number needs the same name."""
    department = names.is_department(seen.one.named, seen.other.named) and seen.one.categories.isdisjoint(
        seen.other.categories
    )
    if seen.housed:
        return "unknown"
    if seen.phones is True:  # renamed, unless trades or websites tell of two who share a desk
        if seen.close or seen.domains is True:
            return "unknown" if seen.alike != names.SAME and seen.domains is False and seen.clash else "same"
        return "unknown" if seen.clash or (seen.domains is False and not seen.filed_alike) else "same"
    if department:
        return "different" if seen.phones is False else "unknown"
    if seen.alike == names.SAME:
        return "same"
    if seen.domains is True and (seen.close or seen.phones is None) and not seen.clash:
        return "same" if seen.close or seen.one.site_path == seen.other.site_path else "unknown"
    if seen.phones is False:
        return "different"
    return "same" if (seen.close or seen.filed_alike) and not seen.clash else "unknown"


def _door_unknown(seen: _Pair) -> str:
    """Without two addresses, two further things must agree, and a number that many share is none of them."""
    if seen.phones is False:
        return "same" if seen.domains is True and seen.alike == names.SAME and seen.near else "different"
    if seen.housed:
        return "unknown"
    branches = names.has_branch_sign(seen.one.named, seen.other.named)
    if seen.phones is True and not seen.one.toll_free:
        agreed = seen.close or seen.domains is True or seen.near or seen.alike == names.TOUCHING
        return "same" if agreed and not seen.clash else "unknown"
    if seen.alike == names.SAME and seen.near:
        return "same"
    if (
        seen.domains is True
        and seen.alike == names.SAME
        and (seen.near or _one_town(seen.one, seen.other))
        and not branches
    ):
        return "same"
    return "unknown"


def _one_town(one: Listing, other: Listing) -> bool:
    """Whether two listings name one ZIP code, or one town where either has none."""
    if one.zip_code and other.zip_code:
        return zip5(one.zip_code) == zip5(other.zip_code)
    if one.city is None or other.city is None or one.state != other.state:
        return False
    return one.city.casefold() == other.city.casefold()


def same(one: Listing, other: Listing) -> bool:
    """Whether two listings, seen alone, are one business."""
    return compare(one, other).outcome == "same"


SURVIVOR_RULE = "open, then with a phone, then best rank; a field it lacks comes from the next in that order"
_FIELDS = ("name", "street", "city", "state", "zip_code", "phone", "domain", "latitude", "longitude")


def survivorship(group: Sequence[Listing]) -> dict[str, Listing]:
    """Field → the listing that it is taken from, by ``SURVIVOR_RULE``; fields that no listing has are left out."""
    ordered = sorted(group, key=_standing)
    found = {field: next((each for each in ordered if getattr(each, field) is not None), None) for field in _FIELDS}
    return {field: each for field, each in found.items() if each is not None}


def _standing(each: Listing) -> tuple[bool, bool, int, str]:
    return not each.open, each.phone is None, each.rank, str(each.sourced_id)


def survivor(group: Sequence[Listing]) -> Listing:
    """The listing that stands for its group: open before closed, with a phone before without, then the best rank."""
    return min(group, key=_standing)


def distance_m(one: Listing, other: Listing) -> float | None:
    """Metres between two listings; None when either has no coordinates."""
    if None in (one.latitude, one.longitude, other.latitude, other.longitude):
        return None
    return metres(one.latitude, one.longitude, other.latitude, other.longitude)  # type: ignore[arg-type]


def metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance (haversine on a sphere of 6,371 km)."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    half = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    )
    return 2 * 6_371_000 * math.asin(math.sqrt(min(1.0, half)))
