"""US places and which lies in which."""

from __future__ import annotations

import pytest

from leadfactory.d01_targeting.places import PlaceSpec, find, overlap, parents, state_of_zip, timezone_of_zip
from sandbox.world import geography as sandbox_geography


def place(kind, name):
    return find(PlaceSpec(kind, name))


@pytest.mark.parametrize("code", ["94102", "10001", "90210", "60601", "78701", "98101", "33101", "75201", "90012"])
def test_the_zip_codes_of_the_first_targets_exist(code):
    assert place("zip", code).zips == {code}


def test_a_zip_lies_in_its_city_county_metro_and_state():
    assert parents("10001") == {
        "city": "New York, NY",
        "county": "New York County, NY",
        "metro": "new-york",
        "state": "NY",
    }
    assert "metro" not in parents("59715")


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (("zip", "60601"), ("city", "Chicago, IL"), True),
        (("city", "chicago, il"), ("metro", "chicago"), True),
        (("metro", "chicago"), ("state", "IL"), True),
        (("zip", "60601"), ("zip", "60602"), False),
        (("city", "Springfield, IL"), ("city", "Springfield, MO"), False),
        (("metro", "new-york"), ("state", "NJ"), True),
    ],
)
def test_places_overlap_when_they_share_ground(one, other, shared):
    assert overlap(place(*one), place(*other)) is overlap(place(*other), place(*one)) is shared


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("zip", "1000", "malformed"), ("zip", "10001-1234", "malformed"), ("zip", "１０００１", "malformed"), ("zip", "00000", "not a US ZIP"),
        ("zip", "09001", "not a US ZIP"), ("city", "New Yrok, NY", "did you mean New York, NY"), ("city", "Chicago", "'New York, NY'"),
        ("metro", "atlantis", "config/metros.yaml"), ("state", "ZZ", "two letters"), ("county", "Cook", "kind 'county'"),
    ],
)  # fmt: skip
def test_a_place_that_does_not_exist_is_named_with_the_remedy(kind, name, told):
    with pytest.raises(ValueError, match=r"is (unknown|malformed|not)") as refused:
        place(kind, name)
    assert name in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "metro",
    [
        "new-york",
        "los-angeles",
        "chicago",
        "dallas",
        "atlanta",
        "phoenix",
        "san-francisco",
        "seattle",
        "miami",
        "boston",
        "austin",
    ],
)
def test_every_metro_names_counties_that_exist_and_a_city_inside(metro):
    found = place("metro", metro)
    assert place("city", found.location).zips <= found.zips
    assert found.radius_m <= 40_000


def test_a_place_knows_its_time_zone():
    assert place("city", "Phoenix, AZ").timezone == "America/Phoenix"
    assert timezone_of_zip("60601") == "America/Chicago"
    assert (timezone_of_zip("00000"), state_of_zip("00000")) == (None, None)


@pytest.mark.parametrize("code", ["09001", "96201", "34001"])
def test_a_zip_code_of_the_military_post_is_no_target(code):
    with pytest.raises(ValueError, match=f"{code}.*not a US ZIP code in use"):
        find(PlaceSpec("zip", code))


def test_a_state_holds_every_place_inside_it_and_a_vendor_is_asked_for_it_by_name():
    found = place("state", "de")
    assert (found.name, found.location, found.radius_m) == ("DE", "DE, USA", None)
    assert place("city", "Wilmington, DE").zips < found.zips
    assert {zip_of.code for zip_of in sandbox_geography.zips_of(found.location)} <= found.zips
