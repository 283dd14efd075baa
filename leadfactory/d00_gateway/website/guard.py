"""Which URLs and addresses our fetcher may touch. Pure judgement, the same in every environment; no I/O.

A business's website is untrusted input: it may name, redirect to or resolve to the inside of our own network.
"""

from __future__ import annotations

import ipaddress
import re

import httpx

from leadfactory.d00_gateway.errors import VendorRejected

PORTS = {"http": 80, "https": 443}
SANDBOX_NETWORK = ipaddress.ip_network("198.51.100.0/24")  # TEST-NET-2: the sandbox's DNS answers from it
_NAME = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])")
_NUMERIC_LABEL = re.compile(r"(?:0x[0-9a-f]*|\d+)")
_INSIDE = (".local", ".internal", ".localhost", ".localdomain", ".home.arpa", ".onion")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def judge_url(url: httpx.URL) -> str:
    """The host name of a URL that may be fetched, in lower case and without a final dot.

    Raises:
        VendorRejected: ``blocked_address`` with what is wrong: scheme, credentials, port, or an address for a name.
    """
    if url.scheme not in PORTS:
        raise _blocked(f"scheme {url.scheme[:20]!r}: only http and https are fetched")
    if url.userinfo:
        raise _blocked("credentials in the URL")
    if url.port not in (None, PORTS[url.scheme]):
        raise _blocked(f"port {url.port}: only 80 and 443 are fetched")
    host = url.raw_host.decode("ascii", "replace").removesuffix(".").lower()
    if _is_literal(host) or all(_NUMERIC_LABEL.fullmatch(label) for label in host.split(".")):
        raise _blocked("an IP address instead of a name")
    if not _NAME.fullmatch(host) or host.endswith(_INSIDE):
        raise _blocked("not a public host name")
    return host


def judge_addresses(host: str, addresses: list[str], *, allow_sandbox: bool) -> list[str]:
    """The addresses to connect to, in the resolver's order, when every address of the name is public.

    Args:
        host: for the error only.
        addresses: what the name resolves to; at least one.
        allow_sandbox: whether 198.51.100.0/24 counts as public; never in production.

    Raises:
        VendorRejected: ``blocked_address`` when any is not: one private address among public ones is an attack, not an
            accident.
    """
    if not addresses:
        raise _blocked(f"{host} resolves to no address")
    for text in addresses:
        address = _unmapped(ipaddress.ip_address(text))
        if not (is_public(address) or (allow_sandbox and address in SANDBOX_NETWORK)):
            raise _blocked(f"{host} resolves to an address that is not public")
    return addresses


def is_public(address: Address) -> bool:
    """Whether ``address`` is on the open internet: neither private, shared, reserved, multicast nor site-local."""
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def is_sandbox(address: str) -> bool:
    """Whether ``address`` is one that the sandbox's DNS gives."""
    return ipaddress.ip_address(address) in SANDBOX_NETWORK


def _unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 form of it (mapped, 6to4, Teredo, NAT64) leads to."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
    return address


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _blocked(detail: str) -> VendorRejected:
    return VendorRejected("website", "page", "blocked_address", detail=detail)
