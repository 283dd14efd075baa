"""Which website a business has: how its server behaves, and what is wrong with its pages."""

from __future__ import annotations

import functools
import random

from sandbox.model import Business, Site
from sandbox.world.vocabulary import DEFECTS, PLATFORMS

_BEHAVIOURS = {
    "ok": 76.0, "redirect_https": 6.0, "redirect_other_host": 3.0, "dead_domain": 3.5, "timeout": 0.6, "refused": 1.0,
    "server_error": 1.2, "redirect_loop": 0.6, "bad_certificate": 1.5, "parked": 2.2, "not_html": 0.8, "huge": 0.4,
    "robots_disallow": 2.0, "private_address": 0.6,
}  # fmt: skip
HEALTHY_SHARE = 0.25


@functools.lru_cache(maxsize=50_000)
def site_of(seed: int, business: Business) -> Site:
    """The site of a business that has a host; chains share one."""
    if business.host is None:
        raise LookupError(business.key)
    if business.chain:
        return chain_site(seed, business.host, business.chain, business.vertical)
    rng = random.Random(f"{seed}:site:{business.key}")
    behaviour = rng.choices(list(_BEHAVIOURS), weights=list(_BEHAVIOURS.values()))[0]
    if rng.random() < HEALTHY_SHARE:
        defects = rng.sample(DEFECTS, rng.randrange(0, 4))
    else:
        defects = rng.sample(DEFECTS, rng.randrange(5, 18))
    chosen = set(defects)
    if behaviour in {"redirect_https", "bad_certificate"}:
        chosen.discard("no_https")
    weight = rng.randrange(180, 900) + (rng.randrange(2500, 7000) if "huge_images" in chosen else 0)
    return Site(business.host, business.key, behaviour, frozenset(chosen), weight, rng.choice(PLATFORMS))  # type: ignore[arg-type]


def chain_site(seed: int, host: str, name: str, vertical: str) -> Site:
    """A chain's central site: well made, with two small faults."""
    rng = random.Random(f"{seed}:chain:{host}")
    return Site(
        host,
        f"chain:{vertical}:{name}",
        "ok",
        frozenset(rng.sample(("no_json_ld", "unused_scripts", "large_dom"), 2)),
        640,
        "hand",
    )
