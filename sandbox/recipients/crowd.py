"""All recipients of one sandbox: each letter's steps one after the other, each when the sandbox's clock says that it is time.

Under a fixed clock every moment has come, so that steps follow each other at once, and their dates are the planned ones; a clock
that is moved by hand is waited for.
``options['recipients_hurry']`` (1) divides the waiting.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.recipients.script import Step
from sandbox.vendors.wire import option, utc_now, when_moved

log = logging.getLogger(__name__)
AT_ONCE = 4  # people who act at the same time
_LOOK_S = 0.2  # an admin may change hurry, and a moving clock runs on
Do = Callable[[Step], None]


class Crowd:
    """The steps that are still to come, and a few daemon threads that do each when its time has come."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox, self._truth = sandbox, sandbox.truth
        self._coming: list[tuple[float, int, Step, Iterator[Step], Do, float]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._doing = 0
        self._threads: list[threading.Thread] = []
        when_moved(sandbox, self._look)

    def follow(self, steps: Iterator[Step], do: Do) -> None:
        """Has ``do`` called for every step of one letter, in order, each in its time."""
        began = utc_now(self._sandbox).timestamp()
        with self._changed:
            self._push(steps, do, began)
            while len(self._threads) < AT_ONCE:
                self._threads.append(threading.Thread(target=self._run, name="recipient", daemon=True))
                self._threads[-1].start()
            self._changed.notify_all()

    def outstanding(self) -> int:
        """Letters whose steps are not all done."""
        with self._changed:
            return len(self._coming) + self._doing

    def due(self) -> int:
        """Letters of which a step should have been done by now, or is being done."""
        with self._changed:
            return self._doing + sum(self._is_time(*each[::5]) for each in self._coming)

    def _look(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _push(self, steps: Iterator[Step], do: Do, began: float) -> None:
        step = next(steps, None)
        if step is not None:
            heapq.heappush(self._coming, (began + step.after_s, next(self._numbers), step, steps, do, began))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._coming and self._is_time(*self._coming[0][::5])):
                    self._changed.wait(_LOOK_S if self._coming else None)
                _, _, step, steps, do, began = heapq.heappop(self._coming)
                self._doing += 1
            self._do(step, steps, do, began)

    def _is_time(self, at: float, began: float) -> bool:
        if getattr(self._sandbox.clock, "is_past_everything", False):
            return True
        passed = utc_now(self._sandbox).timestamp() - began
        return passed * float(option(self._sandbox, "recipients_hurry", 1)) >= at - began

    def _do(self, step: Step, steps: Iterator[Step], do: Do, began: float) -> None:
        try:
            if self._sandbox.truth is self._truth:  # a sandbox that began anew has other people
                do(step)
        except Exception:
            log.exception("a recipient's step failed")
        finally:
            with self._changed:
                self._doing -= 1
                if self._sandbox.truth is self._truth:
                    self._push(steps, do, began)
                self._changed.notify_all()
