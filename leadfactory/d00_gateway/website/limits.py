"""What one fetch or one visit of a website may take, and what is left of it while it runs."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class SiteLimits:
    """What one fetch may take. Sizes in bytes, decoded and on the wire alike; times in seconds.

    ``total_s`` counts the time on the wire over redirects, robots.txt and retries, not the waiting for permits.
    The figures are ours: above 2 MB or 15 s a small business's page is broken, which is a finding.
    """

    redirects: int = 5
    body_bytes: int = 2 * 1024 * 1024
    first_byte_s: float = 5.0
    total_s: float = 15.0
    robots_s: float = 24 * 3600.0  # RFC 9309 §2.4: rules are not used for longer than a day


@dataclasses.dataclass(frozen=True)
class VisitLimits:
    """What all requests of one visit may take together: requests, seconds on the wire, bytes read."""

    requests: int
    seconds: float
    bytes: int


class Patience:
    """What is left of ``total_s`` for one fetch; handed down in the request's extension ``patience``."""

    def __init__(self, total_s: float) -> None:
        self.left_s = total_s

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Takes the time inside from what is left."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.left_s -= time.monotonic() - begun
