"""Whether the budgets have room for one mail more: the look before a claim. The gateway's reservation is the limit itself."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa

from leadfactory.d00_gateway.budget import MICROUSD_PER_CENT, default_cap
from leadfactory.d00_gateway.mail import MAILERS
from leadfactory.d00_gateway.policies import Policies

# Looked at before every claim: made once, for making a statement takes longer than asking for it.
_DRAWN = sa.text(
    """SELECT scope, key, reserved_microusd + spent_microusd AS drawn FROM budgets
       WHERE scope = 'vendor' AND key = ANY(:months) OR scope = 'day' AND key = :day
          OR scope = 'campaign' AND key IN (SELECT campaign FROM campaigns)"""
)
_LAUNCHED = sa.text("SELECT campaign, mailer, budget_cents FROM campaigns WHERE state = 'launched'")


@dataclasses.dataclass(frozen=True)
class Broke:
    """Whose budget has no room: mailers by their month or the day, campaigns by mailer; and what a mail costs by mailer."""

    mailers: list[str]
    campaigns: list[str]
    prices: Mapping[str, int]


def has_room(drawn: int, cap: int, price: int) -> bool:
    """Whether a mail of ``price`` fits under ``cap``; what costs nothing draws on no budget."""
    return price <= 0 or drawn + price <= cap


def broke(tx: sa.Connection, policies: Policies, now: dt.datetime) -> Broke:
    """Who cannot pay for a mail now. A cap counts as it is configured now, for rows learn of it with their next call only."""
    today = now.astimezone(dt.UTC).date()
    prices = {mailer: policies.price(mailer, "mail").microusd for mailer in MAILERS}
    month, day = f"{today:%Y-%m}", today.isoformat()
    drawn = {
        (row.scope, row.key): row.drawn
        for row in tx.execute(_DRAWN, {"months": [f"{mailer}|{month}" for mailer in MAILERS], "day": day})
    }

    def lacks(scope: str, key: str, price: int, cap: int | None = None) -> bool:
        limit = default_cap((scope, key), policies.budgets) if cap is None else cap
        return not has_room(drawn.get((scope, key), 0), limit, price)

    poor = [
        row.campaign
        for row in tx.execute(_LAUNCHED)
        if lacks(
            "campaign", row.campaign, prices.get(row.mailer, 0),
            None if row.budget_cents is None else row.budget_cents * MICROUSD_PER_CENT,
        )
    ]  # fmt: skip
    without = [m for m in MAILERS if lacks("vendor", f"{m}|{month}", prices[m]) or lacks("day", day, prices[m])]
    return Broke(without, sorted(poor), prices)
