"""Purchases for operators: lists, one purchase's story, and the evidence pack of a dispute. Reads only; shows no address."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory.d06_reports.tables import audit_reports, report_accesses, report_deliveries
from leadfactory.d07_storefront.tables import (
    PURCHASE_STATES,
    checkout_sessions,
    money_entries,
    payment_events,
    purchases,
    refund_requests,
)
from leadfactory.d09_delivery.tables import email_sends


def listed(tx: sa.Connection, *, state: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Purchases with their newest report and its mail, the newest first.

    Raises:
        ValueError: a state that there is not.
    """
    if state is not None and state not in PURCHASE_STATES:
        raise ValueError(f"state={state!r} is unknown: choose from {', '.join(PURCHASE_STATES)}")
    p, r, d = purchases, audit_reports, report_deliveries
    report = sa.select(sa.func.max(r.c.version)).where(r.c.purchase_id == p.c.purchase_id).scalar_subquery()
    mail, mail_why = (
        sa.select(column)
        .where(d.c.purchase_id == p.c.purchase_id, d.c.kind == "sold")
        .order_by(d.c.planned_at.desc())
        .limit(1)
        .scalar_subquery()
        for column in (d.c.state, d.c.reason)
    )
    query = sa.select(
        p.c.purchase_id, p.c.state, p.c.reason, p.c.campaign, p.c.cohort_on, p.c.business_id, p.c.amount_cents, p.c.refunded_cents,
        p.c.disputed_cents, p.c.currency, p.c.arm, p.c.paid_at, report.label("report"), mail.label("mail"),
        mail_why.label("mail_reason"),
    ).order_by(p.c.last_event_at.desc(), p.c.purchase_id)  # fmt: skip
    if state is not None:
        query = query.where(p.c.state == state)
    return [dict(row._mapping) for row in tx.execute(query.limit(limit))]


def story(tx: sa.Connection, purchase_id: uuid.UUID) -> dict[str, Any]:
    """One purchase with all that happened to it, in order of time.

    Raises:
        LookupError: there is none of that id.
    """
    p, e, m, r, d, a, f = (
        purchases,
        payment_events,
        money_entries,
        audit_reports,
        report_deliveries,
        report_accesses,
        refund_requests,
    )
    row = tx.execute(sa.select(p).where(p.c.purchase_id == purchase_id)).one_or_none()
    if row is None:
        raise LookupError(f"purchase {purchase_id} is unknown: `leadfactory purchases list` shows what there is")
    kept = {name: value for name, value in row._mapping.items() if name != "payer_hmac"}

    def all_of(*columns: Any, where: Any, order: Any) -> list[dict[str, Any]]:
        return [dict(each._mapping) for each in tx.execute(sa.select(*columns).where(where).order_by(order))]

    mine = a.c.report_id.in_(sa.select(r.c.report_id).where(r.c.purchase_id == purchase_id))
    return kept | {
        "happened": all_of(e.c.occurred_at, e.c.kind, e.c.event_id, where=e.c.session_id == row.session_id, order=e.c.occurred_at),
        "postings": all_of(m.c.occurred_at, m.c.kind, m.c.account, m.c.amount_cents, m.c.currency, where=m.c.purchase_id == purchase_id, order=m.c.entry_id),
        "reports": all_of(r.c.version, r.c.report_id, r.c.sealed_at, r.c.measured_at, r.c.html_sha256, r.c.pdf_sha256, r.c.evidence_sha256, where=r.c.purchase_id == purchase_id, order=r.c.version),
        "mails": all_of(d.c.kind, d.c.state, d.c.reason, d.c.planned_at, d.c.settled_at, d.c.message_id, d.c.delivered_at, d.c.bounced_at, where=d.c.purchase_id == purchase_id, order=d.c.planned_at),
        "openings": all_of(a.c.accessed_at, a.c.kind, a.c.given, a.c.machine, where=mine, order=a.c.access_id),
        "refunds": all_of(f.c.requested_at, f.c.state, f.c.amount_cents, f.c.reason, f.c.requested_by, f.c.why, where=f.c.purchase_id == purchase_id, order=f.c.requested_at),
    }  # fmt: skip


def evidence(tx: sa.Connection, purchase_id: uuid.UUID, now: dt.datetime) -> dict[str, Any]:
    """What a bank asks for in a dispute: what was agreed, what was delivered, and that it was opened.

    Raises:
        LookupError: there is none of that id.
    """
    told = story(tx, purchase_id)
    c, s = checkout_sessions, email_sends
    agreed = tx.execute(
        sa.select(c.c.terms_version, c.c.amount_cents, c.c.currency, c.c.claimed_at, s.c.claimed_at.label("letter_at"))
        .outerjoin(s, s.c.send_id == c.c.send_id)
        .where(c.c.checkout_id == told["checkout_id"])
    ).one()
    opened = [each for each in told["openings"] if each["given"] and not each["machine"]]
    return {
        "made_at": now,
        "purchase_id": purchase_id,
        "stripe_session": told["session_id"],
        "stripe_payment": told["payment_intent_id"],
        "state": told["state"],
        "agreed": {
            "terms_version": agreed.terms_version, "price_cents": agreed.amount_cents, "currency": agreed.currency,
            "checkout_opened_at": agreed.claimed_at, "letter_sent_at": agreed.letter_at, "paid_at": told["paid_at"],
        },
        "delivered": told["reports"],
        "mailed": told["mails"],
        "opened_by_a_person": len(opened),
        "first_opened_at": opened[0]["accessed_at"] if opened else None,
        "openings": told["openings"],
        "refunds": told["refunds"],
        "events": told["happened"],
    }  # fmt: skip
