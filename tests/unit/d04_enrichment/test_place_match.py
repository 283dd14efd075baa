"""Which of Google's places is the business: agreement confirms, another town vetoes."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory import yaml_config
from leadfactory.d02_sourcing.listings import Listing
from leadfactory.d04_enrichment import place_match
from leadfactory.d04_enrichment.place_match import Wanted, closed_reason, confidence
from leadfactory.d04_enrichment.policy import EVIDENCE, Policy, policy
from leadfactory.settings import ROOT
from tests.unit.d04_enrichment import match_pairs

RULES = policy().match

JOES = Listing(
    sourced_id=uuid.UUID(int=1), rank=0, name="Joe's Pizza", city="New York", street="12 W 30th St", zip_code="10001", phone="+12125550101",
    latitude=40.7465, longitude=-73.9880, state="NY",
)  # fmt: skip


def best(listing, places):
    return place_match.best(Wanted(listing, types=frozenset({"restaurant"})), places, RULES)


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
        (place(displayName={"text": "Joe's Pizza"}, nationalPhoneNumber=None, addressComponents=[], location=None), "no_match"),
        ({"id": "bare"}, "no_match"),
    ],
    ids=["the same", "no phone", "second number at the same door", "renamed", "longer name nearby", "same name in another state",
         "the same without coordinates", "another branch", "neighbour in the house", "a word of the trade", "the name alone", "nothing but an id"],
)  # fmt: skip
def test_a_place_is_judged(found, verdict):
    assert best(JOES, [found]).verdict == verdict


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


def test_what_was_rejected_is_told_by_id_and_codes():
    got = best(
        JOES,
        [
            place(
                id="far",
                at=SPRINGFIELD,
                location={"latitude": 37.2, "longitude": -93.3},
                nationalPhoneNumber="(417) 555-0100",
            )
        ],
    )
    assert (got.place, got.best.place["id"], got.best.veto) == (None, "far", "another_state")
    assert got.best.confidence <= RULES.vetoed_most
    assert set(got.best.evidence) == {"phone_differs", "name_same", "door_differs", "around"}


@given(st.sets(st.sampled_from([code for code in EVIDENCE if not code.endswith(("_same", "_differs"))]), max_size=3))
def test_agreement_never_lowers_and_disagreement_never_raises_the_confidence(codes):
    for kind in ("phone", "domain", "door", "category"):
        same, differs = (confidence([*codes, f"{kind}_{how}"], RULES) for how in ("same", "differs"))
        assert differs <= confidence(codes, RULES) <= same


def test_a_domain_that_the_source_names_confirms():
    renamed = place(
        displayName={"text": "Luigi's"}, nationalPhoneNumber=None, websiteUri="https://www.joes.example/menu"
    )
    with_domain = place_match.judge(Wanted(JOES, "joes.example"), renamed, RULES)
    other_domain = place_match.judge(Wanted(JOES, "joes-pizza.example"), renamed, RULES)
    assert "domain_same" in with_domain.evidence
    assert with_domain.confidence > other_domain.confidence


def test_the_confidence_is_calibrated_on_pairs_that_the_fit_has_not_seen(capsys):
    found = match_pairs.checked(RULES)
    with capsys.disabled():
        print("\n" + "\n".join(match_pairs.lines(found)))
    assert found.pairs >= 2_000
    assert (found.brier, found.ece) == pytest.approx((RULES.brier, RULES.ece), abs=0.004)
    assert found.ece <= 0.02
    assert found.wrongly_accepted / found.accepted <= 0.005
    assert found.found / found.same >= 0.95


def test_weights_that_are_missing_are_named(tmp_path):
    text = (ROOT / "config" / "enrichment.yaml").read_text().replace("    door_same:", "    door_sane:")
    (tmp_path / "enrichment.yaml").write_text(text)
    with pytest.raises(yaml_config.ConfigError, match=r"enrichment\.yaml.*match\.coefficients.*door_same, door_sane"):
        yaml_config.load("enrichment", Policy, tmp_path / "enrichment.yaml")
