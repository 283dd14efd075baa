"""The sandbox's DNS: every living site has an address in 198.51.100.0/24 (TEST-NET-2); dead names do not exist."""

from __future__ import annotations

import asyncio
import hashlib

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.state import Sandbox

PRIVATE = ("10.0.0.5", "127.0.0.1", "169.254.169.254")  # what a hostile name resolves to
TTL_S = 60


class DnsProtocol(asyncio.DatagramProtocol):
    """Answers A queries from the world."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the socket to answer on."""
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One query, one answer; what cannot be parsed gets none."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0] if query.question else None
        address = self.address_of(question.name.to_text(omit_final_dot=True)) if question is not None else None
        if address is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif question is not None and question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", "A", address))
        if self._transport is not None:
            self._transport.sendto(answer.to_wire(), addr)

    def address_of(self, name: str) -> str | None:
        """The address of a host name; None when nobody has it."""
        site = self._sandbox.world.site(name)
        if site is None or site.behaviour == "dead_domain":
            return None
        number = hashlib.sha256(site.host.encode()).digest()[0]
        if site.behaviour == "private_address":
            return PRIVATE[number % len(PRIVATE)]
        return f"198.51.100.{1 + number % 254}"
