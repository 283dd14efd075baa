"""`replay-transactions`: what vendors told us since a moment, folded once more, and what was lost, asked for. Repeating changes nothing.

The webhook inbox is the first source; Stripe is asked for events and amounts that no webhook brought; purchases, the money ledger and
mail events are folds of it. The send journal tells what was mailed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa

from leadfactory import pauses
from leadfactory.backup import replaying
from leadfactory.database import Database
from leadfactory.inbox import browsing
from leadfactory.inbox.tables import webhook_inbox
from leadfactory.settings import Settings


def look(db: Database, settings: Settings, since: dt.datetime) -> dict[str, Any]:
    """How much there is to replay; nothing is folded and nobody asked."""
    t = webhook_inbox
    with db.begin() as tx:
        received = tx.scalar(sa.select(sa.func.count()).where(t.c.received_at >= since)) or 0
        waiting = tx.scalar(sa.select(sa.func.count()).where(t.c.processed_at.is_(None))) or 0
    return {"events_since": received, "events_waiting": waiting, "journal": str(settings.journal)}


async def replay(db: Database, settings: Settings, since: dt.datetime, *, ask: bool = True) -> dict[str, Any]:
    """Folds all of it again, while all is paused too: the runbook pauses, restores, replays and then lets work go on.

    Args:
        ask: whether Stripe is asked what its webhooks lost.

    Raises:
        VendorUnavailable, VendorRejected: Stripe does not answer; what was folded until then stays.
    """
    from leadfactory.d07_storefront import reconciling, reporting
    from leadfactory.d09_delivery import event_reports

    clock = settings.clock
    figures: dict[str, Any] = {}
    try:
        with db.begin() as tx:
            figures["journal"] = dataclasses.asdict(replaying.replay(tx, settings.journal, clock.now()))
    except replaying.JournalUnreadable as error:
        figures["journal"] = f"unreadable: {error}"
    with db.begin() as tx:
        figures["events_again"] = browsing.replay(tx, browsing.Filter(since=since), clock.now())
    if ask:
        from leadfactory.d00_gateway.gateway import shared
        from leadfactory.d00_gateway.stripe import StripeClient

        stripe = StripeClient(shared(settings, db), settings)
        asked, new = await reconciling.poll(db=db, clock=clock, settings=settings, stripe=stripe, asset=pauses.REPAIR)
        figures |= {"events_at_stripe": asked, "events_lost_by_webhooks": new}
    figures |= event_reports.drain(db=db, clock=clock)[0] | reporting.drain(db=db, clock=clock, settings=settings)[0]
    if ask:
        found = await reconciling.differences(db=db, clock=clock, settings=settings, stripe=stripe, asset=pauses.REPAIR)
        figures["differences_with_stripe"] = [f"{each.name}: {each.what} ({each.told})" for each in found]
    return figures
