"""Operators look through the inbox, and let events wait again without repeating an effect."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.main import app
from leadfactory.inbox.browsing import Filter, counts, found, replay, shown
from leadfactory.inbox.tables import audit_log, webhook_inbox

NOON = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)


@pytest.fixture
def filled(database):
    rows = [("delivered", "folded"), ("open", "folded"), ("open", None), ("odd", "kept"), ("malformed", "quarantined")]
    with database.begin() as tx:
        for number, (kind, outcome) in enumerate(rows):
            tx.execute(
                sa.insert(webhook_inbox).values(
                    source="sendgrid", event_id=str(number), kind=kind, send_id=uuid.uuid4(), address_hmac=b"\x01" * 32,
                    received_at=NOON + dt.timedelta(hours=number), stale=False, payload={"n": number}, outcome=outcome,
                    processed_at=NOON if outcome else None,
                )
            )  # fmt: skip
    return database


@pytest.mark.parametrize(
    ("chosen", "ids"),
    [
        (Filter(), "43210"),
        (Filter(kind="open"), "21"),
        (Filter(state="waiting"), "2"),
        (Filter(state="quarantined"), "4"),
        (Filter(since=NOON + dt.timedelta(hours=1), before=NOON + dt.timedelta(hours=3)), "21"),
        (Filter(source="stripe"), ""),
    ],
)
def test_a_filter_finds_the_newest_first(filled, chosen, ids):
    with filled.begin() as tx:
        assert "".join(row["event_id"] for row in found(tx, chosen, limit=50)) == ids
        assert sum(counts(tx, chosen).values()) == len(ids)


@pytest.mark.parametrize("wrong", [{"state": "lost"}, {"since": NOON, "before": NOON}])
def test_a_filter_that_can_find_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=r"state='lost'|since="):
        Filter(**wrong)


def test_replayed_events_wait_again_and_the_operator_is_on_record(filled):
    with filled.begin() as tx:
        assert replay(tx, Filter(since=NOON), NOON) == 3
        assert counts(tx, Filter()) == {"quarantined": 1, "waiting": 4}
        (row,) = tx.execute(sa.select(audit_log)).all()
    assert (row.actor, row.action, row.detail["events"]) == ("operator", "inbox_replay", 3)


def test_a_quarantined_event_is_replayed_when_it_is_asked_for(filled):
    with filled.begin() as tx:
        assert replay(tx, Filter(state="quarantined"), NOON) == 1


def test_an_event_is_shown_without_its_hash(filled):
    with filled.begin() as tx:
        first = tx.scalar(sa.select(sa.func.min(webhook_inbox.c.inbox_id)))
        assert shown(tx, first)["address"] == "kept as a keyed hash"
        with pytest.raises(LookupError, match="999"):
            shown(tx, 999)


@pytest.fixture
def run(filled, monkeypatch, tmp_path):
    from leadfactory.settings import settings

    monkeypatch.setenv("LEADFACTORY_DATABASE_URL", filled.url.render_as_string(hide_password=False))
    monkeypatch.setenv("LEADFACTORY_HOME", str(tmp_path))
    settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, list(arguments))
    settings.cache_clear()


def test_the_list_command_prints_one_document(run):
    told = json.loads(run("inbox", "list", "--type=open", "--json").stdout)
    assert told["counts"] == {"folded": 1, "waiting": 1}
    assert [event["kind"] for event in told["events"]] == ["open", "open"]


@pytest.mark.parametrize("arguments", [["list"], ["show", "1"], ["list", "--state=quarantined"]])
def test_commands_answer_people_too(run, arguments):
    assert run("inbox", *arguments).exit_code == 0


def test_a_dry_replay_changes_nothing_and_a_real_one_does(run, filled):
    assert json.loads(run("inbox", "replay", "--type=open", "--dry-run", "--json").stdout) == {
        "events": 1,
        "dry_run": True,
    }
    with filled.begin() as tx:
        assert counts(tx, Filter())["folded"] == 2
    run("inbox", "replay", "--type=open", "--yes", "--json")
    with filled.begin() as tx:
        assert counts(tx, Filter())["folded"] == 1


@pytest.mark.parametrize(
    "arguments",
    [["inbox", "replay", "--yes"], ["inbox", "list", "--since=soon"], ["inbox", "list", "--source=x"], ["sends", "--why=me"],
     ["sends", "--state=lost"], ["inbox", "list", "--state=lost"]],
)  # fmt: skip
def test_a_wrong_option_is_refused(run, arguments):
    assert run(*arguments).exit_code != 0


@pytest.mark.slow
def test_sends_tells_why_nothing_was_planned(run):
    assert "nothing was ever planned" in run("sends", f"--why={uuid.uuid4()}").stdout
    assert json.loads(run("sends", "--state=unknown", "--json").stdout) == []
