"""Budgets: a worst case is reserved before a call and turned into what it cost after; nothing passes a cap.

Rows are created from configuration when they are first drawn on. The CHECK on the table is the last line of defence.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.ledger import BudgetKey, Call
from leadfactory.d00_gateway.policies import BudgetCaps
from leadfactory.d00_gateway.tables import budgets

MICROUSD_PER_CENT = 10_000


@dataclasses.dataclass
class Budget:
    """One row of budgets while its lock is held; millionths of a dollar."""

    scope: str
    key: str
    cap: int
    reserved: int
    spent: int
    changed: bool = False

    def has_room_for(self, microusd: int) -> bool:
        """Whether a worst case of ``microusd`` fits."""
        return self.reserved + self.spent + microusd <= self.cap

    def might_have_room_for(self, microusd: int) -> bool:
        """Whether it would fit if calls under way turned out to cost nothing."""
        return self.spent + microusd <= self.cap

    def reserve(self, microusd: int) -> None:
        """Sets a worst case aside."""
        self.reserved += microusd
        self.changed = True

    def settle(self, reserved: int, cost: int) -> int:
        """Turns a reservation into its cost; returns what passed the cap and could not be booked here.

        A vendor can charge more than the worst case we were told; the ledger row keeps the whole of it.
        """
        self.reserved = max(0, self.reserved - reserved)
        booked = min(cost, self.cap - self.reserved - self.spent)
        self.spent += booked
        self.changed = True
        return cost - booked


def refusal(budget: Budget, call: Call) -> VendorUnavailable:
    """The error of a call that a budget has no room for; it names the cap and who can raise it."""
    remedies = {
        "vendor": "raise budgets.vendor_month_cents in config/vendors.yaml",
        "day": "raise budgets.day_cents in config/vendors.yaml",
        "campaign": "raise the campaign's budget_cents",
        "lead": "the lead is not worth more before it qualifies",
    }
    return VendorUnavailable(
        call.vendor, call.spec.endpoint, "budget", retry_at=_renews_at(budget, call.occurred_on), left_the_house=False,
        detail=f"budget {budget.scope} {budget.key} has ${(budget.cap - budget.reserved - budget.spent) / 1e6:.4f} of "
               f"${budget.cap / 1e6:.2f} left and the call may cost ${call.spec.worst_case_microusd / 1e6:.4f}: "
               f"{remedies[budget.scope]}",
    )  # fmt: skip


def _renews_at(budget: Budget, today: dt.date) -> dt.datetime | None:
    midnight = dt.time(tzinfo=dt.UTC)
    if budget.scope == "day":
        return dt.datetime.combine(today + dt.timedelta(days=1), midnight)
    if budget.scope == "vendor":
        return dt.datetime.combine((today.replace(day=1) + dt.timedelta(days=32)).replace(day=1), midnight)
    return None


def qualify(tx: sa.Connection, business_ids: Iterable[UUID], caps: BudgetCaps) -> None:
    """Raises the caps of leads that qualified; never lowers one."""
    cap = caps.qualified_lead_cents * MICROUSD_PER_CENT
    rows = [{"scope": "lead", "key": key, "cap_microusd": cap} for key in sorted({str(one) for one in business_ids})]
    if not rows:
        return
    statement = insert(budgets).values(rows)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["scope", "key"],
            set_={"cap_microusd": sa.func.greatest(budgets.c.cap_microusd, statement.excluded.cap_microusd)},
        )
    )


def default_cap(key: BudgetKey, caps: BudgetCaps) -> int:
    """The configured cap of a budget, in millionths of a dollar."""
    scope, name = key
    if scope == "vendor":
        return caps.vendor_month_cents.get(name.split("|")[0], 0) * MICROUSD_PER_CENT
    cents = {"campaign": caps.campaign_cents, "day": caps.day_cents, "lead": caps.lead_cents}[scope]
    return cents * MICROUSD_PER_CENT


# A configured cap that was lowered below what is already drawn becomes what is drawn: nothing more leaves. A lead's cap is
# left alone, since qualifying raises it.
ENSURE = """
INSERT INTO budgets (scope, key, cap_microusd)
SELECT b.scope, b.key, coalesce(CASE WHEN b.scope = 'campaign' THEN c.budget_cents * 10000 END, b.cap)
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS b (scope, key, cap)
LEFT JOIN campaigns c ON b.scope = 'campaign' AND c.campaign = b.key
ORDER BY b.scope, b.key
ON CONFLICT (scope, key) DO UPDATE
SET cap_microusd = greatest(excluded.cap_microusd, budgets.reserved_microusd + budgets.spent_microusd)
WHERE budgets.scope <> 'lead' AND budgets.cap_microusd IS DISTINCT FROM excluded.cap_microusd
"""
LOCK = """
SELECT b.scope, b.key, b.cap_microusd, b.reserved_microusd, b.spent_microusd
FROM budgets b JOIN unnest(%s::text[], %s::text[]) AS k (scope, key) ON k.scope = b.scope AND k.key = b.key
ORDER BY b.scope, b.key FOR UPDATE OF b
"""
SAVE = """
UPDATE budgets b SET reserved_microusd = s.reserved, spent_microusd = s.spent
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[]) AS s (scope, key, reserved, spent)
WHERE b.scope = s.scope AND b.key = s.key
"""
