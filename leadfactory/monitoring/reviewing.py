"""Sends a night's review to people when the night is over, once, whoever looks and however often."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.database import Database
from leadfactory.monitoring import contacts, night, notifying
from leadfactory.monitoring.tables import night_reviews
from leadfactory.settings import Settings


def tell_when_over(db: Database, settings: Settings, wall: dt.datetime) -> list[str]:
    """The channels that took the review of today's night; none when it is not over or was told before.

    Claimed before it is handed over: a review may be lost with the process that sends it, and is never sent twice.

    Raises:
        NobodyTold: no channel took it; it is claimed by the next who looks.
        DatabaseUnavailable: the database does not answer.
    """
    now = settings.clock.now()
    with db.begin() as tx:
        if tx.scalar(sa.select(night_reviews.c.night_on).where(night_reviews.c.night_on == now.date())):
            return []
        found = night.review(tx, now.date(), settings)
        if not night.is_over(found, now):
            return []
        claim = insert(night_reviews).values(night_on=found.night_on, told_at=wall).on_conflict_do_nothing()
        if tx.scalar(claim.returning(night_reviews.c.night_on)) is None:
            return []
    known = contacts.contacts(settings.contacts_file)
    addresses = [person.mail for person in known.people.values() if person.reachable]
    mine = night_reviews.c.night_on == found.night_on
    try:
        took = notifying.tell(settings, night.subject(found), night.text(found), addresses)
    except notifying.NobodyTold:
        with db.begin() as tx:
            tx.execute(sa.delete(night_reviews).where(mine))
        raise
    with db.begin() as tx:
        tx.execute(sa.update(night_reviews).where(mine).values(channels=", ".join(took)))
    return took
