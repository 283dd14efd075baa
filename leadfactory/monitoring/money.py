"""Figures of money: purchases, revenue and refunds in cents, what was paid for and not delivered, and what a sale costs."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from leadfactory.d07_storefront import refunds
from leadfactory.monitoring.figures import WINDOWS, Figure, Scene, one, rows, seconds_since
from leadfactory.monitoring.pipeline import rates

MICROUSD_IN_CENT = 10_000
PURCHASES = "SELECT state, count(*) AS n FROM purchases GROUP BY state"
SOLD = "SELECT count(*) FROM purchases WHERE paid_at > :since AND paid_at <= :now"
# The ledger is double entry: a sale credits `sales` and a refund debits `refunds`, so a credit is a negative amount.
MOVED = """
SELECT currency, account, abs(sum(amount_cents)) AS cents FROM money_entries
WHERE occurred_at > :since AND occurred_at <= :now AND account IN ('sales', 'refunds', 'disputes')
GROUP BY currency, account"""
# Whose mail came back may have the report from the success page: it is delivered once a person has opened it.
UNDELIVERED = """
SELECT count(*) AS n, min(p.paid_at) AS oldest FROM purchases p
WHERE p.state IN ('paid', 'partially_refunded') AND NOT EXISTS (
  SELECT FROM report_deliveries d WHERE d.purchase_id = p.purchase_id AND d.kind = 'sold' AND d.state = 'accepted'
  AND (d.bounced_at IS NULL OR EXISTS (
    SELECT FROM report_accesses a WHERE a.report_id = d.report_id AND a.given AND NOT a.machine)))"""
NOT_GIVEN = f"SELECT count(*) AS n, min(asked_at) AS oldest FROM ({refunds.NOT_GIVEN}) each"  # noqa: S608 - a constant
DELIVERED = "SELECT count(*) FROM send_outcomes WHERE delivered_at > :since AND delivered_at <= :now"
SPENT = """
SELECT coalesce(sum(cost_microusd), 0) FROM vendor_calls
WHERE occurred_on > CAST(:since AS date) AND occurred_on <= CAST(:now AS date)"""
BALANCE = "SELECT currency, abs(sum(amount_cents)) AS cents FROM money_entries GROUP BY currency"


def figures(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """The family."""
    now, day, month = scene.now, WINDOWS["24h"], WINDOWS["30d"]
    yield Figure.of(
        "purchases", "Purchases by state, of all time.", "state", {row.state: row.n for row in rows(tx, PURCHASES)}
    )
    sold = {name: one(tx, SOLD, since=now - WINDOWS[name], now=now)[0] for name in ("24h", "30d")}
    yield Figure.of("purchases_paid", "Purchases paid in the window.", "window", sold)
    moved: dict[str, list] = {"sales": [], "refunds": [], "disputes": []}
    for window, length in (("24h", day), ("30d", month)):
        for row in rows(tx, MOVED, since=now - length, now=now):
            moved[row.account].append(({"window": window, "currency": row.currency}, float(row.cents)))
    yield Figure("revenue_cents", "Sales of the window without tax, from the ledger.", tuple(moved["sales"]))
    yield Figure("refunds_cents", "Refunds of the window, from the ledger.", tuple(moved["refunds"]))
    yield Figure("disputes_cents", "Money held back by disputes in the window.", tuple(moved["disputes"]))
    yield Figure.of(
        "ledger_imbalance_cents", "What the ledger is off zero by; anything but 0 is a fault.", "currency",
        {row.currency: float(row.cents) for row in rows(tx, BALANCE)},
    )  # fmt: skip
    late = one(tx, UNDELIVERED)
    yield Figure.one(
        "paid_undelivered",
        "Purchases paid whose report no mailer has accepted, or whose mail came back and nobody opened it.",
        late.n,
    )
    yield Figure.one("paid_undelivered_oldest_seconds", "Age of the oldest of them.", seconds_since(late.oldest, now))
    owed = one(tx, NOT_GIVEN)
    yield Figure.one("refunds_not_given", "Purchases of which more was asked back than went back.", owed.n)
    yield Figure.one(
        "refunds_not_given_oldest_seconds", "Age of the oldest of these wishes.", seconds_since(owed.oldest, now)
    )
    delivered = one(tx, DELIVERED, since=now - month, now=now)[0]
    yield from rates(
        "conversion", "mails delivered in the window that led to a purchase in it", {"30d": (sold["30d"], delivered)}
    )
    spent = float(one(tx, SPENT, since=now - month, now=now)[0]) / MICROUSD_IN_CENT
    yield Figure("vendor_cost_cents", "What vendors charged in the window.", (({"window": "30d"}, spent),))
    cost = (({"window": "30d"}, spent / sold["30d"]),) if sold["30d"] else ()
    yield Figure("cost_per_sale_cents", "Vendor cost of 30 d by purchases of 30 d; absent without one.", cost)
