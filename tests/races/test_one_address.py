"""Two campaigns want one recipient at the same moment, a thousand times: one of them gets the conversation, never both."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import uuid
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import sqlalchemy as sa

from leadfactory.d09_delivery import slots
from leadfactory.d09_delivery.slots import Conversation
from leadfactory.d09_delivery.tables import contact_slots
from leadfactory.database import Database
from tests.races.processes import PATIENCE_S, Crew

ADDRESSES = 1_000
NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
UNTIL = NOW + dt.timedelta(days=60)
CAMPAIGNS = (b"restaurant-nyc", b"dentist-nyc")
IN_TURN = multiprocessing.get_context("fork")


def claimer(seat: Connection, url: str, barrier: Barrier, names: list[bytes]) -> None:
    """Claims each address in a transaction of its own, at the moment when the other campaign does; which ones it got."""
    seat.send("ready")
    name = names[int(seat.recv())].decode()
    db, won = Database(url), []
    for number in range(ADDRESSES):
        # Another mailbox at the same company: only every second pair also meets at the address.
        mailbox = b"info" if number % 2 else name.encode()
        mine = Conversation(
            uuid.uuid5(uuid.NAMESPACE_OID, f"{name}{number}"), name, b"%s-%d" % (mailbox, number), b"domain-%d" % number
        )
        barrier.wait(PATIENCE_S)
        with db.begin() as tx:
            if slots.take(tx, [mine], until=UNTIL, now=NOW):
                won.append(number)
    seat.send(won)


def test_one_of_two_campaigns_gets_each_of_a_thousand_recipients(crew: Crew, url: str, database: Database) -> None:
    made = crew.of(2, claimer, url, IN_TURN.Barrier(2), list(CAMPAIGNS))
    for number, member in enumerate(made):
        member.hears(number)
    first, second = (set(member.says()) for member in made)
    for member in made:
        member.ends()
    assert not first & second
    assert first | second == set(range(ADDRESSES))
    assert min(len(first), len(second)) > ADDRESSES // 50  # both were there: it was a race
    with database.begin() as tx:
        held = sa.select(contact_slots.c.campaign, sa.func.count()).group_by(contact_slots.c.campaign)
        kept = {row[0]: row[1] for row in tx.execute(held)}
    assert kept == {CAMPAIGNS[0].decode(): 2 * len(first), CAMPAIGNS[1].decode(): 2 * len(second)}
