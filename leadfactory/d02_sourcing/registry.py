"""The registry of businesses: which registered business a group of listings is, by vendor id and by pairs of keyed hashes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d02_sourcing import merging
from leadfactory.d02_sourcing.tables import businesses

HASHES = ("name_hmac", "phone_hmac", "address_hmac", "domain_hmac", "chain_hmac")
FOUND_BY = ("phone_hmac", "address_hmac", "domain_hmac")
Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Found:
    """A registered business that a group is, and on what that rests."""

    business_id: uuid.UUID
    evidence: str
    row: Row

    def held_by(self, unit: CampaignDay) -> bool:
        """Whether ``unit`` itself registered it."""
        return self.row["first_campaign"] == unit.campaign and self.row["first_cohort_on"] == unit.day


def hashes_agree(one: Row, other: Row) -> str | None:
    """Which two hashes make two rows one business; None when they do not.

    One hash alone says nothing (a switchboard, a mall, a common name). The same name and number behind two doors are two
    branches of a chain.
    """
    phone, door, name, domain = (
        one[column] is not None and one[column] == other[column]
        for column in ("phone_hmac", "address_hmac", "name_hmac", "domain_hmac")
    )
    if phone and door:
        return "phone+door"
    if door and name:
        return "door+name"
    if door and domain:
        return "door+domain"
    two_doors = None not in (one["address_hmac"], other["address_hmac"]) and not door
    if two_doors:
        return None
    return "phone+name" if phone and name else "phone+domain" if phone and domain else None


class Registry:
    """The registered businesses that could be any of ``rows``, read in one query; the caller holds the registry's lock."""

    def __init__(self, tx: sa.Connection, rows: Sequence[Row]) -> None:
        wanted = {column: [row[column] for row in rows if row[column] is not None] for column in FOUND_BY}
        ids = [row["yelp_id"] for row in rows if row["yelp_id"]]
        found = tx.execute(
            sa.select(businesses).where(
                sa.or_(
                    businesses.c.yelp_ids.op("&&")(sa.cast(ids, sa.ARRAY(sa.Text))),
                    *(businesses.c[column] == sa.any_(sa.cast(values, sa.ARRAY(sa.LargeBinary))) for column, values in wanted.items()),
                )
            )
        ).mappings()  # fmt: skip
        self._by_yelp: dict[str, list[Row]] = defaultdict(list)
        self._by_hash: dict[tuple[str, bytes], list[Row]] = defaultdict(list)
        for row in found:
            self.add(dict(row))
        self._merges = merging.Merges.read(tx)

    def add(self, row: Row) -> None:
        """Makes a business findable."""
        for yelp_id in row["yelp_ids"]:
            self._by_yelp[yelp_id].append(row)
        for column in FOUND_BY:
            if row[column] is not None:
                self._by_hash[column, row[column]].append(row)

    def find(self, listings: Sequence[Row], *, but_not: frozenset[uuid.UUID] = frozenset()) -> list[Found]:
        """The registered businesses that a group of sourced rows is, the earliest first.

        Args:
            listings: sourced rows that are one business.
            but_not: businesses that a closer look has told apart from these.
        """
        found: dict[uuid.UUID, Found] = {}
        for listing in listings:
            for row in self._by_yelp.get(listing["yelp_id"] or "", ()):
                found.setdefault(row["business_id"], Found(row["business_id"], "yelp_id", row))
            for column in FOUND_BY:
                for row in self._by_hash.get((column, listing[column]), ()) if listing[column] is not None else ():
                    evidence = hashes_agree(listing, row)
                    if evidence is not None and row["business_id"] not in but_not:
                        found.setdefault(row["business_id"], Found(row["business_id"], evidence, row))
        first = sorted(found.values(), key=lambda each: (each.row["registered_at"], str(each.business_id)))
        if not first:
            return []
        kept = self._merges.survivor(first[0].business_id)
        if kept != first[0].business_id:  # an operator, or an earlier day, found it to be another
            first[0] = dataclasses.replace(first[0], business_id=kept, evidence=f"{first[0].evidence}, merged")
        return [
            first[0],
            *(
                each
                for each in first[1:]
                if self._merges.survivor(each.business_id) != kept and not self._merges.apart(kept, each.business_id)
            ),
        ]


def registered(business_id: uuid.UUID, unit: CampaignDay, listings: Sequence[Row], now: dt.datetime) -> dict[str, Any]:
    """The registry's row of a business that is new."""
    return {
        "business_id": business_id, "first_campaign": unit.campaign, "first_cohort_on": unit.day,
        "yelp_ids": sorted({row["yelp_id"] for row in listings if row["yelp_id"]}),
        **{name: next((row[name] for row in listings if row[name] is not None), None) for name in HASHES},
        "registered_at": now,
    }  # fmt: skip


def learn(tx: sa.Connection, business_id: uuid.UUID, listings: Sequence[Row]) -> None:
    """Adds the vendor ids of further listings to a registered business, so that they are found by id next time."""
    ids = sorted({row["yelp_id"] for row in listings if row["yelp_id"]})
    known = businesses.c.yelp_ids
    both = known.op("||")(sa.cast(ids, sa.ARRAY(sa.Text)))
    merged = sa.func.array(sa.select(sa.distinct(sa.func.unnest(both))).correlate(businesses).scalar_subquery())
    tx.execute(
        sa.update(businesses)
        .where(businesses.c.business_id == business_id, ~known.op("@>")(sa.cast(ids, sa.ARRAY(sa.Text))))
        .values(yelp_ids=merged)
    )


def record_merges(tx: sa.Connection, found: Sequence[Found], unit: CampaignDay, now: dt.datetime) -> None:
    """Writes down, once, that registered businesses turned out to be one: the earliest survives, no cohort is edited."""
    for other in found[1:]:
        evidence = {
            "survivor_by": found[0].evidence,
            "merged_by": other.evidence,
            "seen_in": unit.key,
            "rule": "registered first",
        }
        merging.record(tx, "merge", found[0].business_id, other.business_id, evidence, now)
