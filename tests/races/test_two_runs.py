"""Two runs of one campaign-day at once: one works, the other waits for it, and nothing is bought or sent twice."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory.settings import ROOT
from sandbox.process import SandboxProcess, start

CLOCK = "2026-10-06T15:00:00+00:00"
UNIT = CampaignDay.from_key("restaurant-nyc|2026-10-06")
# A stage that waits for its turn, as a run of Dagster does.
PATIENT = """
import sys
from leadfactory import locks, stage
stage.campaign_day_lock = lambda *given: locks.campaign_day_lock(*given, wait_s=60)
sys.exit(stage.main(sys.argv[1:]))
"""
Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with start(clock=CLOCK) as process:
        yield process


@pytest.fixture
def campaign(database: Database, sandbox: SandboxProcess) -> None:
    """A launched campaign of six leads."""
    now = dt.datetime.fromisoformat(CLOCK)
    with database.begin() as tx:
        campaigns.seed(
            tx,
            vertical="restaurant",
            places=[campaigns.PlaceSpec("zip", "10001")],
            quota=6,
            name=UNIT.campaign,
            now=now,
        )
        campaigns.configure(
            tx, UNIT.campaign, consent_basis="simulated", sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz",
            postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=5_000, top_share=1.0,
        )  # fmt: skip
        campaigns.launch(tx, UNIT.campaign, now)


@pytest.fixture
def run(url: str, sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Run]:
    """Starts a stage in a process of its own."""
    env = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    env |= {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(tmp_path / "home"), "LEADFACTORY_CLOCK": CLOCK,
        "LEADFACTORY_SANDBOX_URL": sandbox.base_url, "WEBSITE_CA_FILE": str(sandbox.ca_file),
        "LEADFACTORY_DATABASE_URL": url.replace("+psycopg", ""),
    }  # fmt: skip
    started: list[subprocess.Popen[str]] = []

    def begin(stage: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PATIENT, stage, UNIT.key],
            cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def reports(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in said.splitlines()]


def asked(sandbox: SandboxProcess) -> dict[str, int]:
    return dict(httpx.get(f"{sandbox.base_url}/_truth/_requests").json())


@pytest.mark.usefixtures("campaign")
def test_two_runs_at_once_buy_every_answer_once_and_mail_everybody_once(
    run: Run, database: Database, sandbox: SandboxProcess
) -> None:
    both = [run("night"), run("night")]
    stages = [(one["calls"], other["calls"]) for one, other in zip(*(reports(each) for each in both), strict=True)]
    assert sum(max(calls) for calls in stages) > 20
    assert [min(calls) for calls in stages] == [0] * len(stages)  # whoever holds a stage does all of it
    before = asked(sandbox)
    letters = [run("sending"), run("sending")]
    for each in letters:
        reports(each)
    with database.begin() as tx:
        sends = dict(tx.execute(sa.text("SELECT state, count(*) FROM email_sends GROUP BY 1")).all())
        repeated = tx.scalar(sa.text(
            "SELECT count(*) FROM (SELECT 1 FROM vendor_calls WHERE status = 'ok' AND NOT cache_hit AND business_id IS NOT NULL "
            "AND vendor <> 'website' "
            "GROUP BY vendor, endpoint, business_id, request_hash HAVING count(*) > 1) twice"
        ))  # fmt: skip
        # D4 reads a page for its words and D3 measures it: each of the two rooms visits a page once, and that costs nothing.
        visits = tx.execute(sa.text(
            "SELECT asset, sum(cost_microusd)::int AS cost, count(*) - count(DISTINCT (business_id, request_hash)) AS repeated "
            "FROM vendor_calls WHERE vendor = 'website' AND status = 'ok' AND NOT cache_hit GROUP BY asset"
        )).all()  # fmt: skip
    assert repeated == 0
    assert {row.asset for row in visits} == {"enriched_businesses", "site_audits"}
    assert {(row.cost, row.repeated) for row in visits} == {(0, 0)}
    assert set(sends) <= {"accepted", "planned", "refused"}
    mailed = sum(asked(sandbox).values()) - sum(before.values())
    assert sends["accepted"] == mailed > 0
