"""Experiments on the template and on the send time, from the file to the letter that leaves: the same arm all the way."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from cli.experiments import load
from leadfactory.d08_personalization.drafting import draft
from leadfactory.d08_personalization.letters import config as letters
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery import sequences
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.d11_experiments import counting, effects
from leadfactory.d11_experiments.assignment import assign
from leadfactory.d11_experiments.definitions import read
from leadfactory.d11_experiments.tables import experiment_assignments
from leadfactory.yaml_config import ConfigError
from tests.leads import CLOCK, TUESDAY, UNIT, FakeOpenAI, clock_at, model_down

AFTERNOON = TUESDAY + dt.timedelta(hours=3)  # in New York it is 11 o'clock on TUESDAY
FILE = """
experiments:
  looks:
    {{version: 1, state: running, salt: looks-2026-10, arms: {looks},
     design: {{changes: template, control: boxed, metric: clicked, base_rate: 0.3, minimum_effect: 2, layer: looks}}}}
  hours:
    {{version: 1, state: running, salt: hours-2026-10, arms: {hours},
     design: {{changes: send_time, control: morning, metric: opened, base_rate: 0.3, minimum_effect: 2, layer: hours}}}}
"""
LOOKS, HOURS = "{boxed: 5000, plain: 5000}", "{morning: 5000, afternoon: 5000}"


def written(tmp_path, looks=LOOKS, hours=HOURS):
    file = tmp_path / "experiments.yaml"
    file.write_text(FILE.format(looks=looks, hours=hours))
    return file


@pytest.fixture
def in_arms(room, tmp_path):
    """Ten drafted leads and the arm of each business by experiment."""
    for number in range(10):
        room.business(number)
    asyncio.run(room.through("score"))
    assign(UNIT, db=room.db, clock=CLOCK, path=written(tmp_path))
    openai = FakeOpenAI(room.settings, model_down)
    asyncio.run(draft(UNIT, db=room.db, clock=CLOCK, settings=room.settings, openai=openai))
    table = experiment_assignments
    return {
        name: {row.business_id: row.arm for row in room.rows(sa.select(table).where(table.c.experiment == name))}
        for name in ("looks", "hours")
    }


def test_a_letter_has_the_look_of_its_arm_and_says_the_same(room, in_arms):
    drafts = room.rows(sa.select(email_drafts))
    assert {row.status for row in drafts} == {"drafted"}  # the guard has held the HTML against the text
    looks = {row.business_id: "plain" if "border-left" not in row.body_html else "boxed" for row in drafts}
    assert looks == in_arms["looks"]
    assert set(looks.values()) == {"boxed", "plain"}
    stored = {row.business_id: row.template_version.partition("/")[2] or "boxed" for row in drafts}
    assert stored == looks


def test_a_letter_leaves_in_the_hours_of_its_arm(room, in_arms):
    arms = in_arms["hours"]
    left = []
    for now in (TUESDAY, AFTERNOON):
        asked = {mail.send_id for mail in room.send(clock=clock_at(now))[1].asked}
        left.append({row.business_id for row in room.rows(sa.select(email_sends)) if row.send_id in asked})
    assert left == [{each for each, arm in arms.items() if arm == name} for name in ("morning", "afternoon")]
    assert all(left)


def test_what_waits_for_its_arms_hours_says_so_and_is_due_then(room, in_arms):
    report, _ = room.send()
    waits = sum(arm == "afternoon" for arm in in_arms["hours"].values())
    assert report.counts["stopped by not_due"] == waits
    planned = room.rows(sa.select(email_sends).where(email_sends.c.state == "planned"))
    assert {row.due_at for row in planned} == {TUESDAY.replace(hour=17)}
    report, _ = room.send(clock=clock_at(TUESDAY.replace(hour=21, minute=30)))  # half past five: too late for today
    assert report.counts["stopped by window"] == waits


def test_the_arms_are_exposed_by_the_claim_and_counted(room, in_arms):
    room.send()
    room.send(clock=clock_at(AFTERNOON))
    with room.db.begin() as tx:
        for name, arms in in_arms.items():
            (counts,) = list(counting.by_day(tx, name, 1, AFTERNOON).values())[-1:]
            assert {arm: count.exposed for arm, count in counts.items()} == {
                arm: list(arms.values()).count(arm) for arm in set(arms.values())
            }


def test_a_follow_up_waits_for_the_hours_of_the_same_arm():
    claimed = TUESDAY - dt.timedelta(hours=1)  # 10 o'clock in New York
    due = sequences.due_at(2, claimed, "America/New_York", claimed, "afternoon")
    monday = dt.datetime(2026, 10, 12, tzinfo=dt.UTC)  # four days later is a Saturday
    assert due == monday.replace(hour=17)
    assert sequences.due_at(2, claimed, "America/New_York", claimed) == monday.replace(hour=13)


def test_an_arm_that_is_gone_has_the_default():
    assert policy().window_of("gone") == policy().window
    assert letters().template_of("gone") == letters().default_template


@pytest.mark.parametrize(
    ("arms", "told"),
    [
        ({"looks": "{boxed: 5000, shiny: 5000}"}, "'shiny' would change nothing: the templates"),
        ({"hours": "{morning: 5000, night: 5000}"}, "'night' would change nothing: the send_times"),
    ],
)
def test_an_arm_that_would_change_nothing_is_refused(tmp_path, arms, told):
    written(tmp_path, **arms)
    with pytest.raises(ConfigError, match=told):
        load(file=tmp_path / "experiments.yaml", dry_run=True)


def test_what_config_knows_is_accepted(tmp_path):
    for name, experiment in read(written(tmp_path)).items():
        effects.check(name, experiment)
