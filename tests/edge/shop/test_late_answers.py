"""A mailer that accepts a letter and whose answer does not come in time: nobody knows, an event settles it, it is never sent again."""

from __future__ import annotations

import asyncio
from collections import Counter

import sqlalchemy as sa

from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.sendgrid import SendGridClient
from leadfactory.d09_delivery import folding
from leadfactory.d09_delivery.sending import send_due
from leadfactory.d09_delivery.tables import email_sends
from tests.leads import CLOCK, UNIT

SENDS, PATIENCE_S, ANSWER_S = 4, 0.3, 1.0


def test_a_letter_whose_acceptance_is_told_too_late_is_unknown_until_its_event_and_leaves_once(shop):
    world, vendor = shop.world, shop.vendor
    emails = [
        world.business(number, contact_email_url=f"https://shop{number}.example/").email for number in range(SENDS)
    ]
    asyncio.run(world.through("draft"))
    slow = {"vendor": "sendgrid", "kind": "late", "rate": 1.0, "seconds": ANSWER_S}
    vendor.post("/_admin/faults", json=slow).raise_for_status()
    send(world)
    assert states(world) == {("unknown", "timeout"): SENDS}
    assert sum(taken(vendor).values()) == SENDS
    vendor.delete("/_admin/faults").raise_for_status()
    send(world)
    assert states(world) == {("unknown", "timeout"): SENDS}
    address_of = {bytes(world.hashes.address(email)): email for email in emails}
    told = [
        world.event("delivered", row.send_id, email=address_of[bytes(row.address_hmac)])
        for row in world.all(email_sends)
    ]
    assert world.post(told).status_code == 200
    folding.drain(db=world.db, clock=CLOCK)
    send(world)
    assert {row.state for row in world.all(email_sends)} == {"accepted"}
    assert taken(vendor) == Counter({str(row.send_id): 1 for row in world.all(email_sends)})


def send(world) -> None:
    """A run of the sender over the real client, which waits for an answer for a third of a second."""
    found = Policies.for_settings(world.settings)
    hasty = found.of("sendgrid").model_copy(update={"timeout_s": PATIENCE_S, "breaker": None})
    policies = found.model_copy(update={"vendors": found.vendors | {"sendgrid": hasty}})
    gateway = Gateway(world.db, clock=CLOCK, settings=world.settings, policies=policies)
    mailer = SendGridClient(gateway, world.settings)
    asyncio.run(send_due(UNIT, db=world.db, clock=CLOCK, settings=world.settings, mailer=mailer, dry_run=False))


def states(world) -> Counter[tuple[str, str | None]]:
    return Counter((row.state, row.reason) for row in world.rows(sa.select(email_sends)))


def taken(vendor) -> Counter[str]:
    """How often the vendor accepted each send, by its own truth."""
    mails = vendor.get("/_truth/sendgrid", params={"kind": "mail"}).json()
    return Counter(each["custom_args"]["send_id"] for each in mails)
