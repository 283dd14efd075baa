"""The sandbox's DNS: every living site has an address in 198.51.100.0/24 (TEST-NET-2); dead names do not exist.

Mail: most sites' domains have an MX, ``mail.`` of their own host; a few have none and take mail at their address, and a few
publish a null MX (RFC 7505). The large mailbox providers have one too, and nothing else. Option ``dns_servfail``: answers no
question about mail. Text records: those of the senders that the sandbox's mails come from (SENDERS), and of option ``dns_txt``, a map
from name to texts.
"""

from __future__ import annotations

import asyncio
import hashlib

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.state import Sandbox
from sandbox.world.draws import share

PRIVATE = ("10.0.0.5", "127.0.0.1", "169.254.169.254")  # what a hostile name resolves to
TTL_S = 60
NULL_MX_SHARE, NO_MX_SHARE = 0.03, 0.06
_KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + "sandbox" * 46 + "IDAQAB"  # of the length of a key of 2048 bits
SENDERS = {
    "mail.leadfactory.example": ["v=spf1 include:sendgrid.net -all"],
    "sendgrid.net": ["v=spf1 ip4:198.51.100.0/24 -all"],
    "s1._domainkey.mail.leadfactory.example": [f"v=DKIM1; k=rsa; p={_KEY}"],
    "s2._domainkey.mail.leadfactory.example": [f"v=DKIM1; k=rsa; p={_KEY}"],
    "_dmarc.leadfactory.example": ["v=DMARC1; p=quarantine; rua=mailto:dmarc@leadfactory.example"],
}
PROVIDERS = frozenset({"gmail.com", "yahoo.com", "outlook.com", "hotmail.com", "aol.com", "icloud.com"})


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
        if question is not None and question.rdtype == dns.rdatatype.MX:
            self._mail(question.name, answer)
            if self._transport is not None:
                self._transport.sendto(answer.to_wire(), addr)
            return
        if question is not None and question.rdtype == dns.rdatatype.TXT:
            self._texts(question.name, answer)
            if self._transport is not None:
                self._transport.sendto(answer.to_wire(), addr)
            return
        address = self.address_of(question.name.to_text(omit_final_dot=True)) if question is not None else None
        if address is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif question is not None and question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", "A", address))
        if self._transport is not None:
            self._transport.sendto(answer.to_wire(), addr)

    def _mail(self, name: dns.name.Name, answer: dns.message.Message) -> None:
        """Fills the answer to a question about mail."""
        host = name.to_text(omit_final_dot=True).lower()
        if self._sandbox.options.get("dns_servfail"):
            answer.set_rcode(dns.rcode.SERVFAIL)
            return
        if host not in PROVIDERS and self.address_of(host) is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return
        exchanger = self.exchanger_of(host)
        if exchanger is not None:
            answer.answer.append(dns.rrset.from_text(name, TTL_S, "IN", "MX", exchanger))

    def _texts(self, name: dns.name.Name, answer: dns.message.Message) -> None:
        """Fills the answer to a question for text records."""
        host = name.to_text(omit_final_dot=True).lower()
        if self._sandbox.options.get("dns_servfail"):
            answer.set_rcode(dns.rcode.SERVFAIL)
            return
        found = {**SENDERS, **(self._sandbox.options.get("dns_txt") or {})}.get(host, [])
        if not found:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        for text in found:
            parts = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))  # a string holds 255 bytes
            answer.answer.append(dns.rrset.from_text(name, TTL_S, "IN", "TXT", parts))

    def exchanger_of(self, host: str) -> str | None:
        """Preference and mail server of a domain that exists: ``0 .`` for one that takes no mail, None where none is named."""
        if host in PROVIDERS:
            return f"10 mx.{host}."
        fate = share("mail", host.removeprefix("www."))
        if fate < NULL_MX_SHARE:
            return "0 ."
        return None if fate < NULL_MX_SHARE + NO_MX_SHARE else f"10 mail.{host}."

    def address_of(self, name: str) -> str | None:
        """The address of a host name; None when nobody has it."""
        if name.lower().removeprefix("mx.") in PROVIDERS:
            return "198.51.100.25" if name.lower().startswith("mx.") else None
        name = name.lower().removeprefix("mail.")
        site = self._sandbox.world.site(name)
        if site is None or site.behaviour == "dead_domain":
            return None
        number = hashlib.sha256(site.host.encode()).digest()[0]
        if site.behaviour == "private_address":
            return PRIVATE[number % len(PRIVATE)]
        return f"198.51.100.{1 + number % 254}"
