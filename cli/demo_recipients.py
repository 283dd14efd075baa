"""The second half of `leadfactory demo`: the sandbox's recipients act on the letters, and what they did is folded and counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import httpx

from cli.output import CommandError
from leadfactory.settings import Settings

# Shares of letters, far above what real mail sees, so that some hundred letters show every path; the sandbox's own rates are honest.
RATES = {
    "bounce": 0.02, "blocked": 0.01, "deferred": 0.05, "machine_open": 0.2, "prefetch": 0.1, "out_of_office": 0.05, "open": 0.5, "click": 0.22,
    "spamreport": 0.01, "unsubscribe": 0.05, "reply": 0.05, "checkout": 0.7, "pay": 0.7, "declined_first": 0.15, "bank": 0.1, "refund": 0.25,
}  # fmt: skip
WITHIN_S = 180
ROUNDS = 4  # what people do brings mail, which people read


@contextlib.contextmanager
def acting(config: Settings) -> Iterator[None]:
    """Has the sandbox's recipients act from the next letter on; what SendGrid tells of them is held back until the block ends.

    Otherwise a complaint that is folded while letters still go out would stop the sender half-way, now here and now there.
    """
    admin = f"{config.sandbox_url}/_admin"
    httpx.post(f"{admin}/recipients", json={"act": True, "rates": RATES}, timeout=10).raise_for_status()
    told_at = httpx.get(f"{admin}/options", timeout=10).raise_for_status().json()["sendgrid_webhook_url"]
    httpx.post(f"{admin}/options", json={"sendgrid_webhook_url": None}, timeout=10).raise_for_status()
    try:
        yield
    finally:
        httpx.post(f"{admin}/options", json={"sendgrid_webhook_url": told_at}, timeout=10).raise_for_status()


def follow(config: Settings, waits: Callable[[], bool], fold: Callable[[], None]) -> None:
    """Waits for the recipients, then folds what they did; again for as long as that brought something which ``waits``.

    Raises:
        CommandError: when they are not done in time.
    """
    for _ in range(ROUNDS):
        _wait(config)
        if not waits():
            return
        fold()


def _wait(config: Settings) -> None:
    deadline = time.monotonic() + WITHIN_S
    left: dict[str, int] = {}
    while time.monotonic() < deadline:
        left = httpx.get(f"{config.sandbox_url}/_admin/outstanding", timeout=10).raise_for_status().json()
        if not any(left.values()):
            return
        time.sleep(0.3)
    open_work = ", ".join(f"{name} {count}" for name, count in left.items() if count)
    raise CommandError(
        f"the simulated recipients are not done after {WITHIN_S} s ({open_work}); see {config.home}/logs/edge.log"
    )
