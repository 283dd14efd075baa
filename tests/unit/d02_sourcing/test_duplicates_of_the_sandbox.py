"""The sandbox's duplicates, which it knows for certain: all found, nothing else merged, and the same without content."""

from __future__ import annotations

import uuid

import pytest

from leadfactory.d02_sourcing import grouping, listings
from sandbox.model import YelpListing
from sandbox.world.seeded import SeededWorld

Pairs = set[frozenset[str]]
SEARCHES = [
    ("10001", "restaurants", "restaurant"),
    ("60601", "dentists", "dental"),
    ("Chicago, IL", "beautysvc", "beauty"),
]


@pytest.fixture(scope="module")
def world() -> SeededWorld:
    return SeededWorld("demo")


def listed(world: SeededWorld, place: str, category: str) -> list[YelpListing]:
    nowhere = {"latitude": None, "longitude": None, "radius_m": None, "term": None, "prices": frozenset()}
    return world.listings(location=place, categories=frozenset({category}), **nowhere)


def read(found: list[YelpListing]) -> list[listings.Listing]:
    return [
        listings.Listing(
            sourced_id=uuid.UUID(int=rank), rank=rank, name=each.name, city=each.address.city, street=each.address.line1,
            zip_code=each.address.zip_code, phone=listings.e164(each.phone), latitude=each.address.latitude,
            longitude=each.address.longitude, state=each.address.state,
        )
        for rank, each in enumerate(found)
    ]  # fmt: skip


def joined(found: list[YelpListing]) -> Pairs:
    """Every pair of Yelp ids that matching puts into one group."""
    return {
        frozenset((found[one.rank].yelp_id, found[other.rank].yelp_id))
        for group, _ in grouping.groups(read(found))
        for position, one in enumerate(group)
        for other in group[position + 1 :]
    }


def truly(world: SeededWorld, place: str, vertical: str, found: list[YelpListing]) -> Pairs:
    """The pairs that are one business and that a search shows both of."""
    shown = {each.yelp_id for each in found}
    return {frozenset(pair) for pair in world.duplicates(place, vertical) if shown >= set(pair)}


@pytest.mark.parametrize(("place", "category", "vertical"), SEARCHES, ids=[each[0] for each in SEARCHES])
def test_the_second_listings_are_found(world, place, category, vertical):
    found = listed(world, place, category)
    true, told = truly(world, place, vertical, found), joined(found)
    assert true
    assert len(true & told) / len(true) >= 0.95


@pytest.mark.parametrize(("place", "category", "vertical"), SEARCHES, ids=[each[0] for each in SEARCHES])
def test_hardly_anything_else_is_merged(world, place, category, vertical):
    found = listed(world, place, category)
    true, told = truly(world, place, vertical, found), joined(found)
    assert len(true & told) / len(told) >= 0.95


def test_no_two_branches_of_a_chain_are_merged(world):
    found = [each for code in range(60601, 60612) for each in listed(world, str(code), "restaurants")]
    chains = {each.yelp_id: world.business(each.business_key).chain for each in found}
    assert sum(chain is not None for chain in chains.values()) > 100
    assert not [pair for pair in joined(found) if any(chains[yelp_id] for yelp_id in pair)]
