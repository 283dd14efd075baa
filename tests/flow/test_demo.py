"""`leadfactory demo`, as a newcomer runs it: twice, in a home of its own."""

from __future__ import annotations

import ctypes.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from leadfactory import embedded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
COUNTS = (
    "sourced", "unique", "enriched", "audited", "scored", "qualified", "drafted", "sent", "delivered", "opened", "clicked", "bounced",
    "complained", "unsubscribed", "replied", "purchased", "refunded", "revenue_cents", "reports_delivered",
)  # fmt: skip


def demo(home: Path) -> dict[str, object]:
    """One run in a process of its own; its figures."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LEADFACTORY_", "WEBSITE_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", "--json"], cwd=ROOT, env=env | {"LEADFACTORY_HOME": str(home)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
    return json.loads(done.stdout)


def mails_of(home: Path) -> list[dict[str, Any]]:
    """What the sandbox's SendGrid accepted, letters and mails about purchases."""
    lines = [json.loads(line) for line in (home / "sandbox" / "truth.jsonl").read_text().splitlines()]
    return [line for line in lines if (line["vendor"], line["kind"]) == ("sendgrid", "mail")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("demo") / "home"
    yield home
    embedded.stop(home)  # a demo leaves its database up for what an operator asks next


@pytest.fixture(scope="module")
def first(home: Path) -> dict[str, object]:
    return demo(home)


def test_two_campaigns_source_at_least_three_hundred_businesses(first: dict[str, object]) -> None:
    assert len(first["campaign_days"]) == 2  # type: ignore[arg-type]
    assert first["sourced"] >= 300  # type: ignore[operator]


def test_the_funnel_narrows_and_mails_arrive(first: dict[str, object]) -> None:
    assert first["sourced"] >= first["unique"] >= first["enriched"] >= first["audited"]  # type: ignore[operator]
    assert first["unique"] >= first["scored"] >= first["qualified"] >= first["drafted"] >= first["sent"] > 0  # type: ignore[operator]


def test_letters_arrive_are_read_and_are_refused(first: dict[str, object]) -> None:
    assert first["sent"] >= first["delivered"] >= first["opened"] >= first["clicked"] > 0  # type: ignore[operator]
    assert first["delivered"] + first["bounced"] <= first["sent"]  # type: ignore[operator]
    assert first["bounced"] > 0
    assert first["unsubscribed"] > 0


def test_at_least_two_buy_and_one_is_refunded(first: dict[str, object]) -> None:
    assert first["purchased"] >= 2  # type: ignore[operator]
    assert first["purchased"] > first["refunded"] >= 1  # type: ignore[operator]
    assert first["revenue_cents"] > 0  # type: ignore[operator]


def test_reports_reach_their_buyers_and_one_pdf_is_left_to_be_read(first: dict[str, object], home: Path) -> None:
    assert 1 <= first["reports_delivered"] <= first["purchased"]  # type: ignore[operator]
    pdf = home / "sold-report.pdf"
    assert pdf.is_file() == bool(ctypes.util.find_library("pango-1.0"))  # without Pango the HTML report is sold
    assert not pdf.is_file() or pdf.read_bytes().startswith(b"%PDF-")


def test_every_vendor_was_called_and_costs_are_counted(first: dict[str, object]) -> None:
    assert {"yelp", "places", "pagespeed", "openai", "sendgrid", "website"} <= set(first["vendor_calls"])  # type: ignore[call-overload]
    assert first["cost_usd"] > 0  # type: ignore[operator]


def test_the_figures_are_in_demo_json(first: dict[str, object], home: Path) -> None:
    assert json.loads((home / "demo.json").read_text()) == first


def test_the_truth_log_holds_each_mail_once(first: dict[str, object], home: Path) -> None:
    mails = mails_of(home)
    sends = [mail["custom_args"]["send_id"] for mail in mails]
    assert len(sends) == len(set(sends))
    assert sum("List-Unsubscribe" in mail["headers"] for mail in mails) == first["sent"]
    assert len(mails) - first["sent"] >= first["reports_delivered"]  # type: ignore[operator]


def test_no_address_or_name_is_in_dagsters_event_log(first: dict[str, object], home: Path) -> None:
    import psycopg

    server = embedded.ensure_running(home)
    try:
        with psycopg.connect(server.url("owner")) as ours:
            private = {
                row[0]
                for row in ours.execute(
                    "SELECT contact_email FROM leadfactory.enriched_businesses WHERE contact_email IS NOT NULL"
                )
            }
        with psycopg.connect(server.url("dagster")) as theirs:
            events = [row[0] for row in theirs.execute("SELECT event FROM event_logs")]
    finally:
        embedded.stop(home)
    told = [address for address in private for event in events if address in event]
    assert len(private) > 50
    assert told == []


def test_a_second_run_sends_nothing_and_changes_no_count(first: dict[str, object], home: Path) -> None:
    mailed = len(mails_of(home))
    again = demo(home)
    assert {field: again[field] for field in COUNTS} == {field: first[field] for field in COUNTS}
    assert again["vendor_calls"] == first["vendor_calls"]
    assert len(mails_of(home)) == mailed


def test_the_demo_leaves_nothing_running(first: dict[str, object]) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get("http://127.0.0.1:3333/server_info", timeout=1)
