"""The money: append-only double entry. What a purchase's events say now is compared with what was posted; the difference is posted.

So the balances depend on the set of events alone, and folding again posts nothing. The database refuses a posting that does not
sum to zero, and every change of a posted row.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from leadfactory.d07_storefront.tables import money_entries

Balances = Mapping[str, Mapping[str, int]]  # kind of posting → account → cents


def post(
    tx: sa.Connection,
    purchase_id: uuid.UUID,
    currency: str,
    wanted: Balances,
    *,
    moments: Mapping[str, dt.datetime | None],
    now: dt.datetime,
) -> int:
    """Posts what is missing between the ledger and ``wanted``; how many entries. The caller holds the fold's lock.

    ``moments`` dates each kind by the event that moved the money.
    """
    have = posted(tx, purchase_id)
    entries: list[dict[str, Any]] = []
    for kind, of in sorted({(kind, of) for kind, of in have} | {(kind, currency) for kind in wanted}):
        here = wanted.get(kind, {}) if of == currency else {}
        was = have.get((kind, of), {})
        moved = {name: here.get(name, 0) - was.get(name, 0) for name in sorted({*here, *was})}
        moved = {name: cents for name, cents in moved.items() if cents}
        posting = uuid.uuid4()
        entries += [
            {
                "posting_id": posting, "kind": kind, "account": account, "amount_cents": cents, "currency": of,
                "purchase_id": purchase_id, "occurred_at": moments.get(kind) or now, "recorded_at": now,
            }
            for account, cents in moved.items()
        ]  # fmt: skip
    if entries:
        tx.execute(sa.insert(money_entries), entries)
    return len(entries)


def posted(tx: sa.Connection, purchase_id: uuid.UUID) -> dict[tuple[str, str], dict[str, int]]:
    """What the ledger holds of a purchase: (kind, currency) → account → cents."""
    m = money_entries
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    rows = tx.execute(
        sa.select(m.c.kind, m.c.currency, m.c.account, sa.func.sum(m.c.amount_cents).label("cents"))
        .where(m.c.purchase_id == purchase_id)
        .group_by(m.c.kind, m.c.currency, m.c.account)
    )
    for row in rows:
        if row.cents:
            found[row.kind, row.currency][row.account] = int(row.cents)
    return dict(found)


def balances(tx: sa.Connection) -> dict[str, dict[str, int]]:
    """The whole book: currency → account → cents. Each currency sums to zero."""
    m = money_entries
    book: dict[str, dict[str, int]] = defaultdict(dict)
    rows = tx.execute(
        sa.select(m.c.currency, m.c.account, sa.func.sum(m.c.amount_cents).label("cents"))
        .group_by(m.c.currency, m.c.account)
        .order_by(m.c.currency, m.c.account)
    )
    for row in rows:
        book[row.currency][row.account] = int(row.cents)
    return dict(book)
