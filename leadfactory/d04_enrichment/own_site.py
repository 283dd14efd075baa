"""Whose website a URL is: the registrable domain of a host, and whether it is a business's own site at all."""

from __future__ import annotations

import functools
from urllib.parse import urlsplit

import tldextract

# Profiles, directories, ordering and booking services: pages about a business on somebody else's website. As of 2026-11-23.
OTHERS = frozenset({
    "angi.com", "bing.com", "booking.com", "booksy.com", "doordash.com", "expedia.com", "facebook.com", "fb.com", "foursquare.com",
    "goo.gl", "google.com", "groupon.com", "grubhub.com", "healthgrades.com", "instagram.com", "justia.com", "linkedin.com",
    "linktr.ee", "mapquest.com", "nextdoor.com", "opentable.com", "pinterest.com", "realtor.com", "resy.com", "seamless.com",
    "thumbtack.com", "tiktok.com", "toasttab.com", "tripadvisor.com", "twitter.com", "ubereats.com", "vagaro.com", "vitals.com",
    "wa.me", "x.com", "yellowpages.com", "yelp.com", "youtube.com", "zillow.com", "zocdoc.com",
})  # fmt: skip
_OWN_AFTER_ALL = frozenset({"sites.google.com"})  # a builder on a portal's domain

# The list inside the package; nothing is fetched. Private suffixes count, so that two customers of a website builder are two
# domains. ``example`` is reserved by RFC 2606 and is on no list.
_SUFFIXES = tldextract.TLDExtract(
    suffix_list_urls=(), extra_suffixes=("example",), include_psl_private_domains=True, cache_dir=None
)


@functools.lru_cache(maxsize=20_000)
def registrable_domain(host: str) -> str:
    """The part of a host name that one customer registered: ``www.joes.co.uk`` → ``joes.co.uk``, ``a.wixsite.com`` itself."""
    name = host.strip().lower().rstrip(".")
    return _SUFFIXES(name).top_domain_under_public_suffix or name


def host_of(url: str) -> str:
    """The host of a URL in lower case without port; empty when there is none."""
    try:
        return (urlsplit(url if "//" in url else f"//{url}").hostname or "").lower()
    except ValueError:
        return ""


def is_own(url: str) -> bool:
    """Whether a URL can be a business's own website, rather than its page on a network, a directory or a booking service."""
    host = host_of(url)
    return bool(host) and (host in _OWN_AFTER_ALL or registrable_domain(host) not in OTHERS)
