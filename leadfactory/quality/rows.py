"""Row rules: what a single row must satisfy before it is written; a row that does not goes to ``rejected_rows``."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.quality.tables import rejected_rows

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class RowRule:
    """``ok`` says whether a row satisfies the rule; ``value`` shows what broke it, without personal or vendor data."""

    name: str
    ok: Callable[[Row], bool]
    value: Callable[[Row], str | None] = lambda row: None


@dataclasses.dataclass(frozen=True)
class Refused:
    """One row that one rule refused."""

    row_key: str
    rule: str
    value: str | None


def split(
    rows: Sequence[dict[str, Any]], rules: Sequence[RowRule], *, key: str
) -> tuple[list[dict[str, Any]], list[Refused]]:
    """The rows that satisfy all ``rules``, and a refusal for each row that does not (its first broken rule)."""
    good: list[dict[str, Any]] = []
    refused: list[Refused] = []
    for row in rows:
        broken = next((rule for rule in rules if not rule.ok(row)), None)
        if broken is None:
            good.append(row)
        else:
            refused.append(Refused(str(row.get(key)), broken.name, broken.value(row)))
    return good, refused


def store_refused(
    tx: sa.Connection, asset: str, unit: CampaignDay, refused: Sequence[Refused], now: dt.datetime
) -> None:
    """Writes refusals; a row that the same rule refuses again keeps its first record."""
    if refused:
        tx.execute(
            insert(rejected_rows).on_conflict_do_nothing(),
            [
                {
                    "asset": asset,
                    "campaign": unit.campaign,
                    "cohort_on": unit.day,
                    "row_key": each.row_key,
                    "rule": each.rule,
                    "value": each.value,
                    "rejected_at": now,
                }
                for each in refused
            ],
        )


def count_refused(tx: sa.Connection, asset: str, unit: CampaignDay) -> int:
    """How many distinct rows of ``asset`` were refused in ``unit``."""
    return (
        tx.scalar(
            sa.select(sa.func.count(sa.distinct(rejected_rows.c.row_key))).where(
                rejected_rows.c.asset == asset,
                rejected_rows.c.campaign == unit.campaign,
                rejected_rows.c.cohort_on == unit.day,
            )
        )
        or 0
    )
