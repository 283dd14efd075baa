"""A DNS server and a website of the test's own; names and connections never leave this machine."""

from __future__ import annotations

import asyncio
import dataclasses

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.settings import Settings
from tests.unit.d00_gateway.website.asking import HERE, HTML


@dataclasses.dataclass
class Names(asyncio.DatagramProtocol):
    """A DNS server: each name's answers in order, the last one for ever. An unknown name does not exist."""

    answers: dict[str, list[list[str]]] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)
    address: str = ""

    def connection_made(self, transport):
        self.transport = transport
        self.address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"

    def datagram_received(self, data, addr):
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.asked.append(name)
        answer = dns.message.make_response(query)
        if name not in self.answers:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            left = self.answers[name]
            found = left.pop(0) if len(left) > 1 else left[0]
            if found == ["servfail"]:
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif found:
                answer.answer.append(dns.rrset.from_text_list(query.question[0].name, 0, "IN", "A", found))
        self.transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def names():
    transport, found = await asyncio.get_running_loop().create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    found.answers["joes.example"] = [[HERE]]
    yield found
    transport.close()


@pytest.fixture
def pages(vendor):
    """What the test's server says by path; robots.txt is absent until a test writes one."""
    found = {"/robots.txt": (404, {}, b"")}

    def answer(request):
        path = request.split(b" ", 2)[1].decode()
        return found.get(path, (404, HTML, b"nothing here"))

    vendor.answers = [answer]
    return found


@pytest.fixture
def site(gateway_of, names, vendor, pages):
    """Makes a client whose names and connections end in this test."""

    def make(limits=None, env="test"):
        settings = Settings(
            env="test", website_resolver=names.address, website_gateway=vendor.base_url.removeprefix("http://"),
            public_url="https://lf.example",
        )  # fmt: skip
        settings = settings.model_copy(update={"env": env})
        gateway = gateway_of("website", json_answers=False, caches=False, timeout_s=20)
        return WebsiteClient(gateway, settings, limits)

    return make
