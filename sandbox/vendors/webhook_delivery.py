"""Posting signed webhooks to whoever listens: retried until answered 2xx, duplicated and shuffled by the faults that are on.

``options['webhook_retry_s']`` are the seconds before each further attempt. One daemon thread a vendor, so that it needs no event loop.
"""

from __future__ import annotations

import collections
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from sandbox.vendors.wire import option, watch

Signed = tuple[dict[str, str], bytes]  # headers, body: made anew for every attempt, for the signature holds the time
_RETRY_S = (0.5, 2, 10, 60, 300, 1_800)
_TIMEOUT_S = 10.0


class Deliveries:
    """The outgoing queue of one vendor. ``sign`` turns a batch of events into headers and body."""

    def __init__(
        self,
        sandbox: Any,
        url_option: str,
        batch: int,
        sign: Callable[[list[dict[str, Any]]], Signed],
        on_delivered: Callable[[list[dict[str, Any]]], None] = lambda events: None,
    ) -> None:
        self._sandbox, self._url_option, self._batch, self._sign = sandbox, url_option, batch, sign
        self._on_delivered = on_delivered
        self._waiting: collections.deque[dict[str, Any]] = collections.deque()
        self._retries: list[tuple[float, int, list[dict[str, Any]]]] = []
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._random = random.Random(sandbox.world.seed)
        self.delivered = 0
        self.refused = 0
        watch(sandbox, url_option, self.outstanding)
        watch(sandbox, url_option, self.outstanding, which="due")

    def outstanding(self) -> int:
        """Events that are to be posted, now or again; none while there is no address to post them to."""
        with self._changed:
            again = sum(len(events) for _, _, events in self._retries)
            waiting = len(self._waiting) + again + int(self._busy)
        return waiting if option(self._sandbox, self._url_option, None) else 0

    def add(self, events: list[dict[str, Any]]) -> None:
        """Queue events; they wait for as long as no address is set."""
        with self._changed:
            self._waiting.extend(events)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"{self._url_option} delivery", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is queued, being posted or due for a retry; False when ``timeout_s`` passed first."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._retries or self._busy), timeout_s)

    def _run(self) -> None:
        with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as http:
            while True:
                attempt, events = self._next()
                url = option(self._sandbox, self._url_option, None)
                answered = self._post(http, url, events)
                twice = self._random.random() < self._rate("duplicate_webhooks")
                if answered and twice:
                    self._post(http, url, events)
                self._note(answered, attempt, events)

    def _next(self) -> tuple[int, list[dict[str, Any]]]:
        """The next batch, as soon as there is an address to post it to."""
        with self._changed:
            while True:
                now = time.monotonic()
                if option(self._sandbox, self._url_option, None):
                    due = next((retry for retry in self._retries if retry[0] <= now), None)
                    if due:
                        self._retries.remove(due)
                        self._busy = True
                        return due[1], due[2]
                    if self._waiting:
                        self._busy = True
                        return 0, self._take()
                self._changed.wait(0.05 if self._waiting or self._retries else None)

    def _take(self) -> list[dict[str, Any]]:
        if self._random.random() < self._rate("shuffled_webhooks"):
            shuffled = list(self._waiting)
            self._random.shuffle(shuffled)
            self._waiting = collections.deque(shuffled)
        return [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]

    def _rate(self, kind: str) -> float:
        """The share of this vendor's deliveries that meet a webhook fault."""
        vendor = self._url_option.partition("_")[0]
        rates = [
            fault.rate for fault in self._sandbox.faults.on if fault.kind == kind and fault.vendor in ("*", vendor)
        ]
        return max(rates, default=0.0)

    def _post(self, http: httpx.Client, url: str, events: list[dict[str, Any]]) -> bool:
        headers, body = self._sign(events)
        try:
            return http.post(url, content=body, headers=headers).is_success
        except httpx.HTTPError:
            return False  # an endpoint that is down is retried like one that answers 500

    def _note(self, answered: bool, attempt: int, events: list[dict[str, Any]]) -> None:
        pauses = option(self._sandbox, "webhook_retry_s", _RETRY_S)
        with self._changed:
            self._busy = False
            if answered:
                self.delivered += len(events)
                self._on_delivered(events)
            elif attempt < len(pauses):
                self._retries.append((time.monotonic() + float(pauses[attempt]), attempt + 1, events))
            else:
                self.refused += len(events)
            self._changed.notify_all()
