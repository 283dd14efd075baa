"""Drains waiting Stripe events from the inbox into ``payment_events`` and folds what they say of each checkout into ``purchases``.

The webhook and the success page come here both: whoever is first makes the purchase, the other one finds it. Folding is one at a
time (an advisory lock), so that the last one to fold a session sees all its events.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d07_storefront import consequences, ledger, stripe_facts
from leadfactory.d07_storefront.purchase_states import Expected, PaymentEvent, fold
from leadfactory.d07_storefront.tables import checkout_sessions, payment_events, purchases
from leadfactory.database import Database
from leadfactory.inbox.rules import rules
from leadfactory.inbox.tables import webhook_inbox
from leadfactory.settings import Settings

FOLD_LOCK = 0x1EADCA54
ASSET = "purchases"
_SPACE = uuid.UUID("6b2f7a53-9d1e-4c64-8a8e-0c7f0f6c5a11")  # of purchase ids: one for each session


@dataclasses.dataclass
class Drained:
    """What a drain did: rows by outcome, events by campaign-day, purchases by their new state."""

    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    units: Counter[CampaignDay] = dataclasses.field(default_factory=Counter)
    states: Counter[str] = dataclasses.field(default_factory=Counter)
    batches: int = 0


def purchase_id_of(session_id: str) -> uuid.UUID:
    """The id of the one purchase of a Stripe session."""
    return uuid.uuid5(_SPACE, session_id)


def is_live(settings: Settings) -> bool:
    """Whether the Stripe key takes real money."""
    return settings.stripe_api_key.get_secret_value().startswith(("sk_live_", "rk_live_"))


def drain(*, db: Database, clock: Clock, settings: Settings) -> Drained:
    """Takes all that waits, a batch a transaction; a killed drain leaves whole batches done and the rest waiting."""
    done = Drained()
    while True:
        with db.begin() as tx:
            taken = _drain_batch(tx, clock.now(), is_live(settings), done)
        if not taken:
            return done
        done.batches += 1


def _drain_batch(tx: sa.Connection, now: dt.datetime, live: bool, done: Drained) -> int:
    t = webhook_inbox
    one_at_a_time(tx)
    rows = tx.execute(
        sa.select(t.c.inbox_id, t.c.event_id, t.c.kind, t.c.occurred_at, t.c.received_at, t.c.payload, t.c.address_hmac)
        .where(t.c.source == "stripe", t.c.processed_at.is_(None))
        .order_by(t.c.inbox_id)
        .limit(rules().drain_batch)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return 0
    facts = {row.inbox_id: stripe_facts.of(_object(row.payload)) for row in rows}
    sessions = _sessions(tx, [facts[row.inbox_id] for row in rows if row.kind in stripe_facts.READ])
    outcomes: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    events = []
    for row in rows:
        found = facts[row.inbox_id]
        session = sessions.get(found.get("session") or found.get("payment_intent") or "")
        if row.kind not in stripe_facts.READ:
            outcomes["kept", "a kind that nothing reads"].append(row.inbox_id)
        elif session is None:
            outcomes["unmatched", "no checkout of ours, or one that was not heard of yet"].append(row.inbox_id)
        else:
            outcomes["folded", None].append(row.inbox_id)
            payer = None if row.address_hmac is None else bytes(row.address_hmac).hex()
            events.append(_event(row.event_id, row.kind, row.occurred_at or row.received_at, row.received_at, found, session, payer))  # fmt: skip
    changed = _store_and_fold(tx, events, now, live)
    for (outcome, reason), ids in outcomes.items():
        tx.execute(sa.update(t).where(t.c.inbox_id.in_(ids)).values(processed_at=now, outcome=outcome, reason=reason))
        done.outcomes[outcome] += len(ids)
    _wake(tx, {str(event["facts"]["payment_intent"]) for event in events if event["facts"].get("payment_intent")})
    for event in events:
        done.units[CampaignDay(event["campaign"], event["cohort_on"])] += 1
    done.states.update(changed.values())
    return len(rows)


def observe(
    tx: sa.Connection, session: Mapping[str, Any], payer: bytes | None, now: dt.datetime, *, live: bool
) -> uuid.UUID | None:
    """What we saw when we asked Stripe for a session ourselves, as an event beside its own; the purchase, if there is one.

    None when the session is no checkout of ours. Seeing the same again changes nothing.
    """
    one_at_a_time(tx)
    facts = stripe_facts.of(session)
    found = _sessions(tx, [facts]).get(facts.get("session") or "")
    if found is None:
        return None
    name = f"observed:{facts['session']}:{facts['status']}:{facts['payment_status']}"
    hmac = None if payer is None else payer.hex()
    _store_and_fold(tx, [_event(name, "session.observed", now, now, facts, found, hmac)], now, live)
    _wake(tx, {facts["payment_intent"]} - {None})
    return purchase_id_of(facts["session"])


def refold(tx: sa.Connection, unit: CampaignDay, now: dt.datetime, *, live: bool) -> tuple[int, int]:
    """Folds a campaign-day again from what is stored: (events, purchases). Changes nothing that is right."""
    one_at_a_time(tx)
    e = payment_events
    found = sa.select(e.c.session_id).where(e.c.campaign == unit.campaign, e.c.cohort_on == unit.day)
    rows = list(tx.scalars(found))
    fold_sessions(tx, set(rows), now, live=live)
    return len(rows), len(set(rows))


def one_at_a_time(tx: sa.Connection) -> None:
    """Takes the fold's lock until the end of the transaction."""
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(FOLD_LOCK)))


def fold_sessions(
    tx: sa.Connection, session_ids: Collection[str], now: dt.datetime, *, live: bool
) -> dict[uuid.UUID, str]:
    """Folds all stored events of these sessions; purchase → state of those that changed. The caller folds alone."""
    if not session_ids:
        return {}
    e, c, p = payment_events, checkout_sessions, purchases
    by_session: dict[str, list[Any]] = defaultdict(list)
    for row in tx.execute(sa.select(e).where(e.c.session_id.in_(session_ids)).order_by(e.c.session_id)):
        by_session[row.session_id].append(row)
    checkouts = {
        row.checkout_id: row for row in tx.execute(sa.select(c).where(c.c.checkout_id.in_(_named(by_session))))
    }
    before = {row.session_id: row for row in tx.execute(sa.select(p).where(p.c.session_id.in_(by_session)))}
    changed: dict[uuid.UUID, str] = {}
    for session_id, rows in by_session.items():
        checkout = checkouts[_checkout_id(rows)]
        expected = Expected(checkout.amount_cents, checkout.currency, live)
        outcome = fold((PaymentEvent(r.event_id, r.kind, r.occurred_at, r.facts) for r in rows), expected)
        own = {name: getattr(checkout, name) for name in ("campaign", "cohort_on", "checkout_id", "send_id", "business_id", "arm")}  # fmt: skip
        values = {"purchase_id": purchase_id_of(session_id), "session_id": session_id, **own, **outcome.columns()}
        was = before.get(session_id)
        if was is not None and all(getattr(was, name) == value for name, value in values.items()):
            continue
        statement = insert(p).values(values)
        tx.execute(statement.on_conflict_do_update(index_elements=["session_id"], set_={n: statement.excluded[n] for n in outcome.columns()}))  # fmt: skip
        moments = {"sale": outcome.paid_at, "unexplained": outcome.paid_at, "refund": outcome.refunded_at, "dispute": outcome.disputed_at}  # fmt: skip
        ledger.post(tx, values["purchase_id"], outcome.currency, outcome.balances(), moments=moments, now=now)
        consequences.follow(tx, values, None if was is None else was.state, now)
        unit = CampaignDay(checkout.campaign, checkout.cohort_on)
        campaign_days.mark_dirty(tx, unit, ASSET)
        campaign_days.note_event(tx, unit, outcome.last_event_at)
        changed[values["purchase_id"]] = outcome.state
    return changed


def _store_and_fold(
    tx: sa.Connection, events: list[dict[str, Any]], now: dt.datetime, live: bool
) -> dict[uuid.UUID, str]:
    if not events:
        return {}
    tx.execute(insert(payment_events).on_conflict_do_nothing(), events)
    return fold_sessions(tx, {event["session_id"] for event in events}, now, live=live)


def _sessions(tx: sa.Connection, facts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Checkouts of ours by what names them in these facts: the session's id, or the payment's once it is known."""
    c, p = checkout_sessions, purchases
    own = ("campaign", "cohort_on", "checkout_id")
    by_checkout = {
        each["checkout_id"]: each["session"] for each in facts if each.get("checkout_id") and each.get("session")
    }
    intents = {each["payment_intent"] for each in facts if each.get("payment_intent")}
    found: dict[str, Any] = {}
    rows = tx.execute(sa.select(*(c.c[name] for name in own)).where(c.c.checkout_id.in_(map(uuid.UUID, by_checkout))))
    for row in rows:
        session = by_checkout[str(row.checkout_id)]
        found[session] = {**row._mapping, "session_id": session}
    for each in facts:  # of one batch: the payment of a session that is in it
        if each.get("session") in found and each.get("payment_intent"):
            found[each["payment_intent"]] = found[each["session"]]
    known = tx.execute(sa.select(*(p.c[name] for name in (*own, "session_id", "payment_intent_id"))).where(p.c.payment_intent_id.in_(intents)))  # fmt: skip
    for row in known:
        values = dict(row._mapping)
        found.setdefault(values.pop("payment_intent_id"), values)
    return found


def _wake(tx: sa.Connection, intents: set[str]) -> None:
    """Lets events wait again that came before the session whose payment they speak of."""
    if not intents:
        return
    t = webhook_inbox
    body = t.c.payload["data"]["object"]
    named = sa.or_(body["payment_intent"].astext.in_(intents), body["id"].astext.in_(intents))
    tx.execute(
        sa.update(t)
        .where(t.c.source == "stripe", t.c.outcome == "unmatched", named)
        .values(processed_at=None, outcome=None, reason=None)
    )


def _event(
    event_id: str, kind: str, occurred_at: dt.datetime, received_at: dt.datetime, facts: Mapping[str, Any],
    checkout: Mapping[str, Any], payer: str | None,
) -> dict[str, Any]:  # fmt: skip
    told = {name: value for name, value in {**facts, "payer_hmac": payer}.items() if value is not None}
    return {
        "campaign": checkout["campaign"], "cohort_on": checkout["cohort_on"], "event_id": event_id, "kind": kind,
        "session_id": checkout["session_id"], "occurred_at": occurred_at, "received_at": received_at,
        "facts": told | {"checkout_id": str(checkout["checkout_id"])},
    }  # fmt: skip


def _named(by_session: Mapping[str, list[Any]]) -> list[uuid.UUID]:
    return [_checkout_id(rows) for rows in by_session.values()]


def _checkout_id(rows: list[Any]) -> uuid.UUID:
    return uuid.UUID(rows[0].facts["checkout_id"])


def _object(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    data = payload.get("data")
    body = data.get("object") if isinstance(data, Mapping) else None
    return body if isinstance(body, Mapping) else {}
