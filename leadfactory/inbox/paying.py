"""What payments ask for, done in one run for as long as buyers go on paying: a run more would have to start first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from leadfactory.clock import Clock
from leadfactory.d07_storefront import reporting
from leadfactory.database import Database
from leadfactory.inbox import waiting
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

MOST_ROUNDS = 20
Work = Callable[[], Awaitable[tuple[dict[str, Any], list[StageReport]]]]


async def serve(
    work: Work, *, db: Database, clock: Clock, settings: Settings
) -> tuple[dict[str, Any], list[StageReport]]:
    """Does ``work`` (refunds, reports and mails), and again while somebody paid meanwhile.

    Returns:
        Figures of all rounds (of what is left undone, those of the last), and reports of what changed.
    """
    done: dict[str, Any] = {}
    reports: list[StageReport] = []
    for _ in range(MOST_ROUNDS):
        figures, changed = await work()
        done = together(done, figures)
        reports += changed
        with db.begin() as tx:
            if not waiting.payments(tx):
                break
        reports += reporting.drain(db=db, clock=clock, settings=settings)[1]
    return done, reports


def together(before: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """Figures of rounds: what was done is added up; what is left undone is as the last round left it. Pure."""
    done = {
        name: figure for name, figure in before.items() if not (name.startswith("not ") or name.endswith("waiting"))
    }
    return last | {name: figure + last.get(name, 0) for name, figure in done.items()}
