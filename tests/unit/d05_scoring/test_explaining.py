"""Explaining a business: its way through the rooms, and the first gate that stopped it."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest
import sqlalchemy as sa

from leadfactory.d02_sourcing import merging
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d05_scoring.explaining import explain
from leadfactory.d05_scoring.finding_businesses import find
from leadfactory.d09_delivery.tables import email_sends
from tests.leads import TUESDAY, UNIT


def walk(leads, seed, now=TUESDAY):
    with leads.db.begin() as tx:
        return explain(tx, seed.business_id, now)


def states(found):
    return {room.name: room.state for room in found.rooms}


def send(leads, seed, **changes):
    values = {
        "campaign": UNIT.campaign, "cohort_on": UNIT.day, "send_id": uuid.uuid4(), "business_id": seed.business_id, "step": 1,
        "draft_id": uuid.uuid4(), "address_hmac": b"a", "address_plus_hmac": b"a", "sender_email": "a@b.example",
        "state": "accepted", "due_at": TUESDAY, "expires_at": TUESDAY, "planned_at": TUESDAY, "claimed_at": TUESDAY,
    }  # fmt: skip
    with leads.db.begin() as tx:
        tx.execute(sa.insert(email_sends).values(**values | changes))


async def test_a_lead_that_was_written_to_passed_every_room(leads):
    seed = leads.business()
    await leads.through("draft")
    send(leads, seed)
    found = walk(leads, seed)
    assert set(states(found).values()) == {"passed"}
    assert found.first_gate is None


async def test_it_says_why_this_score(leads):
    seed = leads.business()
    await leads.through("score")
    scored = next(room for room in walk(leads, seed).rooms if room.name == "scored")
    assert scored.says.startswith("qualifies: tier B, ")
    assert scored.details["sentence"].startswith("Tier B, ")
    assert {"factor", "signal", "value", "points", "weight", "share", "known"} == set(
        scored.details["contributions"][0]
    )
    assert scored.details["revenue_impact"]["estimate"] is True


async def test_it_says_why_this_mail(leads):
    seed = leads.business()
    await leads.through("draft")
    drafted = next(room for room in walk(leads, seed).rooms if room.name == "drafted")
    assert drafted.details["subject"]
    assert drafted.details["rests_on"]
    assert all(each["says"] and each["kind"] in drafted.says for each in drafted.details["rests_on"])


@pytest.mark.parametrize(
    ("seeding", "room", "says"),
    [
        ({"unique": {"duplicate_of": uuid.UUID(int=9)}, "enriched": False}, "unique", "held by an earlier cohort"),
        ({"unique": {"excluded_reason": "chain"}, "enriched": False}, "unique", "excluded: chain"),
        ({"status": "no_website", "reason": "none_known", "site_url": None}, "enriched", "no_website: none_known"),
        ({"status": "unavailable", "reason": "site_timeout", "retryable": True}, "enriched", "unavailable: site_timeout; it is tried again"),
        ({"email": None}, "scored", "does not qualify: no_contact_email"),
        ({"own_name": "Fine"}, "sent", "no send is planned yet: due_sends plans it within 15 minutes"),
    ],
)  # fmt: skip
async def test_the_first_gate_is_the_room_that_stopped_it(leads, seeding, room, says):
    seed = leads.business(**seeding)
    await leads.through("draft")
    gate = walk(leads, seed).first_gate
    assert (gate.name, gate.says) == (room, says)


async def test_rooms_behind_a_closed_gate_were_not_reached(leads):
    seed = leads.business(status="no_website", reason="none_known", site_url=None)
    assert states(walk(leads, seed)) == {
        "sourced": "passed", "unique": "passed", "enriched": "stopped", "audited": "not reached", "scored": "not reached",
        "drafted": "not reached", "sent": "not reached",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("room", "waits"), [(None, "enriched"), ("audit", "scored"), ("score", "drafted"), ("draft", "sent")]
)
async def test_what_has_not_been_done_yet_waits(leads, room, waits):
    seed = leads.business(enriched=room is not None)
    if room is not None:
        await leads.through(room)
    gate = walk(leads, seed).first_gate
    assert (gate.name, gate.state) == (waits, "waiting")


async def test_a_failed_audit_is_the_gate(leads):
    seed = leads.business()
    await leads.through("audit")
    with leads.db.begin() as tx:
        tx.execute(sa.text("DELETE FROM audit_findings"))
        tx.execute(sa.text("UPDATE site_audits SET status = 'failed', reason = 'lighthouse_no_fcp'"))
    assert walk(leads, seed).first_gate.says == "failed: lighthouse_no_fcp"


async def test_a_listing_that_sourcing_excluded_stops_there(leads):
    seed = leads.business(enriched=False, unique={"excluded_reason": "closed_permanently"})
    with leads.db.begin() as tx:
        sourced_id = tx.scalar(sa.select(unique_businesses.c.sourced_id))
        tx.execute(sa.insert(sourced_businesses).values(
            campaign=UNIT.campaign, cohort_on=UNIT.day, sourced_id=sourced_id, target_id=uuid.uuid4(), source="yelp", yelp_id="y",
            rank=1, excluded_reason="closed_permanently", fetched_at=TUESDAY, expires_at=TUESDAY,
        ))  # fmt: skip
    gate = walk(leads, seed).first_gate
    assert (gate.name, gate.says) == ("sourced", "excluded: closed_permanently")


async def test_a_campaign_that_is_not_launched_holds_the_mail(leads):
    seed = leads.business()
    await leads.through("draft")
    with leads.db.begin() as tx:
        tx.execute(sa.text("UPDATE campaigns SET state = 'draft_only'"))
    assert walk(leads, seed).first_gate.says.startswith("the campaign is draft_only: `leadfactory launch-campaign")


async def test_an_audit_that_is_too_old_holds_the_mail(leads):
    seed = leads.business()
    await leads.through("draft")
    gate = walk(leads, seed, now=TUESDAY + dt.timedelta(days=60)).first_gate
    assert (gate.name, gate.state) == ("sent", "stopped")
    assert gate.says.startswith("the audit is too old to mail from since ")


@pytest.mark.parametrize(
    ("state", "gate"),
    [("planned", "waiting"), ("claimed", None), ("accepted", None), ("unknown", None), ("rejected", "stopped"),
     ("refused", "stopped"), ("expired", "stopped")],
)  # fmt: skip
async def test_each_state_of_a_send_is_told(leads, state, gate):
    seed = leads.business()
    await leads.through("draft")
    send(leads, seed, state=state, reason="suppressed" if gate == "stopped" else None)
    found = walk(leads, seed).first_gate
    assert (found and found.state) == gate


async def test_the_whole_walk_is_plain_json_without_an_address(leads):
    seed = leads.business()
    await leads.through("draft")
    told = json.dumps(walk(leads, seed).figures(), default=str)
    assert seed.email not in told
    assert json.loads(told)["first_gate"]["room"] == "sent"


def ask(leads, text):
    with leads.db.begin() as tx:
        return find(tx, text)


async def test_a_business_is_found_by_id_domain_and_part_of_its_name(leads):
    seed = leads.business(1, own_name="Ünïcödé & Sons 100%", site_host="www.sons.example")
    leads.business(2)
    asked = [str(seed.business_id), "sons.example", "https://www.SONS.example/menu", "ünïcödé", "100%"]
    assert {ask(leads, text) for text in asked} == {seed.business_id}


async def test_a_domain_is_found_in_its_own_letters(leads):
    seed = leads.business(1, site_host="xn--caf-dma.example")
    leads.business(2)
    assert {ask(leads, text) for text in ("café.example", "https://www.CAFÉ.example/menu")} == {seed.business_id}


async def test_a_business_that_was_merged_away_since_stops_there(leads):
    seeds = [leads.business(1), leads.business(2)]
    await leads.through("draft")
    kept, gone = (each.business_id for each in seeds)
    with leads.db.begin() as tx:
        merging.record(tx, "merge", kept, gone, {"reason": "one owner", "by": "ana"}, TUESDAY)
    gate = walk(leads, seeds[1]).first_gate
    assert (gate.name, gate.says) == ("unique", f"merged since into {kept}, which stands for it")
    assert walk(leads, seeds[0]).first_gate.name == "sent"


async def test_a_whole_name_goes_before_names_that_hold_it(leads):
    seed = leads.business(1, own_name="Joe's")
    leads.business(2, own_name="Joe's Garage")
    assert ask(leads, "joe's") == seed.business_id


@pytest.mark.parametrize("text", ["nobody", "nobody.example", str(uuid.UUID(int=5)), "%", "_", "x" * 200])
async def test_an_unknown_business_is_said_to_be_one(leads, text):
    leads.business()
    with pytest.raises(LookupError, match=r"no business .*ask by its id, its domain or a part of its own name"):
        ask(leads, text)


@pytest.mark.parametrize("text", ["", "   ", "x" * 201])
async def test_what_cannot_be_a_business_is_refused(leads, text):
    with pytest.raises(ValueError, match="BUSINESS="):
        ask(leads, text)


async def test_several_that_match_are_listed_with_their_ids(leads):
    seeds = [leads.business(number) for number in range(1, 8)]
    with pytest.raises(LookupError, match="7 businesses match 'shop'") as caught:
        ask(leads, "shop")
    assert str(seeds[0].business_id) in str(caught.value)
    assert "and 2 more" in str(caught.value)
