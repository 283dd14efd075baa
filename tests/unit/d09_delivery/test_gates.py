"""Each gate alone stops a send that would leave otherwise, and says so by name."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from leadfactory.d09_delivery import gates, suppression
from leadfactory.d09_delivery.tables import email_sends
from tests.leads import TUESDAY, UNIT, clock_at

CASES = {
    "suppressed_domain": "INSERT INTO suppressions SELECT 'domain', domain_hmac, 'test', 'test', planned_at FROM email_sends",
    "excluded": "INSERT INTO exclusions SELECT domain_hmac, 'own', '', 'domain', 'test', planned_at FROM email_sends",
    "merged_away": "INSERT INTO business_merges (survivor_id, merged_id, kind, evidence, merged_at) "
    "SELECT gen_random_uuid(), business_id, 'merge', '{}', planned_at FROM email_sends",
    "jurisdiction": "UPDATE enriched_businesses SET country = 'CA'",
    "timezone_unknown": "UPDATE email_sends SET timezone = NULL",
    "address_changed": "UPDATE enriched_businesses SET contact_email_hmac = decode('00', 'hex')",
    "audit_too_old": "UPDATE site_audits SET expires_at = '2026-10-06T15:00:00Z'",
    "draft_missing": "UPDATE email_drafts SET status = 'rejected'",
    "fenced": "INSERT INTO send_fences (reason, raised_at) SELECT 'restored', planned_at FROM email_sends",
    "campaign_not_launched": "UPDATE campaigns SET state = 'paused'",
    "draft_review": "UPDATE campaigns SET review_percent = 100",
    "halted": "INSERT INTO halts (scope, subject, rule, detail, halted_at) SELECT 'sender', sender_email, 'bounces', '', planned_at FROM email_sends",
    "arm_paused": "WITH x AS (INSERT INTO experiments (experiment, version, state, salt, arms, paused_arms, loaded_at) SELECT 'subjects', 1, "
    "'running', 'long enough', '{\"bold\": 5000, \"plain\": 5000}', '{bold}', planned_at FROM email_sends) "
    'UPDATE email_drafts SET arms = \'{"subjects": "bold"}\'',
    "address_refused": "UPDATE enriched_businesses SET contact_email_check = 'refused'",
    "address_unverified": "UPDATE enriched_businesses SET contact_email_check = NULL",
    "consent_basis": "UPDATE campaigns SET consent_basis = 'guessed'",
    "risk_not_acknowledged": "UPDATE campaigns SET consent_basis = 'cold'",
    "draft_verdict": "UPDATE quality_verdicts SET passed = FALSE WHERE asset = 'email_drafts'",
    "postal_address": "UPDATE campaigns SET postal_address = 'Another Street 1, Elsewhere'",
    "true_sender": "UPDATE campaigns SET sender_email = 'somebody@else.example'",
    "not_due": "UPDATE email_sends SET due_at = '2026-10-06T15:00:01Z'",
    "contact_slot": "INSERT INTO contact_slots SELECT address_hmac, 'address', 'another', gen_random_uuid(), expires_at FROM email_sends",
    "budget": "UPDATE campaigns SET budget_cents = 0",
    "budget_of_the_lead": "UPDATE budgets SET spent_microusd = cap_microusd - reserved_microusd - 398 WHERE scope = 'lead'",
    "window": "UPDATE email_sends SET timezone = 'Asia/Tokyo'",
}
PAUSE = "INSERT INTO pauses (kind, key, reason, paused_by, paused_at) VALUES (:kind, :key, 'why', 'ana', now())"


@pytest.fixture
def planned(room, once):
    """One send that is planned and not sent yet."""

    def plan():
        room.drafted()
        room.change("UPDATE enriched_businesses SET timezone = 'Asia/Tokyo'")
        room.send()
        room.change("UPDATE email_sends SET timezone = 'America/New_York'")

    once("gates_planned", plan)
    assert room.states == {"planned": 1}
    return room


def stopped(room, gate: str, outcome: str):
    report, sendgrid = room.send()
    assert sendgrid.asked == []
    (row,) = room.rows(sa.select(email_sends))
    if outcome == "waits":
        assert row.state == "planned"
        assert report.counts[f"stopped by {gate}"] == 1
        assert report.rows_open == 1
    else:
        assert (row.state, row.reason) == (outcome, gate)
        assert room.transitions[-1] == ("planned", outcome)


def test_a_planned_send_leaves_when_nothing_stops_it(planned):
    _, sendgrid = planned.send()
    assert len(sendgrid.asked) == 1


@pytest.mark.parametrize("gate", CASES)
def test_a_gate_stops_a_send_on_its_own(planned, gate):
    planned.change(CASES[gate])
    stopped(planned, gate, gates.OUTCOMES[gate])


@pytest.mark.parametrize(
    ("kind", "key"),
    [("all", ""), ("campaign", UNIT.campaign), ("sender", "ana@mail.leadfactory.example"), ("vendor", "sendgrid")],
)
def test_what_an_operator_paused_does_not_leave(planned, kind, key):
    """The claim asks in its own transaction: from the word on nothing more is claimed."""
    planned.change(PAUSE, kind=kind, key=key)
    stopped(planned, "paused", "waits")


def arm_paused(
    room, *, arm: str = "bold", state: str = "running", newer: dict | None = None, newer_state: str = "running"
):
    """The arm bold is paused by version 1; the letter has ``arm``."""
    room.change(CASES["arm_paused"])
    room.change("UPDATE experiments SET state = :state", state=state)
    room.change("UPDATE email_drafts SET arms = CAST(:arms AS jsonb)", arms=json.dumps({"subjects": arm}))
    if newer is not None:
        room.change(
            "INSERT INTO experiments (experiment, version, state, salt, arms, loaded_at) "
            "VALUES ('subjects', 2, :state, 'long enough', CAST(:arms AS jsonb), now())",
            state=newer_state, arms=json.dumps(newer),
        )  # fmt: skip


def test_a_paused_arm_holds_back_its_own_letters_only(planned):
    arm_paused(planned, arm="plain")
    _, sendgrid = planned.send()
    assert len(sendgrid.asked) == 1


def test_stopping_an_experiment_lets_no_letter_of_its_paused_arm_go(planned):
    arm_paused(planned, state="stopped")
    stopped(planned, "arm_paused", "waits")


@pytest.mark.parametrize(
    ("newer", "state", "leaves"),
    [
        ({"bold": 5000, "plain": 5000}, "running", True),
        ({"bold": 5000, "plain": 5000}, "draft", False),
        ({"other": 5000, "plain": 5000}, "running", False),
    ],
    ids=["that has the arm", "that is a draft", "without the arm"],
)
def test_letters_of_a_paused_arm_wait_until_a_newer_version_has_it_again(planned, newer, state, leaves):
    arm_paused(planned, state="stopped", newer=newer, newer_state=state)
    if leaves:
        assert len(planned.send()[1].asked) == 1
    else:
        stopped(planned, "arm_paused", "waits")


@pytest.mark.parametrize(("kind", "key"), [("campaign", "another"), ("sender", "x@y.example"), ("vendor", "smtp")])
def test_a_pause_of_something_else_stops_nothing(planned, kind, key):
    planned.change(PAUSE, kind=kind, key=key)
    _, sendgrid = planned.send()
    assert len(sendgrid.asked) == 1


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("suppressed_address", {"address": "info@shop0.example"}),
        ("suppressed_address", {"address": " INFO@Shop0.example "}),
        ("suppressed_address", {"address": "info+newsletter@shop0.example"}),
        ("suppressed_domain", {"domain": "www.shop0.example"}),
    ],
)
def test_a_suppressed_recipient_is_refused_for_good(planned, kind, what):
    with planned.db.begin() as tx:
        suppression.suppress(tx, planned.hashes, reason="unsubscribed", source="test", now=TUESDAY, **what)
    stopped(planned, kind, "refused")


def test_a_suppressed_business_is_refused_for_good(planned):
    (row,) = planned.rows(sa.select(email_sends))
    with planned.db.begin() as tx:
        suppression.suppress(
            tx, planned.hashes, reason="not my website", source="test", now=TUESDAY, business_id=row.business_id
        )
    stopped(planned, "suppressed_business", "refused")


def test_a_tagged_address_is_stopped_by_the_suppression_of_the_plain_one(room):
    room.drafted(email="joe+yelp@shop0.example")
    with room.db.begin() as tx:
        suppression.suppress(
            tx, room.hashes, reason="unsubscribed", source="test", now=TUESDAY, address="joe@shop0.example"
        )
    _, sendgrid = room.send()
    assert sendgrid.asked == []
    assert room.states == {"refused": 1}


def test_an_address_whose_check_gave_no_answer_waits(planned):
    planned.change("UPDATE enriched_businesses SET contact_email_check = 'unknown'")
    stopped(planned, "address_unverified", "waits")


def test_an_address_that_only_seems_to_take_mail_is_written_to(planned):
    planned.change("UPDATE enriched_businesses SET contact_email_check = 'weak'")
    assert len(planned.send()[1].asked) == 1


def test_a_verdict_on_another_text_is_no_verdict(planned):
    planned.change("UPDATE quality_verdicts SET input_hash = decode('00', 'hex') WHERE asset = 'email_drafts'")
    stopped(planned, "draft_verdict", "waits")


def test_the_newest_verdict_speaks(planned):
    planned.change(
        """INSERT INTO quality_verdicts (asset, campaign, cohort_on, subject_id, suite, suite_version, input_hash, passed, evaluated, judged_at)
           SELECT asset, campaign, cohort_on, subject_id, suite, '99', input_hash, FALSE, evaluated, judged_at + interval '1 s'
           FROM quality_verdicts WHERE asset = 'email_drafts'"""
    )
    stopped(planned, "draft_verdict", "waits")


@pytest.mark.parametrize("column", ["body_text", "body_html", "subject", "preview"])
def test_a_text_that_was_changed_after_its_verdict_is_refused(planned, column):
    planned.change(f"UPDATE email_drafts SET {column} = {column} || 'x'")
    stopped(planned, "draft_changed_after_its_verdict", "refused")


def test_simulated_recipients_are_not_mailed_in_production(planned):
    planned.settings.env = "production"
    stopped(planned, "consent_basis", "waits")


COLD = "UPDATE campaigns SET mailer = :mailer, consent_basis = 'cold', risk_acknowledged_by = :by, risk_acknowledged_for = :taken"


@pytest.mark.parametrize("env", ["test", "production"])
@pytest.mark.parametrize(
    ("mailer", "by", "taken"),
    [
        ("sendgrid", None, None),
        ("sendgrid", "", "sendgrid"),
        ("sendgrid", "Ana Ruiz", "smtp"),  # taken for another mailer
        ("smtp", None, None),
        ("smtp", "Ana Ruiz", "sendgrid"),
    ],
)
def test_cold_mail_leaves_through_no_mailer_before_a_named_person_takes_the_risk(planned, env, mailer, by, taken):
    planned.settings.env = env
    planned.change(COLD, mailer=mailer, by=by, taken=taken)
    stopped(planned, "risk_not_acknowledged", "waits")


@pytest.mark.parametrize("env", ["test", "production"])
@pytest.mark.parametrize("mailer", ["sendgrid", "smtp"])
def test_it_leaves_through_the_mailer_for_which_the_risk_was_taken(planned, env, mailer):
    planned.settings.env = env
    planned.change(COLD, mailer=mailer, by="Ana Ruiz", taken=mailer)
    _, sent = planned.send()
    assert [mail.mailer for mail in sent.asked] == [mailer]


def test_what_expires_is_never_sent_late(planned):
    last = TUESDAY + dt.timedelta(hours=72)
    assert planned.send(clock=clock_at(last))[1].asked == []
    assert planned.states == {"expired": 1}
    assert planned.transitions[-1] == ("planned", "expired")


def test_in_its_last_moment_it_is_still_sent(planned):
    assert len(planned.send(clock=clock_at(TUESDAY + dt.timedelta(hours=72, microseconds=-1)))[1].asked) == 1


def test_another_suppression_key_stops_everything_and_names_both_fingerprints(planned):
    known = planned.hashes.fingerprint
    planned.settings.suppression_key = SecretStr("another key altogether")
    for dry_run in (True, False):
        with pytest.raises(suppression.KeyMismatch, match=known):
            planned.send(dry_run=dry_run)
    assert planned.states == {"planned": 1}


def test_a_lost_fingerprint_stops_everything(planned):
    planned.change("DELETE FROM key_fingerprints")
    with pytest.raises(suppression.KeyMismatch, match="restore"):
        planned.send()


def test_every_gate_of_the_list_has_a_test():
    elsewhere = {"sequence_stopped", "undelivered_before", "sender_cap", "warm_up", "recipient_domain_cap"}
    tested = {*CASES, *elsewhere, "expired", "paused", "suppressed_address", "suppressed_business"}
    assert tested == {gate.name for gate in gates.GATES}
