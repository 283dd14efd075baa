"""A real Chromium in front of the edge, which listens on a port of its own over the tests' database and the vendor sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from edge.app import create_app
from leadfactory.d04_enrichment.tables import enriched_businesses
from sandbox import process
from tests.edge.conftest import World, signers, world  # noqa: F401  (fixtures)
from tests.edge.shops import Shop
from tests.leads import TUESDAY
from tests.postgres import settings_for_tests

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NO_CHROMIUM = "Chromium is not installed"
SCREENSHOTS = Path(__file__).resolve().parents[2] / ".screenshots"
WIDTHS = (390, 1280)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if CHROMIUM is None and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


@dataclasses.dataclass
class Eyes:
    """One tab of the browser, which notes whatever it complains of."""

    page: Page
    base: str
    complaints: list[str]

    def open(self, path: str) -> int:
        answer = self.page.goto(path if path.startswith("http") else self.base + path)
        assert answer is not None
        return answer.status

    def judge(self, name: str) -> list[str]:
        """What is wrong with what it shows now; a screenshot is kept."""
        SCREENSHOTS.mkdir(exist_ok=True)
        width = self.page.viewport_size["width"] if self.page.viewport_size else 0
        self.page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)
        wrong = list(self.complaints)
        across = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if across > 0:
            wrong.append(f"scrolls {across} px to the side")
        found = Axe().run(self.page).response["violations"]
        wrong += [
            f"axe {each['id']}: {each['nodes'][0]['html'][:160]}: {each['nodes'][0].get('failureSummary', '')[:300]}"
            for each in found
        ]
        return wrong


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[process.SandboxProcess]:
    with process.start(clock=TUESDAY.isoformat()) as found:
        yield found


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def config(tmp_path, signers, sandbox, port):  # noqa: F811
    return settings_for_tests(
        tmp_path, LEADFACTORY_CLOCK=TUESDAY.isoformat(), LEADFACTORY_PUBLIC_URL=f"http://127.0.0.1:{port}",
        LEADFACTORY_SANDBOX_URL=sandbox.base_url, STRIPE_WEBHOOK_SECRET="whsec_new",
        SENDGRID_WEBHOOK_PUBLIC_KEY=",".join(each.public for each in signers),
    )  # fmt: skip


@contextlib.contextmanager
def serving(app: Any, port: int) -> Iterator[str]:
    """The edge's address while it listens."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def edge(world: World, config: Any, port: int) -> Iterator[str]:  # noqa: F811
    """The edge's address."""
    with serving(create_app(config, db=world.db), port) as address:
        yield address


@contextlib.contextmanager
def looking(chromium: Browser, base: str, width: int, **more: Any) -> Iterator[Eyes]:
    """A tab without JavaScript of the page's own; only the tests look into it."""
    context = chromium.new_context(viewport={"width": width, "height": 844}, **more)
    page = context.new_page()
    seen: list[str] = []
    # the browser itself notes every answer from 400 on; pages that must answer so are asserted by status
    page.on(
        "console",
        lambda said: seen.append(said.text) if said.type == "error" and "status of 4" not in said.text else None,
    )
    page.on("pageerror", lambda error: seen.append(str(error)))
    # The browser's own PDF reader is a page of an extension, which may be left before it has loaded.
    page.on(
        "requestfailed",
        lambda failed: None if failed.url.startswith("chrome-extension:") else seen.append(f"not loaded: {failed.url}"),
    )
    yield Eyes(page, base, seen)
    context.close()


@pytest.fixture(params=WIDTHS, ids=["phone", "desktop"])
def eyes(request: pytest.FixtureRequest, chromium: Browser, edge: str) -> Iterator[Eyes]:
    """A tab in front of the edge."""
    with looking(chromium, edge, request.param) as found:
        yield found


@pytest.fixture
def shop(world: World, sandbox: process.SandboxProcess) -> Iterator[Shop]:  # noqa: F811
    """Mailed leads in front of the sandbox's Stripe."""
    with httpx.Client(base_url=sandbox.base_url, timeout=10, verify=False) as vendor:
        vendor.post("/_admin/reset").raise_for_status()
        yield Shop(world, vendor)


@pytest.fixture
def letter(world: World) -> dict[str, str]:  # noqa: F811
    """The links of a letter to a business whose website was audited."""
    send_id, _ = world.send()
    with world.db.begin() as tx:
        tx.execute(
            sa.update(enriched_businesses).values(
                contact_email_how="mailto", own_phone="+12125550143", platform="wordpress"
            )
        )
    thread = threading.Thread(target=lambda: asyncio.run(world.through("audit")))  # this thread's loop is the browser's
    thread.start()
    thread.join()
    shop = Shop(world, httpx.Client(verify=False))
    mine = shop.token("recipient", send_id)
    return {
        "landing": f"/a/{shop.token('landing', send_id)}", "unsubscribe": world.link(send_id), "why": f"/why/{mine}",
        "not_mine": f"/not-my-site/{mine}", "preferences": f"/preferences/{mine}", "cancel": f"/cancel/{shop.token('landing', send_id)}",
    }  # fmt: skip
