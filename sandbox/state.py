"""What all vendors of one sandbox share: the world, the truth log, faults, clock, keys and options."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.model import World
from sandbox.truth import Truth

KEYS = {
    "yelp": {"sandbox-yelp-key", "sandbox-yelp-enhanced-key"},
    "places": {"sandbox-google-key"},
    "pagespeed": {"sandbox-google-key"},
    "openai": {"sandbox-openai-key"},
    "sendgrid": {"SG.sandbox-sendgrid-key"},
    "stripe": {"sk_test_sandbox"},
}


@dataclasses.dataclass
class Sandbox:
    """One running sandbox; ``options`` may be changed by an admin while it runs.

    ``outstanding`` tells what is still to be done, ``due`` how much of it should have been done by now.
    """

    world: World
    truth: Truth = dataclasses.field(default_factory=Truth)
    faults: Faults = dataclasses.field(default_factory=Faults)
    clock: Clock = dataclasses.field(default_factory=Clock)
    keys: dict[str, set[str]] = dataclasses.field(default_factory=lambda: {k: set(v) for k, v in KEYS.items()})
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    seed: str = "demo"
    outstanding: dict[str, Callable[[], int]] = dataclasses.field(default_factory=dict)
    due: dict[str, Callable[[], int]] = dataclasses.field(default_factory=dict)
    on_clock: list[Callable[[], None]] = dataclasses.field(default_factory=list)

    def move_clock(self, now: dt.datetime) -> None:
        """Puts the clock to ``now``, where it stands until it is moved again; those who wait for a moment are told."""
        self.clock = Clock(now, moved=True)
        for told in list(self.on_clock):
            told()

    def restart(self, world: World, seed: str) -> None:
        """Begins anew with ``world``: nothing accepted, no faults, no options. Keys and clock stay."""
        self.world, self.seed = world, seed
        self.truth, self.faults, self.options = self.truth.renewed(seed), Faults(), {}
