"""From payment to the mail with the report, through webhook, daemon, sensor and run: quiet, and while a nightly run is active.

Run: ``python -m bench.report_mail [--buyers 10]``. The whole floor as `make dev` starts it, with the vendor sandbox. Buyers pay on the
sandbox's hosted page one after the other and never come back to the success page; the sandbox posts Stripe's events. A wait ends when
the sandbox's own truth has the mail. The quiet round is the baseline of the one beside a campaign-day's run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time

import httpx

from bench import results
from cli import stack
from cli.dagster_api import FINAL, DagsterApi
from cli.processes import free_port
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory.settings import settings
from tests.edge.conftest import World
from tests.edge.shops import Shop
from tests.leads import TUESDAY, UNIT

GOAL_S, APART_S, PATIENCE_S = 60.0, 5.0, 600.0
PORTS = 18_500  # not those of a `make dev` that runs beside
NIGHT = CampaignDay("bench-night", TUESDAY.date())


def seed_night(db: Database) -> None:
    """A campaign whose campaign-day has work for minutes."""
    with db.begin() as tx:
        places = [campaigns.PlaceSpec("zip", code) for code in ("10001", "60601", "60602")]
        campaigns.seed(tx, vertical="restaurant", places=places, quota=400, name=NIGHT.campaign, now=TUESDAY)
        campaigns.configure(
            tx, NIGHT.campaign, consent_basis="simulated", sender_email="bo@mail.leadfactory.example", sender_name="Bo Li",
            postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=50_000, top_share=1.0,
        )  # fmt: skip
        campaigns.launch(tx, NIGHT.campaign, TUESDAY)


def waits(shop: Shop, numbers: range) -> list[float]:
    """Buyers pay some seconds apart; seconds from each payment until the mailer has the mail."""
    paid: dict[str, float] = {}
    arrived: dict[str, float] = {}
    pages = {f"owner{number}@joes.example": shop.open(shop.letter(number)) for number in numbers}
    until, due = time.monotonic() + PATIENCE_S, time.monotonic()
    while len(arrived) < len(pages):
        if time.monotonic() > until:
            raise TimeoutError(
                f"{len(pages) - len(arrived)} of {len(pages)} mails did not leave within {PATIENCE_S:.0f} s"
            )
        if len(paid) < len(pages) and time.monotonic() >= due:
            email = list(pages)[len(paid)]
            shop.pay(pages[email], email=email)
            paid[email] = time.monotonic()
            due = time.monotonic() + APART_S
        told = str(shop.mails())
        arrived |= {email: time.monotonic() for email in paid if email not in arrived and email in told}
        time.sleep(0.25)
    return [arrived[email] - paid[email] for email in pages]


def measure(buyers: int) -> tuple[list[float], list[float], bool]:
    """Waits of the quiet round and of the one beside a night, and whether the night outlasted it."""
    with tempfile.TemporaryDirectory(prefix="lf-bench-") as home:
        os.environ |= {"LEADFACTORY_HOME": home, "LEADFACTORY_ENV": "test", "LEADFACTORY_CLOCK": TUESDAY.isoformat()}
        os.environ["LEADFACTORY_SANDBOX_URL"] = f"http://127.0.0.1:{free_port(PORTS)}"
        stack.EDGE_PORT, stack.WEB_PORT = free_port(PORTS + 100), PORTS + 200
        os.environ["LEADFACTORY_PUBLIC_URL"] = f"http://127.0.0.1:{stack.EDGE_PORT}"
        settings.cache_clear()
        with stack.factory(lambda line: print(line, file=sys.stderr), any_port=True, facing_the_world=True) as api:
            config = settings()
            db = Database.from_settings(config)
            try:
                return _rounds(api, db, buyers)
            finally:
                db.dispose()


def _rounds(api: DagsterApi, db: Database, buyers: int) -> tuple[list[float], list[float], bool]:
    config = settings()
    with (
        httpx.Client(base_url=config.public_url, timeout=60) as client,
        httpx.Client(base_url=config.sandbox_url, timeout=60) as vendor,
    ):
        world = World(db, config, UNIT)
        world.client = client  # type: ignore[assignment]
        world.campaign()
        seed_night(db)
        for unit in (UNIT, NIGHT):
            api.register_campaign(unit.campaign)
        shop = Shop(world, vendor)
        waits(shop, range(1))  # imports of a first run
        quiet = waits(shop, range(1, 1 + buyers))
        night = api.launch("campaign_day", unit=NIGHT)
        while api.run(night).status != "STARTED":
            time.sleep(0.5)
        beside = waits(shop, range(1 + buyers, 1 + 2 * buyers))
        return quiet, beside, api.run(night).status not in FINAL


def main() -> None:
    """Prints the p95 of both rounds and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, default=10)
    quiet, beside, outlasted = measure(parser.parse_args().buyers)
    calm, busy = p95(quiet), p95(beside)
    over = "" if outlasted else " (the night ended before the last mail)"
    print(f"payment to mail: p95 {busy:.0f} s beside a nightly run{over}, {calm:.0f} s without; goal {GOAL_S:.0f}")
    results.write(
        "report_mail",
        [
            {"name": f"{GOAL_S:.0f} s / p95 from payment to mail beside a night", "ratio": GOAL_S / busy, "goal": 1.0},
            {"name": "the same without a night / beside one, p95", "ratio": calm / busy, "goal": None},
        ],
        quiet=quiet, beside=beside, night_outlasted=outlasted,
    )  # fmt: skip


def p95(seconds: list[float]) -> float:
    """The wait that one in twenty exceeds."""
    return sorted(seconds)[max(0, -(-95 * len(seconds) // 100) - 1)]


if __name__ == "__main__":
    main()
