"""Simulated recipients against the real edge: what they do over HTTP and by mail is what our ledgers say afterwards."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from cli.processes import free_port
from leadfactory import mail_tokens
from leadfactory.d00_gateway.sendgrid import Mail, message
from leadfactory.d07_storefront import folding as payments
from leadfactory.d07_storefront.tables import checkout_sessions, purchases
from leadfactory.d09_delivery import folding
from leadfactory.d09_delivery.tables import send_outcomes, sequence_stops, suppressions
from leadfactory.d10_analytics.sales import Sales, sales
from leadfactory.inbox.tables import inbound_mails, webhook_refusals
from leadfactory.settings import ROOT
from leadfactory.tokens import Tokens
from sandbox import process
from tests.edge.test_sandbox_webhooks import KEY, healthy, wait
from tests.leads import CLOCK, TUESDAY

FATES = (
    "buy", "buy_declined_first", "buy_by_bank", "refund", "dispute", "abandon", "click", "unsubscribe", "unsubscribe_page", "reply",
    "stop_words", "out_of_office", "spamreport", "bounce", "ignore",
)  # fmt: skip
WEBHOOKS = "/sendgrid/v3/user/webhooks"


@pytest.fixture(scope="module")
def vendor() -> Iterator[httpx.Client]:
    with process.start(clock=TUESDAY.isoformat()) as found, httpx.Client(base_url=found.base_url, timeout=10) as client:
        yield client


@pytest.fixture
def acted(world, vendor, tmp_path) -> Iterator[dict[str, object]]:
    """One letter for each fate, sent to recipients who act on `python -m edge`; fate → the id of its send."""
    port = free_port(18_100)
    url, base = f"http://127.0.0.1:{port}", str(vendor.base_url).rstrip("/")
    events = vendor.get(f"{WEBHOOKS}/event/settings/signed/sandbox-event-webhook", headers=KEY).json()["public_key"]
    inbound = vendor.get(f"{WEBHOOKS}/security/policies", headers=KEY).json()["policies"][0]["signature"]["public_key"]
    env = os.environ | {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(tmp_path), "LEADFACTORY_CLOCK": TUESDAY.isoformat(), "LEADFACTORY_PUBLIC_URL": url,
        "LEADFACTORY_DATABASE_URL": world.db.url.render_as_string(hide_password=False), "LEADFACTORY_SANDBOX_URL": base,
        "SENDGRID_WEBHOOK_PUBLIC_KEY": events, "SENDGRID_INBOUND_PUBLIC_KEY": inbound, "STRIPE_WEBHOOK_SECRET": "whsec_sandbox",
    }  # fmt: skip
    argv = [sys.executable, "-m", "edge", "--port", str(port)]
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        try:
            wait(lambda: running.poll() is not None or healthy(url), 40)
            hooks = {f"{name}_webhook_url": f"{url}/webhooks/{name}" for name in ("sendgrid", "stripe")}
            vendor.post(
                "/_admin/options", json=hooks | {"sendgrid_inbound_url": f"{url}/webhooks/inbound"}
            ).raise_for_status()
            yield _mailed(world, vendor, url)
        finally:
            running.terminate()
            running.wait(20)


def _mailed(world, vendor, url) -> dict[str, object]:
    tokens = Tokens(world.settings.signing_keys.get_secret_value())
    sends = {fate: world.send(number) for number, fate in enumerate(FATES)}
    asyncio.run(world.through("audit"))
    quiet = dict.fromkeys(("deferred", "machine_open"), 0.0) | {
        "prefetch": 1.0
    }  # a scanner looks at every letter first
    fates = {lead.email: fate for fate, (_, lead) in sends.items()}
    vendor.post("/_admin/recipients", json={"act": True, "rates": quiet, "fates": fates}).raise_for_status()
    for send_id, lead in sends.values():
        landing, out = (
            f"{url}/{place}/{tokens.sign(purpose, send_id)}"
            for place, purpose in (("a", "landing"), ("u", "unsubscribe"))
        )
        mail = Mail(
            send_id=send_id, to_email=lead.email, from_email="ana@mail.leadfactory.example", from_name="Ana", subject="Your page",
            reply_to=mail_tokens.address(tokens, "reply", send_id, "reply.leadfactory.example"), text=f"See {landing} or stop: {out} .",
            html=f'<p><a href="{landing}">See</a> or <a href="{out}">stop</a></p>',
            headers={"List-Unsubscribe": f"<{out}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
            custom_args={"send_id": str(send_id), "campaign_day": world.unit.key},
        )  # fmt: skip
        assert vendor.post("/sendgrid/v3/mail/send", headers=KEY, json=message(mail)).status_code == 202
    wait(lambda: not any(vendor.get("/_admin/outstanding").json().values()), 60)
    folding.drain(db=world.db, clock=CLOCK)
    payments.drain(db=world.db, clock=CLOCK, settings=world.settings)
    return {fate: send_id for fate, (send_id, _) in sends.items()}


def test_what_recipients_do_is_what_the_ledgers_say(world, acted) -> None:
    """One run for all of it: an edge and a sandbox of their own are dear."""
    told = {send_id: fate for fate, send_id in acted.items()}
    bought = {told[row.send_id]: row.state for row in world.all(purchases)}
    assert bought == {
        "buy": "paid",
        "buy_declined_first": "paid",
        "buy_by_bank": "paid",
        "refund": "refunded",
        "dispute": "disputed",
    }
    assert {told[row.send_id] for row in world.all(checkout_sessions)} == {*bought, "abandon"}
    assert {told[row.send_id]: row.kind for row in world.all(inbound_mails)} == {
        "reply": "reply",
        "stop_words": "stop",
        "out_of_office": "out_of_office",
    }
    stopped = {
        bytes(row.subject_hmac) for row in world.rows(sa.select(suppressions).where(suppressions.c.kind == "address"))
    }
    out = ("unsubscribe", "unsubscribe_page", "stop_words", "spamreport", "bounce", "dispute")
    assert stopped == {world.hashes.address(f"info@shop{FATES.index(fate)}.example") for fate in out}
    outcomes = {told[row.send_id]: row for row in world.all(send_outcomes)}
    assert {fate for fate, row in outcomes.items() if row.clicked_at} == {*bought, "abandon", "click"}
    assert all(row.bot_clicks == 2 for fate, row in outcomes.items() if fate != "bounce")
    assert {told[row.send_id] for row in world.all(sequence_stops)} >= {*bought, "reply", "stop_words"}
    assert "out_of_office" not in {told[row.send_id] for row in world.all(sequence_stops)}
    assert world.all(webhook_refusals) == []
    with world.db.begin() as tx:
        assert sales(tx, [world.unit]) == {
            world.unit: Sales(purchased=5, refunded=1, revenue_cents=3 * 19_900, reports_delivered=0)
        }
