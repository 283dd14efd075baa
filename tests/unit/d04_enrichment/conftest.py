"""Pages of our own making."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from leadfactory.d00_gateway.website.client import SitePage

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


def site_page(html: str, url: str = "https://joes.example/", **given) -> SitePage:
    """A page as the fetcher hands it over."""
    return SitePage(
        **{
            "requested_url": url, "final_url": url, "status": 200, "headers": {}, "html": html, "byte_count": len(html), "elapsed_ms": 40,
            "redirects": (), "https": url.startswith("https"), "compressed": True, "fetched_at": NOW,
        } | given  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def page_of():
    return site_page


class Names:
    """A name server on a port of its own. ``said`` holds (name, type) → records; a name in ``codes`` answers with that code.

    A name of which nothing is said has an MX and an address.
    """

    def __init__(self) -> None:
        self.said: dict[tuple[str, str], list[str]] = {}
        self.codes: dict[str, dns.rcode.Rcode] = {}
        self.asked: list[tuple[str, str]] = []
        self.silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                data, sender = self._socket.recvfrom(4096)
            except OSError:
                return
            if not data:
                return
            if self.silent:
                continue
            self._socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), sender)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        answer, question = dns.message.make_response(query), query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.codes:
            answer.set_rcode(self.codes[name])
            return answer
        usual = {"MX": [f"10 mx.{name}."], "A": ["198.51.100.9"]}.get(kind, [])
        records = self.said.get((name, kind), usual)
        if records:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        return answer

    def close(self) -> None:
        host, _, port = self.address.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (host, int(port)))
        self._thread.join(timeout=5)
        self._socket.close()


@pytest.fixture
def names() -> Iterator[Names]:
    """A name server that knows every name."""
    server = Names()
    yield server
    server.close()
