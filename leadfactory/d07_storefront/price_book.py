"""The price book: the only place where a price comes from. What a business was told once holds for life.

The list is config/prices.yaml; a price experiment moves a business to its arm's price before anything is told to it. Prices
never come from a request.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import uuid

import pydantic
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import yaml_config
from leadfactory.d07_storefront.tables import price_book
from leadfactory.d11_experiments.buckets import HOLDOUT
from leadfactory.d11_experiments.tables import experiment_assignments
from leadfactory.yaml_config import ConfigError

PRODUCT = "full_report"


class PriceList(pydantic.BaseModel):
    """config/prices.yaml: cents by product; ``arms``: price experiment → arm → cents of the report."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    version: str
    as_of: dt.date
    currency: str = pydantic.Field(pattern="^[A-Z]{3}$")
    prices: dict[str, pydantic.PositiveInt]
    arms: dict[str, dict[str, pydantic.PositiveInt]] = {}


@dataclasses.dataclass(frozen=True)
class Price:
    """What one business pays for its report. ``arm`` is of a price experiment, None at the list price."""

    amount_cents: int
    currency: str
    arm: str | None

    @property
    def shown(self) -> str:
        """The price for people, with its currency: $199 USD, or $199.50 USD."""
        whole, cents = divmod(self.amount_cents, 100)
        sign = "$" if self.currency == "usd" else ""
        return f"{sign}{whole:,}{f'.{cents:02d}' if cents else ''} {self.currency.upper()}"


@functools.lru_cache(maxsize=1)
def price_list() -> PriceList:
    """The checked content of config/prices.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("prices", PriceList)


def price_for(tx: sa.Connection, business_id: uuid.UUID, campaign: str, now: dt.datetime) -> Price:
    """The price of a business's report: the one that it was told before, or today's, which is fixed with this call.

    Raises:
        ConfigError: an experiment of the list has put the business into an arm that has no price.
    """
    table = price_book
    columns = (table.c.amount_cents, table.c.currency, table.c.arm)
    known = sa.select(*columns).where(table.c.business_id == business_id)
    found = tx.execute(known).one_or_none()
    if found is None:
        tx.execute(insert(table).values(_today(tx, business_id, campaign, now)).on_conflict_do_nothing())
        found = tx.execute(known).one()
    return Price(found.amount_cents, found.currency, found.arm)


def _today(tx: sa.Connection, business_id: uuid.UUID, campaign: str, now: dt.datetime) -> dict[str, object]:
    prices = price_list()
    experiment, arm = _arm(tx, business_id, prices)
    if experiment is not None and arm not in prices.arms[experiment]:
        raise ConfigError(
            f"config/prices.yaml: arms.{experiment} has no price for arm {arm!r}: add it, or take the experiment out"
        )
    cents = prices.prices[PRODUCT] if experiment is None else prices.arms[experiment][str(arm)]
    return {
        "business_id": business_id, "campaign": campaign, "product": PRODUCT, "amount_cents": cents,
        "currency": prices.currency.lower(), "experiment": experiment, "arm": arm, "list_version": prices.version, "fixed_at": now,
    }  # fmt: skip


def _arm(tx: sa.Connection, business_id: uuid.UUID, prices: PriceList) -> tuple[str | None, str | None]:
    """The first assignment of the business to an experiment of the list; the holdout pays the list price."""
    if not prices.arms:
        return None, None
    a = experiment_assignments
    row = tx.execute(
        sa.select(a.c.experiment, a.c.arm)
        .where(a.c.business_id == business_id, a.c.experiment.in_(prices.arms), a.c.arm != HOLDOUT)
        .order_by(a.c.assigned_at, a.c.campaign, a.c.cohort_on, a.c.experiment)
        .limit(1)
    ).one_or_none()
    return (None, None) if row is None else (row.experiment, row.arm)
