"""Bounded concurrency with results stored in batches: the shape of every stage that calls vendors."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress(Protocol):
    """Told how much of a stage is done: ``progress("enriched_businesses", 40, 120)``."""

    def __call__(self, asset: str, done: int, total: int) -> None: ...


def quiet(asset: str, done: int, total: int) -> None:
    """A progress that says nothing."""


class Stopped(RuntimeError):
    """What ``STOP`` raises: somebody wants the stage to end at the next item."""


# Asked before each item: returns, or raises ``Stopped``. Set by ``pauses.watching``.
STOP: contextvars.ContextVar[Callable[[], None] | None] = contextvars.ContextVar("stop", default=None)
_stored_together: int | None = None


def in_turn(stored_together: int) -> None:
    """From now on every stage of this process takes one item after the other and stores so many results at once.

    Two runs over the same rows then do the same things in the same order, which is what a numbering of them needs.
    """
    global _stored_together
    _stored_together = stored_together


def takes_turns() -> bool:
    """Whether ``in_turn`` was asked for: nothing may then happen beside anything else."""
    return _stored_together is not None


async def each(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    store: Callable[[list[Result]], None],
    *,
    at_once: int,
    batch: int = 50,
    told: Callable[[int, int], None] | None = None,
) -> None:
    """Runs ``work`` over ``items``, at most ``at_once`` together, and hands results to ``store`` in batches as they come.

    ``work`` must turn what it expects to go wrong into a result; what it raises all the same stops the stage after the
    results that are already there have been stored. ``store`` commits its batch: a kill loses at most ``batch`` results.
    What ``STOP`` raises ends the stage at the next item: those under way are finished and stored first.
    """
    if _stored_together is not None:
        at_once, batch = 1, _stored_together
    ready: list[Result] = []
    waiting = iter(items)
    done = 0
    stop = STOP.get()
    stopped: Stopped | None = None

    async def worker() -> None:
        nonlocal done, stopped
        for item in waiting:
            try:
                if stopped is None and stop is not None:
                    stop()
            except Stopped as word:
                stopped = word
            if stopped is not None:
                return
            ready.append(await work(item))
            done += 1
            if told is not None:
                told(done, len(items))
            if len(ready) >= batch:
                _hand_over(ready, store)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(items))):
                group.create_task(worker())
    finally:
        _hand_over(ready, store)
    if stopped is not None:
        raise stopped


def _hand_over(ready: list[Result], store: Callable[[list[Result]], None]) -> None:
    if ready:
        taken, ready[:] = list(ready), []
        store(taken)
