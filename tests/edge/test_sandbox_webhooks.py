"""The sandbox's SendGrid mails and posts its signed events, twice and shuffled, to an edge process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from cli.processes import free_port
from leadfactory.d00_gateway.sendgrid import Mail, message
from leadfactory.d09_delivery import folding
from leadfactory.d09_delivery.tables import email_events, email_sends, send_outcomes, suppressions
from leadfactory.inbox.tables import webhook_inbox, webhook_refusals
from leadfactory.settings import ROOT
from sandbox import process
from tests.leads import CLOCK, TUESDAY

KEY = {"Authorization": "Bearer SG.sandbox-sendgrid-key"}
SIGNED = "/sendgrid/v3/user/webhooks/event/settings/signed/sandbox-event-webhook"
SENDS = 60


@pytest.fixture(scope="module")
def vendor() -> Iterator[httpx.Client]:
    with process.start(clock=TUESDAY.isoformat()) as found, httpx.Client(base_url=found.base_url, timeout=10) as client:
        yield client


@pytest.fixture
def edge(world, vendor, tmp_path) -> Iterator[str]:
    """`python -m edge` with the sandbox's key, on the tests' database."""
    port = free_port(18_000)
    public = vendor.patch(SIGNED, headers=KEY, json={"enabled": True}).raise_for_status().json()["public_key"]
    env = os.environ | {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(tmp_path), "LEADFACTORY_CLOCK": TUESDAY.isoformat(),
        "LEADFACTORY_DATABASE_URL": world.db.url.render_as_string(hide_password=False),
        "SENDGRID_WEBHOOK_PUBLIC_KEY": f"{world.signer.public},{public}", "STRIPE_WEBHOOK_SECRET": "whsec_sandbox",
    }  # fmt: skip
    argv = [sys.executable, "-m", "edge", "--port", str(port)]
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        try:
            url = f"http://127.0.0.1:{port}"
            wait(lambda: running.poll() is not None or healthy(url), 40)
            assert running.poll() is None, running.stderr.read().decode() if running.stderr else ""
            yield url
        finally:
            running.terminate()
            assert running.wait(20) in (0, -15)


def healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def wait(ready, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def test_all_that_the_vendor_tells_is_stored_once_and_folded(world, vendor, edge):
    rates = {
        "bounce": 0.1,
        "deferred": 0.2,
        "machine_open": 0.5,
        "open": 0.5,
        "click": 0.3,
        "spamreport": 0.05,
        "unsubscribe": 0.1,
    }
    vendor.post(
        "/_admin/options", json={"sendgrid_rates": rates, "webhook_retry_s": [0.2, 0.5, 1, 2]}
    ).raise_for_status()
    for kind in ("duplicate_webhooks", "shuffled_webhooks"):
        vendor.post("/_admin/faults", json={"vendor": "sendgrid", "kind": kind, "rate": 1.0}).raise_for_status()
    unknown = [world.send(number, state="unknown", reason="timeout") for number in range(SENDS)]
    for send_id, lead in unknown:
        mail = Mail(
            send_id=send_id, to_email=lead.email, from_email="ana@mail.leadfactory.example", from_name="Ana", reply_to="ana@mail.leadfactory.example",
            subject="Your page", text="See https://ours.example/r/1 now", html="<p>See https://ours.example/r/1 now</p>", headers={},
            custom_args={"send_id": str(send_id), "campaign_day": world.unit.key},
        )  # fmt: skip
        assert vendor.post("/sendgrid/v3/mail/send", headers=KEY, json=message(mail)).status_code == 202
    told = {
        row["id"] if "id" in row else row["vendor_id"]: row for row in vendor.get("/_truth/sendgrid?kind=event").json()
    }
    assert len(told) > 3 * SENDS
    vendor.post("/_admin/options", json={"sendgrid_webhook_url": f"{edge}/webhooks/sendgrid"}).raise_for_status()
    wait(lambda: len(world.all(webhook_inbox)) == len(told), 30)
    folding.drain(db=world.db, clock=CLOCK)
    assert {row.event_id for row in world.all(email_events)} == set(told)
    assert world.all(webhook_refusals) == []
    outcomes = world.all(send_outcomes)
    assert len(outcomes) == SENDS
    assert sum(row.events for row in outcomes) == len(told)
    kinds = [row["event"] for row in told.values()]
    assert sum(row.delivery == "bounced" for row in outcomes) == sum(kind == "bounce" for kind in kinds)
    assert sum(row.complained_at is not None for row in outcomes) == kinds.count("spamreport")
    noes = sum(kinds.count(kind) for kind in ("bounce", "spamreport", "unsubscribe"))
    assert sum(row.kind == "address" for row in world.all(suppressions)) == noes > 3
    assert {row.state for row in world.rows(sa.select(email_sends.c.state))} == {"accepted"}


def test_a_click_reaches_the_process(world, edge):
    send_id, _ = world.send()
    assert httpx.post(edge + world.link(send_id), data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert len(world.all(suppressions)) == 2
