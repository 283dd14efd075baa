"""Reads the experiments out: their whole history again from the ledgers; an arm over its guardrail is paused, what cannot go on halted."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from typing import Any

import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d11_experiments import counting, definitions, holding_out, readout
from leadfactory.d11_experiments.readout import Readout
from leadfactory.d11_experiments.tables import experiment_readouts, experiments
from leadfactory.database import Database

HALTS = {"stopped_by_guardrail", "invalid_srm"}  # decisions after which nobody more is put into an arm


@dataclasses.dataclass(frozen=True)
class Read:
    """The newest read-out of one version; ``days`` of its history; ``halted`` when this reading ended it, ``paused`` arms of it."""

    experiment: str
    version: int
    newest: Readout | None
    days: int
    halted: bool
    paused: tuple[str, ...] = ()


def read_all(*, db: Database, clock: Clock) -> tuple[list[Read], dict[str, Any]]:
    """Replaces the read-outs of every version that has a design, and of the global holdout; what each says, and figures."""
    began, now, found = time.monotonic(), clock.now(), []
    with db.begin() as tx:
        table = experiments
        versions = tx.execute(
            sa.select(table.c.experiment, table.c.version)
            .where(sa.or_(table.c.design.is_not(None), table.c.experiment == definitions.GLOBAL))
            .order_by(table.c.experiment, table.c.version)
        ).all()
    for row in versions:
        with db.begin() as tx:
            found.append(read(tx, row.experiment, row.version, now))
    decisions = [each.newest.decision for each in found if each.newest]
    figures = {
        "experiment versions": len(found),
        "days": sum(each.days for each in found),
        "halted now": sum(each.halted for each in found),
        "arms paused now": sum(len(each.paused) for each in found),
        **{f"decision {decision}": decisions.count(decision) for decision in sorted(set(decisions))},
        "seconds": round(time.monotonic() - began, 2),
    }
    return found, figures


def read(tx: sa.Connection, name: str, version: int, now: dt.datetime) -> Read:
    """Replaces the history of one version, pauses arms over their guardrail, and halts it when no comparison is left."""
    of_version = sa.and_(experiments.c.experiment == name, experiments.c.version == version)
    row = tx.execute(sa.select(experiments).where(of_version).with_for_update()).one()
    if name == definitions.GLOBAL:
        history = holding_out.history(tx, name, version, now)
    else:
        history = readout.history(definitions.stored(row).plan, counting.by_day(tx, name, version, now))
    t = experiment_readouts
    tx.execute(sa.delete(t).where(t.c.experiment == name, t.c.version == version))
    rows = [line for day, said in history.items() for line in _rows(name, version, day, said)]
    if rows:
        tx.execute(sa.insert(t), rows)
    newest = next(reversed(history.values()), None)
    # The global holdout is never halted: its sides say whom no letter reaches, and that must not end by itself.
    may_halt = row.state == "running" and name != definitions.GLOBAL
    halted = may_halt and any(said.decision in HALTS for said in history.values())
    if halted:
        tx.execute(sa.update(experiments).where(of_version).values(state="halted"))
    over = newest.paused if newest else frozenset()
    paused = tuple(
        sorted(over - set(row.paused_arms))
    )  # a person may not take one back either: it is a new version then
    if paused:
        tx.execute(sa.update(experiments).where(of_version).values(paused_arms=sorted(over | set(row.paused_arms))))
    return Read(name, version, newest, len(history), halted, paused)


def _rows(name: str, version: int, day: dt.date, said: Readout) -> list[dict[str, Any]]:
    return [
        {
            "experiment": name, "version": version, "read_on": day, **dataclasses.asdict(arm), "srm_log_e": said.srm_log_e,
            "broken_guardrails": list(arm.broken_guardrails), "decision": said.decision, "winner": said.winner,
            "sentence": said.sentence,
        }
        for arm in said.arms
    ]  # fmt: skip
