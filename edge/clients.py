"""Who is at the other end: the peer, or behind a proxy of ours whom that proxy names. Nobody else's word is taken."""

from __future__ import annotations

import functools
import ipaddress

from starlette.requests import HTTPConnection

FORWARDED = "x-forwarded-for"
_PROXY_MARKS = (FORWARDED, "forwarded", "x-real-ip", "via")


@functools.lru_cache(maxsize=8)
def networks(listed: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """The networks of LEADFACTORY_TRUSTED_PROXIES.

    Raises:
        ValueError: names the variable and the part that is no network.
    """
    found = []
    for part in filter(None, (each.strip() for each in listed.split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError:
            raise ValueError(
                f"LEADFACTORY_TRUSTED_PROXIES names {part!r}, which is no network: write 10.0.0.5 or 172.18.0.0/16"
            ) from None
    return tuple(found)


def address(request: HTTPConnection, trusted: str) -> str:
    """The client's network address. Of a chain of proxies the last address that is not trusted counts: what stands left of it
    anybody can have written."""
    peer = request.client.host if request.client else ""
    if not _within(peer, trusted):
        return peer
    chain = [part.strip() for line in request.headers.getlist(FORWARDED) for part in line.split(",")]
    for hop in reversed(chain):
        if not _within(hop, trusted):
            return hop if _address(hop) else peer
    return peer


def is_this_machine(request: HTTPConnection) -> bool:
    """Whether the request comes straight from this machine: a loopback peer, and no sign of a proxy between."""
    found = _address(request.client.host) if request.client else None
    return found is not None and found.is_loopback and not any(mark in request.headers for mark in _PROXY_MARKS)


def _within(text: str, trusted: str) -> bool:
    found = _address(text)
    return found is not None and any(found in network for network in networks(trusted))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
