"""Which website a business has: how its server behaves, and what is wrong with its pages."""

from __future__ import annotations

import datetime as dt
import functools
import random

from sandbox.model import Address, Business, Site
from sandbox.world import offers
from sandbox.world.draws import share
from sandbox.world.vocabulary import DEFECTS, EXCLUDES

BEHAVIOURS = {
    "ok": 76.0, "redirect_https": 6.0, "redirect_other_host": 3.0, "dead_domain": 3.5, "timeout": 0.6, "refused": 1.0,
    "server_error": 1.2, "redirect_loop": 0.6, "bad_certificate": 1.5, "parked": 2.2, "not_html": 0.8, "huge": 0.4,
    "robots_disallow": 2.0, "private_address": 0.6,
}  # fmt: skip
HEALTHY_SHARE = 0.25  # of the sites have three defects or fewer
HOSTED = ".sites.example"  # a builder's own domain, to which some sites redirect
_NEEDS_TLS = {"redirect_https", "bad_certificate"}


@functools.lru_cache(maxsize=50_000)
def site_of(seed: int, business: Business) -> Site:
    """The site of a business that has a host; chains share one."""
    if business.host is None:
        raise LookupError(business.key)
    if business.chain:
        return chain_site(seed, business.host, business.chain, business.vertical)
    rng = random.Random(f"{seed}:site:{business.key}")
    behaviour = rng.choices(list(BEHAVIOURS), weights=list(BEHAVIOURS.values()))[0]
    count = rng.randrange(0, 4) if rng.random() < HEALTHY_SHARE else rng.randrange(5, 18)
    chosen = offers.defects_of(rng, DEFECTS, count, business.vertical)
    if behaviour in _NEEDS_TLS:
        chosen.discard("no_https")
    if behaviour == "robots_disallow":
        chosen.discard("no_robots_txt")
    if business.phone is None:
        chosen.add("no_phone_visible")
    if business.email is not None and business.email_shown == "json_ld":
        chosen.discard("no_json_ld")  # it is where the address is shown
    for first, second in EXCLUDES:
        if first in chosen:
            chosen.discard(second)
    weight = rng.randrange(180, 900) + (rng.randrange(2500, 7000) if "huge_images" in chosen else 0)
    platform, release = offers.platform_of(seed, business)
    has, language = offers.offers_of(seed, business), offers.language_of(seed, business)
    return Site(business.host, business.key, behaviour, frozenset(chosen), weight, platform, has, language, release)  # type: ignore[arg-type]


@functools.cache
def chain_site(seed: int, host: str, name: str, vertical: str) -> Site:
    """A chain's central site: well made, with two small faults."""
    small = random.Random(f"{seed}:chain:{host}").sample(("no_json_ld", "unused_scripts", "large_dom"), 2)
    has = frozenset(
        {"call_to_action", "privacy", "accessibility", "social", "canonical", "og_image", "consent", "booking"}
    )
    return Site(host, f"chain:{vertical}:{name}", "ok", frozenset(small), 640, "hand", has)


def chain_headquarters(site: Site) -> Business:
    """The business whose address a chain's central site shows: none of its branches'."""
    _, vertical, name = site.business_key.split(":", 2)
    return Business(
        key=site.business_key, name=name, vertical=vertical, yelp_categories=(), places_types=(),
        address=Address("1 Corporate Plaza", "Wilmington", "DE", "19801", 39.74, -75.55), phone="+13025550100", host=site.host,
        email=f"info@{site.host}", email_shown="mailto", chain=name, state="open", rating=None, review_count=0, price=None,
        employees=900, opened_on=dt.date(1998, 5, 1),
    )  # fmt: skip


def redirect_of(site: Site, host: str, scheme: str, path: str) -> str | None:
    """Where the site's server sends a visitor of ``scheme://host/path``; None when it answers itself."""
    if site.behaviour == "redirect_loop":
        hop = int(share(path) * 97)
        return f"{scheme}://{host}/hop-{hop}" if path != f"/hop-{hop}" else f"{scheme}://{host}/hop-{hop}a"
    if site.behaviour == "redirect_https" and scheme == "http":
        return f"https://{host}{path}"
    if site.behaviour == "redirect_other_host" and host == site.host:
        return f"{scheme}://{_other_host(site)}{path}"
    return None


def _other_host(site: Site) -> str:
    if share("redirect", site.host) < 0.5:
        return f"www.{site.host}"
    return site.host.removesuffix(".example") + HOSTED
