"""What became of letters is counted by letter: once whatever its number of events, and machines for nothing."""

from __future__ import annotations

from leadfactory.d09_delivery import folding
from leadfactory.d10_analytics.responses import Responses, responses
from leadfactory.inbox import audit
from tests.leads import CLOCK, TUESDAY


def counted(world) -> Responses:
    folding.drain(db=world.db, clock=CLOCK)
    with world.db.begin() as tx:
        return responses(tx, [world.unit])[world.unit]


def test_a_letter_counts_once_in_each_of_its_states(world) -> None:
    send_id, _ = world.send()
    seen = {"useragent": "Mozilla/5.0", "ip": "203.0.113.9"}
    world.post([world.event("delivered", send_id), *(world.event("open", send_id, 600 + n, **seen) for n in range(3)), world.event("click", send_id, 640, url="https://a.example", **seen)])  # fmt: skip
    assert counted(world) == Responses(delivered=1, opened=1, clicked=1)


def test_machines_and_returned_mails_are_not_readers(world) -> None:
    scanned, returned = world.send(1)[0], world.send(2)[0]
    world.post([world.event("delivered", scanned), world.event("click", scanned, 3, url="https://a.example"), world.event("bounce", returned, type="bounce")])  # fmt: skip
    assert counted(world) == Responses(delivered=1, bounced=1)


def test_every_way_out_is_an_unsubscribe_and_is_counted_once(world) -> None:
    by_page, by_list, by_both = (world.send(number)[0] for number in (1, 2, 3))
    world.post([world.event("unsubscribe", by_list, 9), world.event("unsubscribe", by_both, 9)])
    for send_id in (by_page, by_both):
        assert world.client.post(world.link(send_id)).status_code == 200
    assert counted(world).unsubscribed == 3


def test_an_answer_in_words_is_a_reply_or_a_way_out(world) -> None:
    with world.db.begin() as tx:
        for number, action in ((1, "replied"), (2, "asked_by_mail_to_stop"), (3, "out_of_office")):
            audit.note(tx, "recipient", action, TUESDAY, send_id=world.send(number)[0])
    assert counted(world) == Responses(replied=1, unsubscribed=1)
