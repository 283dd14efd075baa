"""An unsubscribe at one process, the claim loop in another: both are told by the machine's one monotonic clock."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from cli.processes import free_port
from leadfactory.d09_delivery import claiming, planning
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.sending import send_due
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.settings import ROOT, Settings
from tests.leads import CLOCK, TUESDAY, UNIT, FakeSendGrid

LEADS = 40


@pytest.fixture
def surroundings(world, tmp_path: Path) -> dict[str, str]:
    """What both processes are told: the tests' database, the factory's clock."""
    return os.environ | {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(tmp_path), "LEADFACTORY_CLOCK": TUESDAY.isoformat(),
        "LEADFACTORY_DATABASE_URL": world.db.url.render_as_string(hide_password=False),
    }  # fmt: skip


@pytest.fixture
def edge(surroundings) -> Iterator[httpx.Client]:
    """`python -m edge`, asked over HTTP."""
    port = free_port(18_200)
    argv = [sys.executable, "-m", "edge", "--port", str(port)]
    with (
        subprocess.Popen(argv, cwd=ROOT, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):  # fmt: skip
        try:
            wait(lambda: running.poll() is not None or healthy(client))
            assert running.poll() is None, "the edge did not start"
            yield client
        finally:
            running.terminate()
            running.wait(20)


def test_no_claim_in_another_process_that_begins_after_the_edges_answer_contains_the_address(world, edge, surroundings):
    for number in range(LEADS):
        world.business(number, contact_email_url=f"https://shop{number}.example/")
    asyncio.run(world.through("draft"))
    with world.db.begin() as tx:
        planning.plan_sends(tx, UNIT, CLOCK.now(), world.hashes)
    planned = list(reversed(world.rows(sa.select(email_sends.c.send_id).order_by(email_sends.c.send_id))))
    assert len(planned) > LEADS // 2
    argv = [sys.executable, "-m", "tests.edge.test_claims_elsewhere"]
    with subprocess.Popen(argv, cwd=ROOT, env=surroundings, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        first = json.loads(sender.stdout.readline())  # it claims and sends from here on
        answered: dict[uuid.UUID, int] = {}
        for row in planned:
            assert edge.post(world.link(row.send_id)).status_code == 200
            answered[row.send_id] = time.monotonic_ns()
        claims = [first, *(json.loads(line) for line in sender.stdout)]
        assert sender.wait(60) == 0
    begun = {uuid.UUID(send_id): claim["began"] for claim in claims for send_id in claim["sends"]}
    assert [send_id for send_id, began in begun.items() if began > answered[send_id]] == []
    states = {row.send_id: row.state for row in world.all(email_sends)}
    assert {send_id for send_id, state in states.items() if state == "accepted"} == set(begun)
    assert set(states.values()) == {"accepted", "refused"}, "both sides won some: the race was run"


def healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def wait(ready, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def send() -> None:
    """The claim loop of a process of its own: two letters a claim, each claim told with the moment before its transaction began."""
    settings = Settings()
    db = Database.from_settings(settings)
    vars(policy()).update({"claim_batch": 2})
    real = claiming.claim

    def watched(tx, *arguments, **options):
        began = time.monotonic_ns()  # no later than its first statement, so before what it reads
        taken = real(tx, *arguments, **options)
        if taken.letters:
            print(json.dumps({"began": began, "sends": [str(each.send_id) for each in taken.letters]}), flush=True)
        return taken

    claiming.claim = watched

    def answer(mail):
        time.sleep(0.02)
        return "id"

    mailer = FakeSendGrid(settings, answer)
    asyncio.run(send_due(UNIT, db=db, clock=settings.clock, settings=settings, mailer=mailer, dry_run=False))
    db.dispose()


if __name__ == "__main__":
    send()
