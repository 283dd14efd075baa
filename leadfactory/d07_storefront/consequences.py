"""What follows from a purchase's state, in the transaction that folds it: the checkout ends, letters stop, a dispute suppresses, and what
was paid for a website that is not the buyer's goes back.

Every step may be taken again and changes nothing the second time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from leadfactory.d07_storefront import refunds
from leadfactory.d07_storefront.purchase_states import ENTITLED
from leadfactory.d07_storefront.tables import checkout_sessions
from leadfactory.d09_delivery import opt_outs, sequences

_UNPAID = {"expired": "expired", "failed": "expired"}


def follow(tx: sa.Connection, purchase: Mapping[str, Any], was: str | None, now: dt.datetime) -> None:
    """Follows a purchase into its state; ``was`` is the state before, None when it is new."""
    state = purchase["state"]
    c = checkout_sessions
    tx.execute(
        sa.update(c)
        .where(c.c.checkout_id == purchase["checkout_id"])
        .values(state=_UNPAID.get(state, "complete"), stripe_id=purchase["session_id"], url=None)
    )
    if state == was:
        return
    if state in ENTITLED or state == "pending":
        sequences.stop(tx, purchase["send_id"], "purchase", now)
    if state in ENTITLED and was in (None, "pending") and refunds.is_not_theirs(tx, purchase["business_id"]):
        refunds.plan(tx, purchase["purchase_id"], reason=refunds.NOT_THEIRS, requested_by="recipient", now=now)
    if state in ("disputed", "dispute_lost"):
        subjects = [("business", purchase["business_id"].bytes)]
        if purchase["payer_hmac"] is not None:
            subjects.append(("address", bytes(purchase["payer_hmac"])))
        opt_outs.stop(tx, subjects, reason="disputed", source="stripe", now=now)
