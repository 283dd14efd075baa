"""The review of a night tells what each campaign-day did and lacks, and reaches people once, when the night is over."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa

from leadfactory import pauses
from leadfactory.monitoring import night, reviewing
from leadfactory.monitoring.notifying import NobodyTold
from leadfactory.monitoring.tables import night_reviews
from tests.cli.conftest import cli_env, cli_home, command, here  # noqa: F401 (fixtures)
from tests.leads import TUESDAY, UNIT
from tests.monitoring.rows import ago, put
from tests.monitoring.test_escalation import Sink, configured, sink  # noqa: F401 (fixture)

DAY = {"campaign": UNIT.campaign, "cohort_on": UNIT.day}
OTHER = {"campaign": "dental-60601", "cohort_on": UNIT.day}


@pytest.fixture
def a_night(world):
    """One campaign-day that was finished with two leads, one failed; another campaign that never began."""
    db = world.db
    for number in (1, 2):
        world.business(number)
    put(db, "site_audits", business_id=uuid.uuid4(), status="ok", **DAY)
    put(db, "site_audits", status="failed", reason="timeout", retryable=True, **DAY)
    put(db, "lead_scores", tier="A", qualified=True, version=1, **DAY)
    put(db, "email_drafts", step=1, version=1, status="drafted", wording="rules", arms={}, facts={}, **DAY)
    put(db, "vendor_calls", vendor="yelp", status="ok", cost_microusd=1_230_000, occurred_on=UNIT.day, **DAY)
    put(db, "quality_verdicts", asset="email_drafts", passed=True, judged_at=TUESDAY, **DAY)
    put(db, "run_outcomes", run_id="r-1", job="campaign_day", partition_key=UNIT.key, status="FAILURE", failed_steps=["leadfactory__site_audits"],
        failed_checks=[], started_at=ago(hours=12), ended_at=ago(hours=11))  # fmt: skip
    put(
        db,
        "alerts",
        name="RunFailed",
        severity="warning",
        labels={},
        summary="run of campaign_day failed for a@b.example",
        started_at=ago(hours=11),
    )
    put(db, "alerts", name="OfYesterday", severity="warning", labels={}, summary="x", started_at=ago(hours=20))
    put(
        db, "campaigns", campaign="dental-60601", state="launched", starts_on=UNIT.day, vertical="dental", daily_quota=5
    )
    return world


def reviewed(world) -> night.Review:
    with world.db.begin() as tx:
        return night.review(tx, UNIT.day, world.settings)


def test_a_campaign_day_is_told_with_counts_spend_open_work_and_failed_leads(a_night):
    missing, done = reviewed(a_night).units
    assert (done.campaign, done.finished, done.state) == (UNIT.campaign, True, "open")
    assert done.counts == {"sourced": 0, "unique": 2, "enriched": 2, "audited": 1, "qualified": 1, "drafted": 1}
    assert (done.spend_microusd, done.deferred) == (1_230_000, {"audits to repeat": 1})
    assert done.failed == ["1 × audit: timeout"]
    assert (missing.campaign, missing.state, missing.finished) == ("dental-60601", "missing", False)


def test_what_a_person_paused_and_a_rule_stopped_is_told_without_an_address(a_night):
    put(
        a_night.db,
        "halts",
        scope="sender",
        subject="ana@mail.example",
        rule="bounces",
        detail="9 of 80 bounced",
        halted_at=TUESDAY,
    )
    with a_night.db.begin() as tx:
        pauses.pause(tx, "all", "", reason="the disk is moved", by="ben", now=TUESDAY)
    found = reviewed(a_night)
    assert any("all is paused by ben" in one and "leadfactory resume all" in one for one in found.held)
    assert any("is stopped by bounces: 9 of 80 bounced (leadfactory halts)" in one for one in found.held)
    assert "Held back now:" in night.text(found)
    assert "ana@mail.example" not in night.text(found)


def test_a_run_is_linked_with_the_step_at_which_it_failed(a_night):
    (run,) = reviewed(a_night).units[1].runs
    assert (run["status"], run["failed_steps"], run["link"]) == (
        "failure",
        ["leadfactory__site_audits"],
        "http://localhost:3333/runs/r-1",
    )


def test_alerts_since_the_night_began_are_told_without_addresses(a_night):
    found = reviewed(a_night)
    assert [alert["name"] for alert in found.alerts] == ["RunFailed"]
    said = night.text(found)
    assert "warning RunFailed 04:00 UTC still firing: run of campaign_day failed for [address]" in said
    assert "NOT FINISHED" in said


def test_the_command_prints_the_same_text_and_a_document(a_night, here):  # noqa: F811
    with a_night.db.begin() as tx:
        said = night.text(night.review(tx, UNIT.day, a_night.settings))
    assert here("night", "--date", "2026-10-06").strip() == said.strip()
    document = here("night", "--json")
    assert (document["night_on"], document["finished"], len(document["units"])) == ("2026-10-06", False, 2)
    assert "no campaign was active" in here("night", "--date", "2026-01-05")


@pytest.mark.parametrize(
    ("hour", "finished", "over"),
    [(1, True, False), (3, False, False), (3, True, True), (7, False, False), (8, False, True)],
)
def test_a_night_is_over_when_all_is_drafted_or_in_the_morning(hour, finished, over):
    unit = night.Unit("a", "open", finished, {"drafted": 0}, 0, {}, [], [])
    found = night.Review(UNIT.day, [unit], [])
    assert night.is_over(found, dt.datetime.combine(UNIT.day, dt.time(hour), dt.UTC)) is over


def test_the_review_reaches_slack_and_mailboxes_once(a_night, tmp_path, sink):  # noqa: F811
    config = configured(tmp_path, sink, a_night.db).model_copy(update={"clock_spec": TUESDAY.isoformat()})
    assert reviewing.tell_when_over(a_night.db, config, TUESDAY) == ["webhook", "mail"]
    assert reviewing.tell_when_over(a_night.db, config, TUESDAY) == []
    assert len(sink.said) == len(sink.mails) == 1
    with a_night.db.begin() as tx:
        assert night.text(night.review(tx, UNIT.day, config)) in sink.said[0]
        assert tx.scalar(sa.select(night_reviews.c.channels)) == "webhook, mail"


def test_a_review_that_nobody_took_is_sent_again(a_night, tmp_path, sink):  # noqa: F811
    config = configured(tmp_path, sink, a_night.db).model_copy(update={"clock_spec": TUESDAY.isoformat()})
    config = config.model_copy(update={"alert_smtp_url": type(config.alert_smtp_url)("")})
    sink.broken = True
    with pytest.raises(NobodyTold):
        reviewing.tell_when_over(a_night.db, config, TUESDAY)
    sink.broken = False
    assert reviewing.tell_when_over(a_night.db, config, TUESDAY) == ["webhook"]
