"""Faults that an admin switches on: which, where, how often. Seeded draws make a run repeatable."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from typing import Any

KINDS = ("429", "5xx", "slow", "reset", "lost", "late", "malformed", "duplicate_webhooks", "shuffled_webhooks")
VENDORS = ("*", "yelp", "places", "pagespeed", "openai", "sendgrid", "stripe")


@dataclasses.dataclass
class Fault:
    """``rate`` of the requests to ``vendor`` (``*`` is all) meet ``kind``; at most ``count`` of them when it is set."""

    vendor: str
    kind: str
    rate: float
    seed: int = 1
    count: int | None = None
    seconds: float = 3.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} is no fault: choose from {', '.join(KINDS)}")
        if not isinstance(self.rate, (int, float)) or not 0 <= self.rate <= 1:
            raise ValueError(f"rate={self.rate!r} is no share: choose 0 to 1")
        if self.vendor not in VENDORS:
            raise ValueError(f"vendor={self.vendor!r} is unknown: choose from {', '.join(VENDORS)}")


class Faults:
    """The faults that are on. Each request of a vendor draws once per fault, by its number."""

    def __init__(self) -> None:
        self.on: list[Fault] = []
        self.latency_ms: dict[str, float] = {}
        self._numbers: Counter[str] = Counter()

    def add(self, **fields: Any) -> Fault:
        """Switches a fault on; raises ValueError for an unknown kind or rate."""
        fault = Fault(**fields)
        self.on.append(fault)
        return fault

    def clear(self) -> None:
        """Switches all off."""
        self.on.clear()
        self.latency_ms.clear()

    def latency_of(self, vendor: str) -> float:
        """Milliseconds to wait before a vendor's answer; its own setting goes before that of ``*``."""
        return self.latency_ms.get(vendor, self.latency_ms.get("*", 0.0))

    def draw(self, vendor: str) -> Fault | None:
        """The fault that the next request to ``vendor`` meets, if any."""
        self._numbers[vendor] += 1
        number = self._numbers[vendor]
        for fault in self.on:
            if fault.vendor not in ("*", vendor) or fault.kind.endswith("webhooks") or fault.count == 0:
                continue
            if random.Random(f"{fault.seed}:{fault.kind}:{vendor}:{number}").random() < fault.rate:
                if fault.count is not None:
                    fault.count -= 1
                return fault
        return None

    def webhooks(self, kind: str) -> bool:
        """Whether webhooks are duplicated or shuffled."""
        return any(fault.kind == kind and fault.rate > 0 for fault in self.on)

    @classmethod
    def parse(cls, spec: str) -> Faults:
        """``5xx=0.05,429=0.05,sendgrid:lost=0.02``; raises ValueError naming what is wrong."""
        faults = cls()
        for part in filter(None, (each.strip() for each in spec.split(","))):
            name, _, rate = part.partition("=")
            vendor, _, kind = name.rpartition(":")
            try:
                faults.add(vendor=vendor or "*", kind=kind, rate=float(rate))
            except ValueError as error:
                raise ValueError(f"fault {part!r}: {error}; write kind=rate or vendor:kind=rate") from None
        return faults
