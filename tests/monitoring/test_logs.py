"""Logs are one JSON object a line in the file where they belong, with what was bound around them, and without secrets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadfactory import logs
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens
from tests.postgres import settings_for_tests

log = logging.getLogger("leadfactory.d03_assessment.auditing")
SECRETS = {
    "a token of a link": Tokens("k").sign("unsubscribe", uuid.uuid4()),
    "an API key of ours": "lfk_Zm9vYmFyYmF6cXV4",
    "a key of Stripe": "sk_live_51Habcdefghijkl",
    "a key of SendGrid": "SG.abcdefgh.ijklmnopqrstuvwx",
    "a bearer": "Bearer abc.def-ghi",
    "an address": "owner@joes-diner.example",
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Settings]:
    root = logging.getLogger()
    level = root.level
    yield settings_for_tests(tmp_path)
    for handler in [each for each in root.handlers if isinstance(each, logs._Ours)]:
        root.removeHandler(handler)
    root.setLevel(level)


def lines(config: Settings, name: str) -> list[dict[str, Any]]:
    file = config.home / "logs" / f"{name}.log"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def test_a_line_carries_room_and_what_was_bound_around_it(home):
    logs.configure("run", home, main=logs.PIPELINE, stdout=False)
    with logs.bound(run_id="r1", campaign_day="dental|2026-10-06"), logs.bound(lead="b7"):
        log.info("measured %d sites", 3)
    log.info("outside")
    inside, outside = lines(home, "pipeline")
    assert inside["event"] == "measured 3 sites"
    assert (inside["level"], inside["room"], inside["process"]) == ("INFO", "d03_assessment", "run")
    assert (inside["run_id"], inside["campaign_day"], inside["lead"]) == ("r1", "dental|2026-10-06", "b7")
    assert "run_id" not in outside


def test_warnings_of_the_pipeline_are_in_app_log_too(home):
    logs.configure("run", home, main=logs.PIPELINE, stdout=False)
    log.info("quiet")
    log.error("loud")
    assert [line["event"] for line in lines(home, "app")] == ["loud"]
    assert [line["event"] for line in lines(home, "pipeline")] == ["quiet", "loud"]


def test_a_security_event_is_in_security_log_and_marked_in_app_log(home):
    logs.configure("edge", home, stdout=False)
    logs.security("AUTH_FAILED", reason="unknown key", ip="203.0.113.9")
    for name in ("security", "app"):
        (line,) = lines(home, name)
        assert (line["event"], line["mark"], line["reason"]) == ("AUTH_FAILED", "SECURITY", "unknown key")
    assert "AUTH_FAILED" in (home.home / "logs" / "security.log").read_text()
    assert lines(home, "sendgrid_events") == []


def test_a_mail_event_is_in_its_own_file_only(home):
    logs.configure("edge", home, stdout=False)
    logs.mail_event("sendgrid", "bounce", send_id="s1")
    assert [line["event"] for line in lines(home, "sendgrid_events")] == ["bounce"]
    assert lines(home, "app") == []


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("place", ["message", "argument", "fact", "nested fact", "bound", "traceback"])
def test_no_secret_gets_into_a_log(home, secret, place):
    logs.configure("edge", home, stdout=False)
    if place == "message":
        log.warning(f"GET /u/{secret} said no")
    elif place == "argument":
        log.warning("said no to %s", {"who": secret})
    elif place == "fact":
        logs.security("AUTH_FAILED", who=secret)
    elif place == "nested fact":
        logs.security("AUTH_FAILED", who=[{"deep": secret}])
    elif place == "bound":
        with logs.bound(lead=secret):
            log.warning("said no")
    else:
        try:
            raise ValueError(f"cannot use {secret}")
        except ValueError:
            log.exception("failed")
    written = "".join(file.read_text() for file in (home.home / "logs").glob("*.log"))
    assert "said no" in written or "AUTH_FAILED" in written or "cannot use" in written
    assert secret.removeprefix("Bearer ") not in written


def test_ids_and_campaign_days_survive(home):
    logs.configure("edge", home, stdout=False)
    business = uuid.uuid4()
    with logs.bound(lead=business, campaign_day="restaurant-10001|2026-10-06"):
        log.warning("a line")
    (line,) = lines(home, "app")
    assert (line["lead"], line["campaign_day"]) == (str(business), "restaurant-10001|2026-10-06")


def test_a_full_file_is_moved_aside_and_nothing_is_lost(home, monkeypatch):
    monkeypatch.setattr(logs, "LARGEST", 2_000)
    logs.configure("edge", home, stdout=False)
    for number in range(40):
        log.warning("line %d", number)
    files = sorted((home.home / "logs").glob("app.log*"))
    assert len(files) > 2
    told = [json.loads(line)["event"] for file in files for line in file.read_text().splitlines()]
    assert sorted(told) == sorted(f"line {number}" for number in range(40))


def test_several_processes_may_fill_one_file(home):
    """Each moves it aside when it is full: no line is lost, torn or written twice."""
    code = (
        "import sys, logging; from leadfactory import logs; from leadfactory.settings import settings\n"
        "logs.LARGEST = 20_000\n"
        "logs.configure(sys.argv[1], settings(), stdout=False)\n"
        "for n in range(200): logging.getLogger('x').warning('%s-%d', sys.argv[1], n)"
    )
    environment = {"LEADFACTORY_HOME": str(home.home), "LEADFACTORY_ENV": "test"}
    running = [subprocess.Popen([sys.executable, "-c", code, name], env=environment) for name in ("a", "b")]
    assert [each.wait(timeout=60) for each in running] == [0, 0]
    told = [
        json.loads(line)["event"]
        for file in (home.home / "logs").glob("app.log*")
        for line in file.read_text().splitlines()
    ]
    assert sorted(told) == sorted(f"{name}-{n}" for name in ("a", "b") for n in range(200))


def test_standard_output_gets_every_line_but_of_commands(home, capsys):
    logs.configure("cli", home, stdout=False)
    log.warning("kept off")
    logs.configure("edge", home)
    log.warning("shown")
    shown = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["shown"]


def test_what_is_bound_in_one_thread_is_not_seen_in_another(home):
    logs.configure("run", home, main=logs.PIPELINE, stdout=False)
    with logs.bound(run_id="r1"):
        other = threading.Thread(target=lambda: log.info("from another"))
        other.start()
        other.join()
    assert "run_id" not in lines(home, "pipeline")[0]


def test_a_mailers_events_and_a_forged_post_are_told(world):
    logs.configure("edge", world.settings, stdout=False)
    send_id, _ = world.send(1)
    world.post([world.event("delivered", send_id)])
    world.pay({"id": "evt_1"}, secret="whsec_wrong")
    (event,) = lines(world.settings, "sendgrid_events")
    assert (event["event"], event["send_id"], event["source"]) == ("delivered", str(send_id), "sendgrid")
    assert len(event["request_id"]) == 16
    (refused,) = lines(world.settings, "security")
    assert (refused["event"], refused["source"]) == ("WEBHOOK_REFUSED", "stripe")
    assert "example" not in (world.settings.home / "logs" / "sendgrid_events.log").read_text()
