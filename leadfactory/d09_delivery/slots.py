"""Contact slots: at most one running conversation per recipient over all campaigns, by one statement that races cannot split."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d09_delivery.tables import contact_slots


@dataclasses.dataclass(frozen=True)
class Conversation:
    """A send that wants its recipient's slots: the address's, and the domain's unless it is free mail.

    ``holder`` is the conversation's first step; None when that is the send itself.
    """

    send_id: uuid.UUID
    campaign: str
    address_hmac: bytes
    domain_hmac: bytes | None
    holder: uuid.UUID | None = None

    @property
    def held_by(self) -> uuid.UUID:
        """Who holds the slots: the conversation's first step, so that its follow-ups may use them too."""
        return self.holder or self.send_id

    @property
    def wanted(self) -> tuple[tuple[str, bytes], ...]:
        """The slots as (kind, hash)."""
        address = (("address", self.address_hmac),)
        return address if self.domain_hmac is None else (*address, ("domain", self.domain_hmac))


# Arrays, not rows of VALUES: a statement that is the same for any number of slots is compiled once.
_COLUMNS = ("slot_hmac", "kind", "campaign", "send_id", "held_until")
_GIVEN = (
    sa.func.unnest(*(sa.bindparam(name, type_=sa.ARRAY(contact_slots.c[name].type)) for name in _COLUMNS))
    .table_valued(*_COLUMNS, name="given", joins_implicitly=True)
    .render_derived()
)
_WANTED = sa.select(*(_GIVEN.c[name] for name in _COLUMNS)).order_by(_GIVEN.c.slot_hmac)


def take(
    tx: sa.Connection, conversations: Sequence[Conversation], *, until: dt.datetime, now: dt.datetime
) -> set[uuid.UUID]:
    """The sends that got all their slots until ``until``; the others hold none of them.

    A slot is free when nobody holds it, when its time is over, or when the same conversation holds it. Of two sends here that want
    one slot the first gets it. Slots are taken in one order everywhere, so that two claims cannot wait for each other.
    """
    first: dict[bytes, Conversation] = {}
    losers: set[uuid.UUID] = set()
    for each in conversations:
        if any(slot in first for _, slot in each.wanted):
            losers.add(each.send_id)
        else:
            first.update(dict.fromkeys((slot for _, slot in each.wanted), each))
    rows: list[dict[str, Any]] = [
        {"slot_hmac": slot, "kind": kind, "campaign": each.campaign, "send_id": each.held_by, "held_until": until}
        for each in conversations
        if each.send_id not in losers
        for kind, slot in each.wanted
    ]
    if not rows:
        return set()
    rows.sort(key=lambda row: row["slot_hmac"])
    statement = insert(contact_slots).from_select(list(_COLUMNS), _WANTED)
    got = set(
        tx.scalars(
            statement.on_conflict_do_update(
                index_elements=["slot_hmac"],
                set_={name: statement.excluded[name] for name in ("kind", "campaign", "send_id", "held_until")},
                where=sa.or_(contact_slots.c.held_until < now, contact_slots.c.send_id == statement.excluded.send_id),
            ).returning(contact_slots.c.slot_hmac),
            {name: [row[name] for row in rows] for name in _COLUMNS},
        )
    )
    candidates = [each for each in conversations if each.send_id not in losers]
    winners = {each.send_id for each in candidates if all(slot in got for _, slot in each.wanted)}
    partly = [slot for each in candidates if each.send_id not in winners for _, slot in each.wanted if slot in got]
    if partly:
        tx.execute(sa.delete(contact_slots).where(contact_slots.c.slot_hmac.in_(partly)))
    return winners
