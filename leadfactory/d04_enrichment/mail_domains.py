"""Whether a domain takes mail, as its DNS says: RFC 5321 §5.1 (MX, else its address) and RFC 7505 (null MX).

States: ``accepted`` (a mail server that has an address), ``weak`` (no MX, but an address), ``refused`` (it cannot take mail, with
the reason), ``unknown`` (nobody could say; asked again, never held against the address).
"""

from __future__ import annotations

import asyncio
import dataclasses

from leadfactory.d04_enrichment.policy import MailCheck


@dataclasses.dataclass(frozen=True)
class Checked:
    """What DNS says of a mail domain."""

    state: str
    reason: str


class Silent(Exception):
    """No name server gave an answer that counts."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """Whether a name exists, and its records of the kind that was asked for."""

    exists: bool
    records: tuple[object, ...]


class MailDomains:
    """Asks name servers, each domain once in its life."""

    def __init__(self, server: str, rules: MailCheck) -> None:
        """``server``: ``address:port``, or empty for the system's name servers."""
        self._server, self._rules = server, rules
        self._known: dict[str, Checked] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def check(self, email: str) -> Checked:
        """Whether the domain of a normalised address takes mail."""
        domain = email.rpartition("@")[2]
        async with self._locks.setdefault(domain, asyncio.Lock()):
            if domain not in self._known:
                self._known[domain] = await self._asked(domain)
            return self._known[domain]

    async def _asked(self, domain: str) -> Checked:
        try:
            return await self._judged(domain)
        except Silent:
            return Checked("unknown", "resolver_silent")

    async def _judged(self, domain: str) -> Checked:
        answer = await self.ask(domain, "MX")
        if not answer.exists:
            return Checked("refused", "no_such_domain")
        exchangers = sorted((record.preference, record.exchange.to_text()) for record in answer.records)  # type: ignore[attr-defined]
        if [name for _, name in exchangers] == ["."]:
            return Checked("refused", "null_mx")
        if not exchangers:
            return (
                Checked("weak", "no_mx_but_address")
                if await self._has_address(domain)
                else Checked("refused", "no_mail_server")
            )
        for _, name in exchangers[: self._rules.exchangers]:
            if name != "." and await self._has_address(name):
                return Checked("accepted", "mx")
        return Checked("refused", "mx_without_address")

    async def _has_address(self, name: str) -> bool:
        return bool((await self.ask(name, "A")).records or (await self.ask(name, "AAAA")).records)

    async def ask(self, name: str, kind: str) -> Answer:
        """One question, to the servers in turn.

        Raises:
            Silent: none of them answered, or each said that it cannot.
        """
        import dns.asyncquery
        import dns.exception
        import dns.message
        import dns.rcode
        import dns.rdatatype

        try:
            question = dns.message.make_query(name, kind, use_edns=0, payload=1232)
        except dns.exception.DNSException:
            return Answer(exists=False, records=())
        for where, port in self._servers() * self._rules.attempts:
            try:
                answer, _ = await dns.asyncquery.udp_with_fallback(
                    question, where, port=port, timeout=self._rules.timeout_s
                )
            except (dns.exception.DNSException, OSError, EOFError):
                continue
            if answer.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
                wanted = dns.rdatatype.from_text(kind)
                found = tuple(record for each in answer.answer if each.rdtype == wanted for record in each)
                return Answer(answer.rcode() == dns.rcode.NOERROR, found)
        raise Silent

    def _servers(self) -> list[tuple[str, int]]:
        if self._server:
            where, _, port = self._server.rpartition(":")
            return [(where.strip("[]"), int(port))]
        import dns.exception
        import dns.resolver

        try:
            return [(str(each), 53) for each in dns.resolver.Resolver().nameservers]
        except dns.exception.DNSException:  # no /etc/resolv.conf: nobody can say
            return []
