"""Our clients over a real gateway and Postgres against the real sandbox, started once for this suite."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from leadfactory.d00_gateway import tables
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.settings import Settings
from sandbox import process
from sandbox.world.seeded import SeededWorld

CLOCK = "2026-10-06T15:00:00+00:00"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[process.SandboxProcess]:
    """The vendors of this suite on a port of its own."""
    found = process.start(clock=CLOCK)
    yield found
    found.stop()


@pytest.fixture
def settings(sandbox) -> Settings:
    """What a development process with no vendor key sees, but for the port."""
    return Settings(
        env="test",
        sandbox_url=sandbox.base_url,
        website_ca_file=sandbox.ca_file,
        clock_spec=CLOCK,
        public_url="https://lf.example",
    )


@pytest.fixture
async def gateway(database, settings) -> AsyncIterator[Gateway]:
    """A gateway that runs for one test."""
    found = Gateway(database, clock=settings.clock, settings=settings)
    async with found.running():
        yield found


@pytest.fixture
def fault(sandbox) -> Iterator[Callable[..., None]]:
    """Switches a fault of the sandbox on until the end of the test."""

    def add(**fields: Any) -> None:
        httpx.post(f"{sandbox.base_url}/_admin/faults", json={"rate": 1.0, **fields}).raise_for_status()

    yield add
    httpx.delete(f"{sandbox.base_url}/_admin/faults").raise_for_status()


@pytest.fixture
def truth(sandbox) -> Callable[..., list[dict]]:
    """What a vendor really accepted, as its truth log says."""

    def read(vendor: str, **params: str) -> list[dict]:
        found: list[dict] = httpx.get(f"{sandbox.base_url}/_truth/{vendor}", params=params).raise_for_status().json()
        return found

    return read


@pytest.fixture
def ledger(database) -> Callable[[], list[sa.Row]]:
    """The ledger's rows, oldest first; read it after the gateway has closed, or after ``flush``."""

    def read() -> list[sa.Row]:
        with database.begin() as tx:
            return list(tx.execute(sa.select(tables.vendor_calls).order_by(tables.vendor_calls.c.started_at)))

    return read


@pytest.fixture(scope="session")
def hosts_that() -> Callable[..., list[str]]:
    """Hosts of the sandbox's world that speak HTTPS too, by how their server behaves."""
    world = SeededWorld("demo")
    found: dict[str, list[str]] = defaultdict(list)
    for code in ("10001", "10002", "10003", "60601", "60602", "90001", "77002", "94102"):
        for business in world.cohort(code, "restaurant"):
            site = world.site(business.host) if business.host and not business.chain else None
            if site is not None and "no_https" not in site.defects:
                found[site.behaviour].append(site.host)

    def read(behaviour: str) -> list[str]:
        return found[behaviour]

    return read
