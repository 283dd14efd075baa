"""What a run of the sender tells: states of the sends, and the gate that stops each of those that wait. Writes nothing."""

from __future__ import annotations

import dataclasses
import functools
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d09_delivery.mailing import Letter
from leadfactory.d09_delivery.tables import SEND_STATES, email_sends
from leadfactory.database import Database
from leadfactory.stage_report import StageReport
from leadfactory.statements import AnyUnit, any_unit, of

ASSET = "email_sends"
Waiting = Mapping[uuid.UUID, tuple[CampaignDay, str]]


@dataclasses.dataclass
class Tally:
    """What one run did in one campaign-day."""

    handed_over: int = 0
    calls: int = 0
    spend_microusd: int = 0


def states(tx: sa.Connection, unit: CampaignDay | None) -> dict[CampaignDay, Counter[str]]:
    """Sends by campaign-day and state, of one campaign-day or of all."""
    found: dict[CampaignDay, Counter[str]] = defaultdict(Counter)
    for row in tx.execute(_counted(any_unit(unit)), of(unit)):
        found[CampaignDay(row.campaign, row.cohort_on)][row.state] = row.n
    return found


@functools.cache
def _counted(unit: AnyUnit | None) -> sa.Select[Any]:
    s = email_sends
    query = sa.select(s.c.campaign, s.c.cohort_on, s.c.state, sa.func.count().label("n"))
    if unit is not None:
        query = query.where(s.c.campaign == unit.campaign, s.c.cohort_on == unit.day)
    return query.group_by(s.c.campaign, s.c.cohort_on, s.c.state)


def active(before: Mapping[CampaignDay, Counter[str]], after: Mapping[CampaignDay, Counter[str]]) -> set[CampaignDay]:
    """Campaign-days that changed, or in which something waits."""
    return {u for u, counts in after.items() if counts != before.get(u) or counts["planned"] + counts["claimed"] > 0}


def _gates(waiting: Waiting, unit: CampaignDay) -> Counter[str]:
    return Counter(gate for of, gate in waiting.values() if of == unit)


def report(
    db: Database,
    unit: CampaignDay,
    before: Counter[str],
    after: Counter[str],
    waiting: Waiting,
    tally: Tally,
    seconds: float,
) -> StageReport:
    """One campaign-day after a run that sent."""
    gates = _gates(waiting, unit)
    with db.begin() as tx:
        state = campaign_days.state_of(tx, unit)
    return StageReport(
        ASSET,
        unit,
        state,
        rows_in=after.total(),
        rows_out=after["accepted"],
        rows_rejected=after["rejected"] + after["refused"] + after["expired"],
        rows_reused=before["accepted"],
        rows_open=after["planned"] + after["claimed"] + after["unknown"],
        calls=tally.calls,
        spend_microusd=tally.spend_microusd,
        seconds=seconds,
        counts={
            "handed over": tally.handed_over,
            **{name: after[name] for name in SEND_STATES if after[name]},
            **{f"stopped by {gate}": count for gate, count in sorted(gates.items())},
        },
        chart={name: float(after[name]) for name in SEND_STATES},
        chart_title="what became of the sends",
        notes=tuple(f"{count} wait: {gate}" for gate, count in gates.most_common()),
    )


def rehearsal_reports(
    db: Database,
    unit: CampaignDay | None,
    would: list[Letter],
    waiting: Waiting,
    before: Mapping[CampaignDay, Counter[str]],
    seconds: float,
) -> list[StageReport]:
    """Campaign-days after a dry run: what would be sent, and which gate stops the rest."""
    counted = Counter(letter.unit for letter in would)
    units = [unit] if unit is not None else sorted(set(counted) | {of for of, _ in waiting.values()})
    reports = []
    for each_unit in units:
        now, gates = before.get(each_unit, Counter()), _gates(waiting, each_unit)
        with db.begin() as tx:
            state = campaign_days.state_of(tx, each_unit)
        planned = counted[each_unit] + gates.total()
        done = now.total() - now["planned"]
        reports.append(
            StageReport(
                ASSET,
                each_unit,
                state,
                rows_in=done + planned,
                rows_out=now["accepted"],
                rows_rejected=now["rejected"] + now["refused"] + now["expired"],
                rows_reused=now["accepted"],
                rows_open=planned + now["claimed"] + now["unknown"],
                seconds=seconds,
                counts={
                    "would send": counted[each_unit],
                    **{f"stopped by {gate}": count for gate, count in sorted(gates.items())},
                },
                chart={"would send": float(counted[each_unit]), **{g: float(n) for g, n in sorted(gates.items())}},
                chart_title="what would be sent, and what stops the rest",
                notes=("dry run: nothing was sent or written",),
            )
        )
    return reports
