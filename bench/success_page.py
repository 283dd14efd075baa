"""From Stripe's page back to the PDF: the seconds until a buyer's success page is there and the PDF behind its link is read.

Run: ``python -m bench.success_page [--buyers 20] [--at-the-till 10]``. A real edge process over an embedded server with its default durability, the
sandbox's Stripe, and no webhook: the page itself confirms the payment, makes the purchase, seals the report and tells its links. A buyer
spends some seconds on Stripe's page, few for somebody who types a card number; meanwhile the edge prints the report (``--at-the-till 0``
gives it no time). After each buyer the baseline renders the same report's HTML to PDF in this process and does nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from bench import results
from cli.processes import free_port
from leadfactory import migrate
from leadfactory.d06_reports.rendering import render_pdf
from leadfactory.database import Database
from leadfactory.embedded import ensure_running, stop
from leadfactory.settings import ROOT, Settings
from sandbox import process
from tests.edge.conftest import World
from tests.edge.shops import Shop
from tests.leads import TUESDAY, UNIT

GOAL_S = 3.0
LINK = re.compile(r"https?://[^\"\s]+(/r/[\w-]+(?:\.pdf)?)")


@contextlib.contextmanager
def edge(environment: Mapping[str, str]) -> Iterator[httpx.Client]:
    """A real edge process, asked as a browser asks it."""
    port = free_port(18_300)
    argv = [sys.executable, "-m", "edge", "--port", str(port)]
    with (
        subprocess.Popen(argv, cwd=ROOT, env=os.environ | environment) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        try:
            for _ in range(600):
                with contextlib.suppress(httpx.HTTPError):
                    if client.get("/health").status_code == 200:
                        break
                time.sleep(0.1)
            yield client
        finally:
            running.terminate()
            running.wait(30)


def waited(shop: Shop, session_id: str) -> tuple[float, float, float]:
    """Seconds from the redirect to the PDF's last byte, and those that its rendering alone takes here: by the wall, and of the processor."""
    began = time.perf_counter()
    page = shop.client.get("/success", params={"session_id": session_id})
    page.raise_for_status()
    html, pdf = sorted(set(LINK.findall(page.text)))
    read = shop.client.get(pdf)
    took = time.perf_counter() - began
    assert read.status_code == 200, read.text
    assert read.content.startswith(b"%PDF"), "the link leads to no PDF"
    told = shop.client.get(html).text
    began, spent = time.perf_counter(), time.process_time()
    render_pdf(told, TUESDAY.date())
    return took, time.perf_counter() - began, time.process_time() - spent


def bought(shop: Shop, number: int, at_the_till: float) -> str:
    """A buyer who goes to Stripe's page, stays there and pays."""
    url = shop.open(shop.letter(number))
    time.sleep(at_the_till)
    shop.pay(url)
    return url.rsplit("/", 1)[1]


def measure(buyers: int, at_the_till: float) -> list[tuple[float, float, float]]:
    """One buyer after the other."""
    with tempfile.TemporaryDirectory(prefix="lf-bench-") as folder, process.start(clock=TUESDAY.isoformat()) as vendors:
        home = Path(folder)
        environment = {
            "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": folder, "LEADFACTORY_CLOCK": TUESDAY.isoformat(),
            "LEADFACTORY_SANDBOX_URL": vendors.base_url, "STRIPE_WEBHOOK_SECRET": "whsec_new",
        }  # fmt: skip
        os.environ |= environment
        settings = Settings()
        migrate.upgrade(settings)
        db = Database(ensure_running(home).url("app"))
        try:
            with edge(environment) as client, httpx.Client(base_url=vendors.base_url, timeout=60) as vendor:
                vendor.post("/_admin/reset").raise_for_status()
                world = World(db, settings, UNIT)
                world.client = client  # type: ignore[assignment]
                world.campaign()
                shop = Shop(world, vendor)
                waited(shop, bought(shop, buyers, 0.0))  # imports and fonts, here and there
                return [waited(shop, bought(shop, number, at_the_till)) for number in range(buyers)]
        finally:
            db.dispose()
            stop(home)


def main() -> None:
    """Prints the p95 of the wait beside that of the bare rendering, and writes both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, default=20)
    parser.add_argument("--at-the-till", type=float, default=10.0, help="seconds that a buyer spends on Stripe's page")
    asked = parser.parse_args()
    found = measure(asked.buyers, asked.at_the_till)
    wait, bare, spent = (p95([each[side] for each in found]) for side in range(3))
    print(
        f"success page and PDF: p95 {wait:.2f} s (goal {GOAL_S:.0f}); the rendering alone: p95 {bare:.2f} s, "
        f"of which {spent:.2f} s of a processor"
    )
    results.write(
        "success_page",
        [
            {"name": f"{GOAL_S:.0f} s / p95 from Stripe to the PDF", "ratio": GOAL_S / wait, "goal": 1.0},
            {"name": "rendering alone / from Stripe to the PDF, p95", "ratio": bare / wait, "goal": None},
        ],
        buyers=found,
        at_the_till=asked.at_the_till,
    )


def p95(seconds: list[float]) -> float:
    """The wait that one in twenty exceeds."""
    return sorted(seconds)[max(0, -(-95 * len(seconds) // 100) - 1)]


if __name__ == "__main__":
    main()
