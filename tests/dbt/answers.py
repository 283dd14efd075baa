"""What recipients did with the letters of a made-up campaign-day, at random: outcomes, events, acts, purchases and their money."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable
from typing import Any

ACTS = ("unsubscribe", "not_the_right_person", "asked_by_mail_to_stop", "replied", "out_of_office")
SALES = ("paid", "partially_refunded", "refunded", "disputed", "dispute_lost", "failed", "quarantined")
PRICE = 19_900


def answered(add: Callable[..., None], draw: random.Random, new: Callable[[], uuid.UUID], send: dict[str, Any]) -> None:
    """Adds what became of one accepted letter. ``add(table, **row)`` takes rows of the campaign-day, ``new`` makes ids."""
    at, send_id, business_id = send["settled_at"], send["send_id"], send["business_id"]
    later = lambda: at + dt.timedelta(minutes=draw.randint(1, 30 * 24 * 60))  # noqa: E731
    delivery = draw.choice(("delivered", "delivered", "delivered", "bounced", None))
    seen = delivery == "delivered"
    moments = {
        "delivered_at": at + dt.timedelta(minutes=1) if delivery else None,
        "bounced_at": later() if delivery == "bounced" else None,
        "opened_at": later() if seen and draw.random() < 0.6 else None,
        "clicked_at": later() if seen and draw.random() < 0.5 else None,
        "complained_at": later() if seen and draw.random() < 0.2 else None,
        "unsubscribed_at": later() if seen and draw.random() < 0.2 else None,
    }
    add("send_outcomes", send_id=send_id, business_id=business_id, state="clicked" if moments["clicked_at"] else "seen",
        delivery=delivery, bot_opens=draw.randint(0, 2), bot_clicks=0, events=3, **moments)  # fmt: skip
    for kind, moment in moments.items():
        if moment:
            add("email_events", event_id=str(new()), send_id=send_id, business_id=business_id, kind=kind.removesuffix("_at"),
                occurred_at=moment, machine=draw.random() < 0.2, received_at=moment)  # fmt: skip
    for action in ACTS:
        for _ in range(draw.choice((0, 0, 0, 1, 2))):
            add("audit_log", actor="recipient", action=action, send_id=send_id, happened_at=later())
    if seen and draw.random() < 0.7:
        _bought(add, draw, new, send, later())


def _bought(
    add: Callable[..., None], draw: random.Random, new: Callable[[], uuid.UUID], send: dict[str, Any], at: dt.datetime
) -> None:
    state, purchase_id = draw.choice(SALES), new()
    paid = 0 if state == "failed" else PRICE
    back = {"refunded": PRICE, "partially_refunded": 5_000}.get(state, 0)
    withdrawn = PRICE if state.startswith("dispute") else 0
    back_at = at + dt.timedelta(days=21) if back else None
    add("purchases", purchase_id=purchase_id, checkout_id=new(), send_id=send["send_id"], business_id=send["business_id"],
        session_id=str(new()), state=state, amount_cents=paid, tax_cents=0, currency="usd", refunded_cents=back,
        disputed_cents=withdrawn, paid_at=at if paid else None, refunded_at=back_at, events=2, last_event_at=back_at or at)  # fmt: skip
    if paid:
        other = "unexplained" if state == "quarantined" else "sales"
        _posted(add, new(), purchase_id, "unexplained" if state == "quarantined" else "sale", other, paid, at)
    if back:  # in two parts, on two days
        for part, day in ((back - 1_000, at + dt.timedelta(days=21)), (1_000, at + dt.timedelta(days=24))):
            _posted(add, new(), purchase_id, "refund", "refunds", -part, day)
    if withdrawn:
        _posted(add, new(), purchase_id, "dispute", "disputes", -withdrawn, at + dt.timedelta(days=9))
    if paid and state != "quarantined" and draw.random() < 0.8:
        report_id = new()
        add("audit_reports", report_id=report_id, purchase_id=purchase_id, business_id=send["business_id"], version=1, report_on=at.date(),
            measured_at=at, html_sha256="0", evidence_sha256="0", template_version="1", sealed_at=at)  # fmt: skip
        add("report_deliveries", delivery_id=new(), kind="sold", report_id=report_id, purchase_id=purchase_id,
            business_id=send["business_id"], state="accepted", planned_at=at,
            delivered_at=at + dt.timedelta(minutes=2) if draw.random() < 0.8 else None)  # fmt: skip


def _posted(
    add: Callable[..., None],
    posting_id: uuid.UUID,
    purchase_id: uuid.UUID,
    kind: str,
    account: str,
    cents: int,
    at: dt.datetime,
) -> None:
    for name, amount in (("stripe", cents), (account, -cents)):
        add("money_entries", posting_id=posting_id, kind=kind, account=name, amount_cents=amount, currency="usd",
            purchase_id=purchase_id, occurred_at=at, recorded_at=at)  # fmt: skip
