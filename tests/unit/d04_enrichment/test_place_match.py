"""Which of Google's places is the business: agreement confirms, another town vetoes."""

from __future__ import annotations

import uuid

import pytest

from leadfactory.d02_sourcing.listings import Listing
from leadfactory.d04_enrichment.place_match import best, closed_reason, judge

JOES = Listing(
    sourced_id=uuid.UUID(int=1), rank=0, name="Joe's Pizza", city="New York", street="12 W 30th St", zip_code="10001", phone="+12125550101",
    latitude=40.7465, longitude=-73.9880, state="NY",
)  # fmt: skip


def place(**given) -> dict:
    at = {"number": "12", "route": "West 30th Street", "town": "New York", "state": "NY", "zip": "10001"} | given.pop(
        "at", {}
    )
    kinds = {
        "number": "street_number",
        "route": "route",
        "town": "locality",
        "state": "administrative_area_level_1",
        "zip": "postal_code",
    }
    return {
        "id": "place-1", "displayName": {"text": "Joe's Pizza"}, "nationalPhoneNumber": "(212) 555-0101",
        "location": {"latitude": 40.7466, "longitude": -73.9881}, "businessStatus": "OPERATIONAL",
        "addressComponents": [{"longText": text, "shortText": text, "types": [kinds[key]]} for key, text in at.items() if text],
    } | given  # fmt: skip


SPRINGFIELD = {"town": "Springfield", "state": "MO", "zip": "65806", "number": "8", "route": "Elm St"}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (place(), "matched"),
        (place(nationalPhoneNumber=None), "matched"),
        (place(nationalPhoneNumber="(212) 555-0199"), "matched"),
        (place(displayName={"text": "Luigi's Trattoria"}), "matched"),
        (place(displayName={"text": "Joe's Pizza NYC LLC"}, addressComponents=[]), "matched"),
        (place(at=SPRINGFIELD, location={"latitude": 37.2, "longitude": -93.3}, nationalPhoneNumber="(417) 555-0100"), "vetoed"),
        (place(at=SPRINGFIELD, location=None, nationalPhoneNumber=None), "vetoed"),
        (place(at={"number": "900", "route": "Broadway"}, nationalPhoneNumber="(212) 555-0102"), "vetoed"),
        (place(displayName={"text": "Nguyen Dental"}, nationalPhoneNumber="(212) 555-0155"), "no_match"),
        (place(displayName={"text": "Pizza"}, nationalPhoneNumber=None, addressComponents=[]), "no_match"),
        ({"id": "bare"}, "no_match"),
    ],
    ids=["the same", "no phone", "second number at the same door", "renamed", "longer name nearby", "same name in another state",
         "the same without coordinates", "another branch", "neighbour in the house", "a word of the trade", "nothing but an id"],
)  # fmt: skip
def test_a_place_is_judged(found, verdict):
    assert judge(JOES, found).verdict == verdict


def test_the_right_one_is_taken_wherever_google_ranks_it():
    far = place(id="far", at=SPRINGFIELD, location={"latitude": 37.2, "longitude": -93.3})
    near = place(id="near")
    assert best(JOES, [far, near]).place["id"] == best(JOES, [near, far]).place["id"] == "near"


def test_a_veto_is_told_apart_from_nothing_found():
    assert best(JOES, []).verdict == "no_match"
    assert best(JOES, [place(at=SPRINGFIELD, location=None)]).verdict == "vetoed"


@pytest.mark.parametrize(
    ("status", "reason"), [("OPERATIONAL", None), ("CLOSED_PERMANENTLY", "closed_permanently"), ("CLOSED_TEMPORARILY", "closed_temporarily"), (None, None)]
)  # fmt: skip
def test_a_closed_place_says_so(status, reason):
    assert closed_reason({"businessStatus": status}) == reason
