"""After the 200 of an unsubscribe no claim that begins later can contain the address, with the claim loop running."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time

import pytest
import sqlalchemy as sa

from leadfactory.d09_delivery import claiming
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.sending import send_due
from leadfactory.d09_delivery.tables import email_sends
from tests.leads import CLOCK, UNIT, FakeSendGrid

LEADS = 40


@pytest.mark.parametrize("way", ["click", "event"])
def test_no_claim_that_begins_after_the_answer_contains_the_address(world, way, monkeypatch):
    """Claims of two letters follow each other while recipients say no one after the other."""
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"claim_batch": 2})
    for number in range(LEADS):
        world.business(number, contact_email_url=f"https://shop{number}.example/")
    asyncio.run(world.through("draft"))
    from leadfactory.d09_delivery import planning

    with world.db.begin() as tx:
        planning.plan_sends(tx, UNIT, CLOCK.now(), world.hashes)
    planned = world.rows(sa.select(email_sends.c.send_id, email_sends.c.address_hmac).order_by(email_sends.c.send_id))
    assert len(planned) > LEADS // 2
    ticks, order = itertools.count(), threading.Lock()
    begun: dict[object, int] = {}
    answered: dict[object, int] = {}
    real = claiming.claim

    def watched(tx, *arguments, **options):
        with order:
            at = next(ticks)
        taken = real(tx, *arguments, **options)
        begun.update({letter.send_id: at for letter in taken.letters})
        return taken

    monkeypatch.setattr(claiming, "claim", watched)
    sending = threading.Event()

    def answer(mail):
        sending.set()
        time.sleep(0.005)
        return "id"

    def send():
        mailer = FakeSendGrid(world.settings, answer)
        asyncio.run(send_due(UNIT, db=world.db, clock=CLOCK, settings=world.settings, mailer=mailer, dry_run=False))

    loop = threading.Thread(target=send)
    loop.start()
    assert sending.wait(30)
    email_of = {bytes(world.hashes.address(f"info@shop{n}.example")): f"info@shop{n}.example" for n in range(LEADS)}
    for row in reversed(planned):
        if way == "click":
            status = world.client.post(world.link(row.send_id)).status_code
        else:
            status = world.post([world.event("spamreport", row.send_id, email=email_of[bytes(row.address_hmac)])]).status_code  # fmt: skip
        with order:
            answered[row.send_id] = next(ticks)
        assert status == 200
    loop.join(60)
    assert not loop.is_alive()
    late = [send_id for send_id, at in begun.items() if at > answered[send_id]]
    assert late == []
    states = {row.state for row in world.all(email_sends)}
    assert states == {"accepted", "refused"}, "both sides won some: the race was run"
