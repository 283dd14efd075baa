"""`leadfactory pause|resume|pauses`: what it says, what it writes, what it refuses, and the line above every other command."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from leadfactory import pauses
from leadfactory.audit_log import audit_log


def test_a_word_is_written_told_and_taken_back(here, database):
    told = here("pause", "all", "--reason=the disk is moved", "--by=ana", "--json")
    assert (told["kind"], told["paused_by"], told["dry_run"]) == ("all", "ana", False)
    assert [row["reason"] for row in here("pauses", "--json")] == ["the disk is moved"]
    here("resume", "all", "--reason=the disk is in", "--by=ben")
    assert here("pauses") == "nothing is paused\n"
    assert [row["resumed_by"] for row in here("pauses", "--all", "--json")] == ["ben"]


def test_both_words_are_in_the_audit_log(here, database):
    here("pause", "vendor", "yelp", "--reason=the bill", "--by=ana")
    here("resume", "vendor", "yelp", "--reason=paid", "--by=ben")
    with database.begin() as tx:
        rows = tx.execute(
            sa.select(audit_log.c.actor, audit_log.c.action, audit_log.c.subject).order_by(audit_log.c.happened_at)
        ).all()
    assert sorted(map(tuple, rows)) == [
        ("operator ana", "pause", "vendor yelp"),
        ("operator ben", "resume", "vendor yelp"),
    ]


def test_a_dry_run_writes_nothing(here, database):
    assert here("pause", "all", "--reason=why", "--dry-run", "--json")["dry_run"] is True
    with database.begin() as tx:
        assert pauses.current(tx) == []


def test_every_command_says_on_standard_error_what_is_paused(here, capsys, database):
    here("pause", "all", "--reason=the disk is moved", "--by=ana")
    said = here("pause", "all", "--reason=again", fails=True)
    assert "PAUSED all is paused by ana" in said
    assert "leadfactory resume all" in said


@pytest.mark.parametrize("what", [("all",), ("campaign", "dental-10001")])
@pytest.mark.parametrize("words", [("launch-campaign", "dental-10001", "--yes"), ("test-pipeline", "--limit=5")])
def test_what_is_paused_is_not_begun_by_hand_either(here, database, what, words):
    here("seed-campaigns", "--vertical=dental", "--zip=10001", "--quota=5")
    here("pause", *what, "--reason=the disk", "--by=ana")
    said = here(*words, fails=True)
    assert f"(`leadfactory resume {' '.join(what)}` lets it go on)" in said
    with database.begin() as tx:
        assert tx.scalar(sa.text("SELECT state FROM campaigns")) == "draft_only"


def test_a_vendor_that_is_not_asked_is_told_in_one_line(here):
    here("pause", "vendor", "stripe", "--reason=the bill", "--by=ana")
    said = here("purchases", "match", fails=True)
    assert "paused: vendor stripe is paused by ana" in said


def test_brackets_of_a_reason_are_told_as_they_were_written(here):
    reason = "[disk] is [bold]moved[/bold], see [/wiki]"
    here("pause", "all", f"--reason={reason}", "--by=ana")
    assert reason in here("pauses")
    assert reason in here("pause", "all", "--reason=again", fails=True)
    assert reason in here("audit-log")


def test_an_unknown_vendor_campaign_or_sender_is_refused_with_those_that_are_known(here):
    assert "there is no vendor 'yalp': known are" in here("pause", "vendor", "yalp", "--reason=x", fails=True)
    assert "there is no campaign 'x': known are none yet" in here("pause", "campaign", "x", "--reason=x", fails=True)
    assert "which vendor?" in here("pause", "vendor", "--reason=x", fails=True)
    assert "'everything' is nothing to pause" in here("pause", "everything", "--reason=x", fails=True)
