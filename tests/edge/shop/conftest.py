"""A shop for every test, over one sandbox for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sandbox import process
from tests.edge.shops import Shop
from tests.leads import TUESDAY
from tests.postgres import settings_for_tests


@pytest.fixture(scope="session")
def sandbox() -> Iterator[process.SandboxProcess]:
    with process.start(clock=TUESDAY.isoformat()) as found:
        yield found


@pytest.fixture
def config(tmp_path, signers, sandbox):
    return settings_for_tests(
        tmp_path, LEADFACTORY_CLOCK=TUESDAY.isoformat(), STRIPE_WEBHOOK_SECRET="whsec_new", LEADFACTORY_SANDBOX_URL=sandbox.base_url,
        SENDGRID_WEBHOOK_PUBLIC_KEY=",".join(each.public for each in signers), LEADFACTORY_PUBLIC_URL="https://lf.example",
    )  # fmt: skip


@pytest.fixture
def shop(world, sandbox) -> Iterator[Shop]:
    # plain HTTP: reading the authorities for it would take 50 ms a test
    with httpx.Client(base_url=sandbox.base_url, timeout=10, verify=False) as vendor:
        vendor.post("/_admin/reset").raise_for_status()
        yield Shop(world, vendor)
