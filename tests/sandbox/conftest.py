"""One sandbox process for the whole suite, and clients that reach its vendors, its websites and its DNS."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import dns.message
import dns.query
import httpx
import pytest

from sandbox import process
from sandbox.model import Site
from sandbox.world.seeded import SeededWorld

CLOCK = "2026-10-06T15:00:00+00:00"


@pytest.fixture(scope="session")
def running() -> Iterator[process.SandboxProcess]:
    """A sandbox of its own on a free port, under a fixed clock."""
    with process.start(clock=CLOCK) as found:
        yield found


@pytest.fixture(scope="session")
def world() -> SeededWorld:
    """The world that the running sandbox has: the same seed gives the same one."""
    return SeededWorld("demo")


@pytest.fixture(scope="session")
def site_like(world: SeededWorld) -> Callable[..., Site]:
    """A site with these defects, without those, and with this behaviour, from the world."""

    def find(*defects: str, without: tuple[str, ...] = (), behaviour: str = "ok") -> Site:
        for code in ("10001", "10002", "60601", "60602"):
            for vertical in ("restaurant", "dental", "beauty"):
                for business in world.within(code, vertical):
                    site = world.site(business.host) if business.host and not business.chain else None
                    fits = site is not None and site.behaviour == behaviour and site.defects >= set(defects)
                    if site is not None and fits and not site.defects & set(without):
                        return site
        raise AssertionError(f"no site with {defects}, without {without}, {behaviour}: enlarge the places searched")

    return find


@pytest.fixture
def browse(running: process.SandboxProcess) -> Iterator[Callable[..., httpx.Response]]:
    """GETs a URL of the sandbox's web, as a browser would whose names all lead to the sandbox."""
    context = ssl.create_default_context(cafile=str(running.ca_file))
    with httpx.Client(verify=context, timeout=5) as client:

        def get(url: str, **headers: str) -> httpx.Response:
            asked = httpx.URL(url)
            host = asked.raw_host.decode()
            there = asked.copy_with(host="127.0.0.1", port=running.port)
            extensions = {"sni_hostname": host}
            return client.get(there, headers={"host": host, **headers}, extensions=extensions)

        yield get


@pytest.fixture
def resolve(running: process.SandboxProcess) -> Callable[..., dns.message.Message]:
    """Asks the sandbox's DNS."""

    def ask(name: str, kind: str = "A") -> dns.message.Message:
        return dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", timeout=5, port=running.port)

    return ask


@pytest.fixture
def api(running: process.SandboxProcess) -> Iterator[httpx.Client]:
    """The vendors and the sandbox's own endpoints; faults are off again afterwards."""
    with httpx.Client(base_url=running.base_url, timeout=10) as client:
        yield client
        client.delete("/_admin/faults").raise_for_status()
