"""Which listings are one business: the pairs that matter, and that order and repetition change nothing."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d02_sourcing.grouping import groups
from leadfactory.d02_sourcing.listings import Listing, e164, name_words, normalise_address
from leadfactory.d02_sourcing.matching import compare, same, survivor
from tests.examples import examples

JOES = {
    "name": "Joe's Pizza", "city": "New York", "street": "12 W 30th St", "zip_code": "10001", "phone": "+12125550101",
    "latitude": 40.7465, "longitude": -73.9880,
}  # fmt: skip
_ids = iter(range(1, 1_000_000))


def listing(**given) -> Listing:
    number = next(_ids)
    return Listing(sourced_id=uuid.UUID(int=number), rank=given.pop("rank", number), **(JOES | given))


@pytest.mark.parametrize(
    "other",
    [
        {"name": "The Joe's Pizza"},
        {"name": "JOES PIZZA, LLC", "street": "12 West 30th Street"},
        {"name": "Joe's Pizza New York", "phone": None, "latitude": 40.7467},
        {"name": "Luigi's Trattoria"},
        {"street": None, "zip_code": None},
        {"phone": "+12125550199"},
        {"street": "12 West 30th Street Suite 4", "name": "Joe’s Pizza"},
        {"name": "Joe's Pizza & Pasta", "street": None},
    ],
    ids=["article", "legal form and spelling", "with the town, no phone", "renamed at the same door and number", "without an address",
         "second number at the same door", "with a suite", "longer name, same number"],
)  # fmt: skip
def test_one_business_in_two_spellings(other):
    assert same(listing(), listing(**other))


@pytest.mark.parametrize(
    "other",
    [
        {"street": "900 Broadway", "phone": "+12125550102", "latitude": 40.7389, "longitude": -73.9896},
        {"street": "900 Broadway", "latitude": 40.7389, "longitude": -73.9896},
        {"street": "12 E 30th St", "phone": "+12125550102"},
        {"street": "12 W 31st St", "latitude": 40.7475},
        {"name": "Nguyen Dental", "phone": "+12125550102"},
        {"name": "Nguyen Dental", "street": "14 W 30th St"},
        {"name": "Kitchen", "phone": None, "street": None, "latitude": None},
        {"city": "Chicago", "street": "12 W 30th St", "zip_code": "60616", "phone": "+13125550101", "latitude": 41.84, "longitude": -87.62},
    ],
    ids=["another branch", "another branch behind the chain's central number", "East is not West", "31st is not 30th",
         "a neighbour in the same house", "one switchboard, two doors", "a word of the trade", "the same street in another town"],
)  # fmt: skip
def test_two_businesses_that_look_alike(other):
    assert not same(listing(), listing(**other))


def test_a_pair_that_disagrees_is_never_joined_by_a_third():
    one = listing(phone="+12125550101", street="12 W 30th St")
    bridge = listing(phone=None, street=None, zip_code="10001")
    other = listing(phone="+12125550102", street="40 W 30th St")
    found = [{each.sourced_id for each in group} for group, _ in groups([one, bridge, other])]
    assert not any({one.sourced_id, other.sourced_id} <= group for group in found)


def test_a_merge_says_what_agreed():
    ((group, evidence),) = groups([listing(), listing(name="Luigi's Trattoria")])
    assert (len(group), evidence) == (2, ["door", "phone"])


def test_the_open_listing_with_a_phone_stands_for_its_group():
    shut, silent, good = listing(rank=0, open=False), listing(rank=1, phone=None), listing(rank=2)
    assert survivor([shut, silent, good]) is good


def test_a_switchboard_of_hundreds_is_no_evidence():
    many = [listing(name=f"Shop {n}", street=f"{n} Mall Rd") for n in range(1, 260)]
    assert all(len(group) == 1 for group, _ in groups(many))


_names = st.sampled_from(
    ["Joe's Pizza", "The Joe's Pizza", "Joes Pizza LLC", "Maria's Salon", "北京楼", "Café Zoë", "Kitchen"]
)
_listings = st.lists(
    st.tuples(
        _names, st.sampled_from([None, "+12125550101", "+12125550102"]), st.sampled_from([None, "12 W 30th St", "12 West 30th Street", "40 Elm St"]),
        st.sampled_from([40.7465, 40.7466, 40.80]),
    ),
    max_size=9,
)  # fmt: skip


def _made(rows) -> list[Listing]:
    return [
        Listing(sourced_id=uuid.UUID(int=n), rank=n, name=name, city="New York", street=street, zip_code="10001", phone=phone,
                latitude=latitude, longitude=-73.98)
        for n, (name, phone, street, latitude) in enumerate(rows)
    ]  # fmt: skip


def _partition(found) -> set[frozenset[uuid.UUID]]:
    return {frozenset(each.sourced_id for each in group) for group, _ in groups(found)}


@given(_listings, st.randoms(use_true_random=False))
@examples(150)
def test_the_order_of_the_listings_changes_nothing(rows, random):
    made = _made(rows)
    shuffled = list(made)
    random.shuffle(shuffled)
    assert _partition(made) == _partition(shuffled)


@given(_listings)
@examples(100)
def test_every_listing_is_in_exactly_one_group_and_no_group_holds_a_veto(rows):
    made = _made(rows)
    found = groups(made)
    assert sorted(each.sourced_id for group, _ in found for each in group) == sorted(each.sourced_id for each in made)
    assert not any(compare(a, b).outcome == "different" for group, _ in found for a in group for b in group)


@given(_listings)
@examples(50)
def test_a_judgement_is_symmetric(rows):
    made = _made(rows)
    assert all(compare(a, b) == compare(b, a) for a in made for b in made)


@pytest.mark.parametrize(
    ("street", "normal"),
    [
        ("12 West 30th Street", "12 w 30th st 10001"),
        ("12 W. 30th St., Suite 5", "12 w 30th st # 5 10001"),
        ("12 W 30th St Ste # 5", "12 w 30th st # 5 10001"),
        ("  ", None),
        (None, None),
    ],
)
def test_an_address_has_one_normal_form(street, normal):
    assert normalise_address(street, "10001-1234") == normal


@pytest.mark.parametrize(
    ("text", "number"),
    [("(212) 555-0101", "+12125550101"), ("+1 212 555 0101", "+12125550101"), ("0101", None), ("", None), (None, None), ("call us", None)],
)  # fmt: skip
def test_a_phone_number_has_one_normal_form(text, number):
    assert e164(text) == number


def test_a_name_of_noise_and_town_keeps_its_words():
    assert name_words("The Chicago Co", "Chicago") == {"chicago"}
    assert name_words("北京楼") == {"北京楼"}
    assert name_words("Joe's <b>Pizza</b>", "New York") == {"joes", "pizza"}
