"""Names to addresses: the system's resolver, or the one that WEBSITE_RESOLVER names (the sandbox's DNS)."""

from __future__ import annotations

import asyncio
import socket

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable

TIMEOUT_S = 4.0
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


async def resolve(host: str, server: str) -> list[str]:
    """All addresses of ``host``, at least one, in the order in which they should be tried.

    Args:
        host: an ASCII host name.
        server: ``address:port`` of a DNS server, or empty for the system's resolver.

    Raises:
        VendorRejected: ``dns_failure`` when the name does not exist, has no address or is no name.
        VendorUnavailable: ``dns_unavailable`` when nobody could say.
    """
    return await (_ask(host, server) if server else _system(host))


async def _system(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)  # in a thread of the loop's
    except socket.gaierror as error:
        raise _failure(missing=error.errno in _NO_SUCH_NAME) from None
    except UnicodeError:  # a label that is empty or too long
        raise _failure(missing=True) from None
    except TimeoutError:
        raise _failure(missing=False) from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not addresses:
        raise _failure(missing=True)
    return addresses


async def _ask(host: str, server: str) -> list[str]:
    import dns.asyncquery
    import dns.exception
    import dns.message
    import dns.name
    import dns.rcode
    import dns.rdatatype

    where, _, port = server.rpartition(":")
    try:
        question = dns.message.make_query(host, dns.rdatatype.A)
    except dns.exception.DNSException:
        raise _failure(missing=True) from None
    try:
        answer = await dns.asyncquery.udp(question, where, port=int(port), timeout=TIMEOUT_S)
    except (dns.exception.DNSException, OSError):
        raise _failure(missing=False) from None
    found = [record.address for rrset in answer.answer if rrset.rdtype == dns.rdatatype.A for record in rrset]
    if not found:
        raise _failure(missing=answer.rcode() in {dns.rcode.NXDOMAIN, dns.rcode.NOERROR})
    return found


def _failure(*, missing: bool) -> VendorError:
    if missing:
        return VendorRejected("website", "dns", "dns_failure", detail="the name has no address")
    return VendorUnavailable("website", "dns", "dns_unavailable", detail="no answer from DNS", left_the_house=False)
