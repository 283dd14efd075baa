"""Campaigns: seeded once, refused by name, launched only when complete."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.d01_targeting import campaigns
from leadfactory.d01_targeting.campaign_fields import problem
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d01_targeting.tables import targets

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
COMPLETE = {
    "consent_basis": "simulated", "sender_email": "ana@mail.example", "sender_name": "Ana Ruiz",
    "postal_address": "1 Main St, New York, NY 10001", "budget_cents": 5_000,
}  # fmt: skip


@pytest.fixture
def tx(database):
    with database.begin() as connection:
        yield connection


def seed(tx, *names, vertical="restaurant", quota=100, name=None, kind=None):
    specs = [PlaceSpec(kind or ("zip" if each.isdecimal() else "city"), each) for each in names]
    return campaigns.seed(tx, vertical=vertical, places=specs, quota=quota, name=name, now=NOW)


def test_a_seeded_campaign_is_a_draft_named_after_what_it_aims_at(tx):
    made = seed(tx, "10001")
    assert (made.created, made.row["campaign"], made.row["state"], made.row["vertical"]) == (
        True,
        "restaurant-10001",
        "draft_only",
        "restaurant",
    )


def test_the_same_command_twice_makes_one_campaign(tx):
    seed(tx, "10001", "10002", name="nyc")
    assert seed(tx, "10002", "10001", name="nyc").created is False
    assert tx.scalar(sa.select(sa.func.count()).select_from(targets)) == 2


def test_the_quota_is_shared_out_over_the_targets(tx):
    seed(tx, "10001", "10002", "10003", quota=100, name="nyc")
    assert sorted(tx.scalars(sa.select(targets.c.quota))) == [33, 33, 34]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"vertical": "restarant"}, ["restarant", "restaurant"]),
        ({"places": ["1000"]}, ["1000", "malformed"]),
        ({"places": ["00000"]}, ["00000"]),
        ({"quota": 0}, ["quota=0", "1 to 100000"]),
        ({"quota": 10**9}, ["quota=1000000000"]),
        ({"quota": True}, ["quota=True"]),
        ({"name": "a|b"}, ["a|b"]),
        ({"name": "-x"}, ["-x"]),
        ({"places": []}, ["no place"]),
        ({"places": ["60601", "Chicago, IL"]}, ["60601", "Chicago, IL"]),
        ({"places": ["60601", "60601"]}, ["60601", "twice"]),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(tx, given, told):
    arguments = {"vertical": "restaurant", "quota": 100, "name": None} | {
        k: v for k, v in given.items() if k != "places"
    }
    with pytest.raises(ValueError, match=r".") as refused:
        seed(tx, *given.get("places", ["10001"]), **arguments)
    assert all(part in str(refused.value) for part in told)
    assert campaigns.living(tx) == []


@pytest.mark.parametrize(("kind", "place"), [("city", "Chicago, IL"), ("metro", "chicago"), ("zip", "60601")])
def test_nothing_inside_a_targeted_state_is_targeted_beside_it(tx, kind, place):
    assert seed(tx, "IL", kind="state", name="illinois").created
    with pytest.raises(ValueError, match="overlaps 'IL' of campaign 'illinois'"):
        seed(tx, place, kind=kind, name="inside")
    assert seed(tx, "IN", kind="state", name="indiana").created


@pytest.mark.parametrize(("first", "kind"), [("Chicago, IL", "city"), ("chicago", "metro")])
def test_a_place_inside_a_targeted_one_is_refused_with_both_names(tx, first, kind):
    seed(tx, first, kind=kind, name="first")
    with pytest.raises(ValueError, match="overlaps") as refused:
        seed(tx, "60601")
    assert "60601" in str(refused.value)
    assert first in str(refused.value)
    assert seed(tx, "60601", vertical="dental").created


def test_a_closed_campaign_gives_its_places_free(tx):
    seed(tx, "60601", name="first")
    campaigns.close(tx, "first")
    assert seed(tx, "Chicago, IL", name="second").created


def test_a_name_that_aims_elsewhere_or_at_another_quota_is_refused(tx):
    seed(tx, "10001", name="nyc")
    with pytest.raises(ValueError, match="aims at restaurant in 10001"):
        seed(tx, "10002", name="nyc")
    with pytest.raises(ValueError, match="quota=100, not 50"):
        seed(tx, "10001", name="nyc", quota=50)


def test_launch_lists_everything_that_is_missing_with_its_command(tx):
    row = seed(tx, "10001").row
    gaps = campaigns.launch_gaps(row)
    assert len(gaps) == 5
    with pytest.raises(ValueError, match="lacks") as refused:
        campaigns.launch(tx, "restaurant-10001", NOW)
    assert all(gap.what in str(refused.value) and gap.command in str(refused.value) for gap in gaps)


def test_a_complete_campaign_is_launched_once(tx):
    seed(tx, "10001")
    campaigns.configure(tx, "restaurant-10001", **COMPLETE)
    campaigns.launch(tx, "restaurant-10001", NOW)
    campaigns.launch(tx, "restaurant-10001", NOW + dt.timedelta(days=1))
    row = campaigns.get(tx, "restaurant-10001")
    assert (row["state"], row["launched_at"]) == ("launched", NOW)


def test_a_paused_campaign_is_not_active_and_a_closed_one_not_launched(tx):
    seed(tx, "10001", name="nyc")
    campaigns.configure(tx, "nyc", **COMPLETE)
    campaigns.launch(tx, "nyc", NOW)
    assert campaigns.active(tx, NOW.date()) == ["nyc"]
    campaigns.pause(tx, "nyc")
    assert campaigns.active(tx, NOW.date()) == []
    campaigns.close(tx, "nyc")
    with pytest.raises(ValueError, match="is closed"):
        campaigns.launch(tx, "nyc", NOW)
    with pytest.raises(ValueError, match="is closed"):
        campaigns.pause(tx, "nyc")


def test_a_campaign_is_active_between_its_first_and_last_day(tx):
    seed(tx, "10001", name="nyc")
    campaigns.configure(tx, "nyc", ends_on=dt.date(2026, 10, 8))
    days = [dt.date(2026, 10, day) for day in (5, 6, 8, 9)]
    assert [campaigns.active(tx, day) == ["nyc"] for day in days] == [False, True, True, False]
    row = campaigns.get(tx, "nyc")
    assert [campaigns.closed_reason(row, day) is None for day in days] == [False, True, True, False]


def test_a_campaign_cannot_end_before_it_starts(tx):
    seed(tx, "10001", name="nyc")
    with pytest.raises(ValueError, match="ends_on=2026-10-05 is before"):
        campaigns.configure(tx, "nyc", ends_on=dt.date(2026, 10, 5))


def test_an_unknown_campaign_is_named_with_those_that_exist(tx):
    seed(tx, "10001", name="nyc")
    with pytest.raises(LookupError, match=r"'nowhere' does not exist: there are nyc"):
        campaigns.get(tx, "nowhere")


def test_prune_candidates_are_closed_and_silent(tx):
    seed(tx, "10001", name="old")
    campaigns.close(tx, "old")
    seed(tx, "10002", name="living")
    assert campaigns.silent_since(tx, NOW + dt.timedelta(days=1)) == ["old"]
    assert campaigns.silent_since(tx, NOW) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("consent_basis", "assumed"), ("sender_email", "ana"), ("sender_email", "Ana <ana@mail.example>"), ("sender_name", "  "),
        ("sender_name", "Ana\r\nBcc: all@mail.example"), ("postal_address", "somewhere nice"), ("postal_address", "1 Main St\nNew York, NY"),
        ("budget_cents", 0), ("budget_cents", True), ("budget_cents", 10**12), ("pagespeed_desktop", "often"), ("top_share", 0), ("top_share", 1.5), ("daily_quota", 0),
        ("state", "launched"), ("starts_on", "today"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_hold_a_value_says_why(field, value):
    assert problem(field, value, production=False)


def test_simulated_consent_stays_out_of_production():
    assert problem("consent_basis", "simulated", production=False) is None
    assert "production refuses" in (problem("consent_basis", "simulated", production=True) or "")
    assert problem("consent_basis", "consented", production=True) is None
