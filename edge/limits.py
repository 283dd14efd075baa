"""How much one client may ask: token buckets in this process's memory, by network address for public pages and by API key.

They keep a flood from the database, so they do not live in it; with several processes each grants its own share.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from leadfactory.edge_rules import EdgeRules, Rate, rules

_REMEMBERED = 20_000  # buckets; the one that was used longest ago goes first


class Buckets:
    """One bucket per client of one kind; what is not used fills up again."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._left: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, who: object) -> int:
        """0 when the request may pass, else the seconds to wait."""
        now, a_second = self._clock(), self._rate.a_minute / 60
        left, then = self._left.pop(who, (float(self._rate.burst), now))
        left = min(float(self._rate.burst), left + (now - then) * a_second)
        passes = left >= 1
        self._left[who] = (left - 1 if passes else left, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return 0 if passes else max(1, math.ceil((1 - left) / a_second))


class Limits:
    """The buckets of one process."""

    def __init__(self, found: EdgeRules | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._hold(found or rules())

    def _hold(self, found: EdgeRules) -> None:
        self.config = found
        self._addresses = Buckets(found.address, self._clock)
        self._stops = Buckets(found.stops, self._clock)
        self._keys = Buckets(found.key, self._clock)

    def follow(self) -> None:
        """Takes over the file when it changed since; every bucket is full then."""
        if (found := rules()) != self.config:
            self._hold(found)

    def public(self, address: str, *, stop: bool) -> int:
        """Seconds that the client at ``address`` has to wait; 0 when it need not. ``stop``: the post of a one-click stop."""
        return (self._stops if stop else self._addresses).take(_neighbourhood(address))

    def key(self, key_id: int) -> int:
        """Seconds that the holder of a key has to wait; 0 when he need not."""
        return self._keys.take(key_id)


def _neighbourhood(address: str) -> object:
    """What one client has for itself: an IPv4 address, or the /64 that providers give a household."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return int(found) >> 64
    return found.ipv4_mapped or found if found.version == 6 else found
