"""Why was this business mailed: its sends with every move, event and outcome."""

from __future__ import annotations

from leadfactory.d09_delivery import claiming, explaining, folding
from leadfactory.d09_delivery.claiming import Desk
from tests.leads import CLOCK, TUESDAY


def test_the_story_of_a_business_has_its_moves_events_and_outcome(world):
    send_id, lead = world.send(state="unknown", reason="timeout")
    world.post([world.event("delivered", send_id, 5), world.event("open", send_id, 6)])
    folding.drain(db=world.db, clock=CLOCK)
    with world.db.begin() as tx:
        (story,) = explaining.why(tx, lead.business_id, Desk.of(world.settings), TUESDAY)
        assert explaining.listed(tx, state="unknown") == []
    assert (story["state"], story["outcome"]) == ("accepted", "delivered")
    assert [(move["from_state"], move["to_state"]) for move in story["moves"]] == [("unknown", "accepted")]
    assert [(event["kind"], event["bot_reason"]) for event in story["events"]] == [("delivered", None), ("open", "at_delivery")]  # fmt: skip


def test_it_names_the_gate_that_stops_a_planned_send_now(world):
    send_id, lead = world.send(state="planned")
    with world.db.begin() as tx:
        (story,) = explaining.why(tx, lead.business_id, Desk.of(world.settings), TUESDAY)
        assert story["send_id"] == send_id
        assert story["gate"] == claiming.waiting(tx, Desk.of(world.settings), None, TUESDAY)[send_id][1]
        assert story["gate"] == "audit_too_old"  # it has none
