"""Sending: claimed and journalled before the call, settled after it, never twice, and a rehearsal that leaves no trace."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import threading
import uuid

import pytest
import sqlalchemy as sa

from leadfactory import mail_tokens
from leadfactory.campaign_days import state_of
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d09_delivery import claiming, journal, planning, sending
from leadfactory.d09_delivery.claiming import Desk
from leadfactory.d09_delivery.mailer import PostOffice
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import contact_slots, email_sends
from leadfactory.d11_experiments.tables import experiment_assignments
from leadfactory.database import metadata
from leadfactory.tokens import Tokens
from tests.leads import CLOCK, TUESDAY, UNIT, FakeSendGrid, clock_at


def unavailable(reason: str, *, left: bool):
    def answer(mail):
        raise VendorUnavailable("sendgrid", "mail/send", reason, left_the_house=left)

    return answer


def everything(room):
    names = {table.name for table in metadata.sorted_tables}
    return {name: sorted(map(str, room.rows(sa.text(f"SELECT * FROM {name}")))) for name in names}


def test_a_mail_is_claimed_then_accepted_with_the_vendors_id(room):
    room.drafted()
    report, sendgrid = room.send()
    (row,) = room.rows(sa.select(email_sends))
    assert (row.state, row.sendgrid_id, row.claimed_at) == ("accepted", f"id-{row.send_id}", TUESDAY)
    assert room.transitions == [(None, "planned"), ("planned", "claimed"), ("claimed", "accepted")]
    assert (report.rows_in, report.rows_out, report.rows_open, report.state) == (1, 1, 0, "listening")
    assert len(sendgrid.asked) == 1


def test_the_mail_carries_what_the_law_and_the_providers_ask_for(room):
    room.drafted()
    _, sendgrid = room.send()
    (mail,) = sendgrid.asked
    link = mail.headers["List-Unsubscribe"]
    tokens = Tokens(room.settings.signing_keys.get_secret_value())
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.startswith(f"<{room.settings.public_url}/u/")
    assert link.endswith(">")
    assert tokens.read("unsubscribe", link[1:-1].rsplit("/", 1)[1]) == mail.send_id
    assert max(len(f"{name}: {value}") for name, value in mail.headers.items()) < 998
    assert "\n" not in link
    assert "500 Example Plaza" in mail.text
    assert "500 Example Plaza" in mail.html
    assert (mail.to_email, mail.from_email) == ("info@shop0.example", "ana@mail.leadfactory.example")
    assert mail_tokens.read(tokens, "reply", mail.reply_to) == mail.send_id
    assert mail.reply_to.endswith("@reply.leadfactory.example")
    assert mail.bounce_to is None
    assert mail.custom_args == {"send_id": str(mail.send_id), "campaign_day": UNIT.key}
    assert "@" not in str((mail.custom_args, mail.categories))


def test_without_an_inbound_domain_answers_go_to_the_sender(room):
    room.settings.inbound_domain = ""
    room.drafted()
    (mail,) = room.send()[1].asked
    assert mail.reply_to == "ana@mail.leadfactory.example"


def test_bounces_of_a_relay_return_to_an_address_that_names_the_send(room):
    room.drafted()
    room.change("UPDATE campaigns SET mailer = 'smtp'")
    (mail,) = room.send()[1].asked
    tokens = Tokens(room.settings.signing_keys.get_secret_value())
    assert (mail.mailer, mail_tokens.read(tokens, "bounce", mail.bounce_to)) == ("smtp", mail.send_id)


def test_a_mailer_that_is_not_set_up_takes_nothing_and_loses_nothing(room):
    room.drafted()
    room.change("UPDATE campaigns SET mailer = 'smtp'")
    office = PostOffice.of(room.settings, Gateway(room.db, clock=CLOCK, settings=room.settings))
    report = asyncio.run(sending.send_due(UNIT, db=room.db, clock=CLOCK, settings=room.settings, mailer=office, dry_run=False))  # fmt: skip
    assert report.counts["stopped by not sent: not_configured"] == 1
    assert room.states == {"planned": 1}


def test_sending_again_sends_nothing(room):
    room.drafted(3)
    room.send()
    before = everything(room)
    report, sendgrid = room.send()
    assert sendgrid.asked == []
    assert report.rows_reused == 3
    assert everything(room) == before


def test_a_dry_run_tells_what_would_be_sent_and_writes_nothing(room):
    room.drafted(3)
    room.change("UPDATE enriched_businesses SET country = 'CA' WHERE site_host = 'shop0.example'")
    room.change("UPDATE enriched_businesses SET timezone = 'Asia/Tokyo' WHERE site_host = 'shop1.example'")
    before = everything(room)
    report, sendgrid = room.send(dry_run=True)
    assert report.counts == {"would send": 1, "stopped by jurisdiction": 1, "stopped by window": 1}
    assert sendgrid.asked == []
    assert everything(room) == before
    assert not room.settings.journal.exists()


def test_the_default_is_a_dry_run(room):
    import inspect

    assert inspect.signature(sending.send_due).parameters["dry_run"].default is True
    assert inspect.signature(sending.send_all_due).parameters["dry_run"].default is True


def test_a_refused_mail_is_rejected_and_keeps_its_reason(room):
    room.drafted()

    def refuse(mail):
        raise VendorRejected("sendgrid", "mail/send", "bad_request", status=400)

    room.send(refuse)
    (row,) = room.rows(sa.select(email_sends))
    assert (row.state, row.reason) == ("rejected", "bad_request")
    assert room.send()[1].asked == []


def test_an_outcome_that_nobody_knows_is_never_sent_again(room):
    room.drafted()
    report, _ = room.send(unavailable("timeout", left=True))
    (row,) = room.rows(sa.select(email_sends))
    assert (row.state, row.reason) == ("unknown", "timeout")
    assert report.rows_open == 1
    assert room.send(clock=clock_at(TUESDAY + dt.timedelta(hours=20)))[1].asked == []


def test_a_mail_that_provably_did_not_leave_is_planned_again_and_keeps_its_slot(room):
    room.drafted()
    report, sendgrid = room.send(unavailable("breaker_open", left=False))
    (row,) = room.rows(sa.select(email_sends))
    (address, domain) = room.rows(sa.select(contact_slots.c.send_id))
    assert (row.state, row.reason, row.claimed_at) == ("planned", "breaker_open", None)
    assert {address.send_id, domain.send_id} == {row.send_id}
    assert len(sendgrid.asked) == 1
    assert report.counts["stopped by not sent: breaker_open"] == 1
    room.send()
    assert room.states == {"accepted": 1}


def test_a_mailer_that_takes_nothing_stops_the_run_after_one_batch(room, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"claim_batch": 2})
    room.drafted(5)
    _, sendgrid = room.send(unavailable("breaker_open", left=False))
    assert len(sendgrid.asked) == 2
    assert room.states == {"planned": 5}


def test_the_claim_that_was_made_ahead_is_given_back_when_a_run_breaks(room, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"claim_batch": 2, "calls_at_once": 1})
    room.drafted(6)

    def answer(mail):
        raise RuntimeError("a bug")

    with pytest.raises(ExceptionGroup):
        room.send(answer)
    assert room.states == {"claimed": 1, "planned": 5}


def test_one_gateway_serves_all_claims_of_a_run(room, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"claim_batch": 2})
    room.drafted(5)
    _, sendgrid = room.send()
    assert [unit for unit, _ in sendgrid.gateway.scopes] == [None, UNIT, UNIT, UNIT]


def test_the_journal_has_every_mail_before_the_vendor_does(room):
    room.drafted(3)
    seen = []

    def answer(mail):
        entries = {entry.send_id for entry in journal.read(room.settings.journal)}
        states = {row.send_id: row.state for row in room.rows(sa.select(email_sends))}
        seen.append((mail.send_id in entries, states[mail.send_id]))
        return "id"

    room.send(answer)
    assert seen == [(True, "claimed")] * 3


def test_without_a_journal_nothing_is_sent(room, tmp_path):
    room.drafted(2)
    room.settings.home.mkdir(exist_ok=True)
    room.settings.journal.write_text("a file where the folder should be")
    sendgrid = None
    with pytest.raises(OSError):
        _, sendgrid = room.send()
    assert sendgrid is None
    assert room.states == {"planned": 2}


def test_what_was_not_handed_over_when_a_run_breaks_is_planned_again(room, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"calls_at_once": 1})
    room.drafted(4)
    asked = []

    def answer(mail):
        asked.append(mail.send_id)
        if len(asked) == 3:
            raise RuntimeError("a bug")
        return "id"

    with pytest.raises(ExceptionGroup):
        room.send(answer)
    assert room.states == {"accepted": 2, "claimed": 1, "planned": 1}


def test_a_claim_of_a_dead_process_becomes_unknown_and_is_not_sent_again(room):
    room.drafted()
    room.send(unavailable("breaker_open", left=False))
    room.change(
        "UPDATE email_sends SET state = 'claimed', claimed_at = now(), claim_expires_at = now() - interval '1 second'"
    )
    assert room.send()[1].asked == []
    (row,) = room.rows(sa.select(email_sends))
    assert (row.state, row.reason) == ("unknown", "the process that claimed it ended before it was settled")


def test_a_claim_of_a_living_process_is_left_alone(room):
    room.drafted()
    room.send(unavailable("breaker_open", left=False))
    room.change(
        "UPDATE email_sends SET state = 'claimed', claimed_at = now(), claim_expires_at = now() + interval '1 minute'"
    )
    assert room.send()[1].asked == []
    assert room.states == {"claimed": 1}


def test_a_limit_is_the_most_mails_of_a_run(room):
    room.drafted(5)
    assert len(room.send(limit=2)[1].asked) == 2
    assert room.states == {"accepted": 2, "planned": 3}
    assert room.send(limit=0)[1].asked == []


def test_a_sender_sends_no_more_than_its_day_allows(room, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"sender_cap_per_day": 2})
    room.drafted(5)
    report, sendgrid = room.send()
    assert len(sendgrid.asked) == 2
    assert report.counts["stopped by sender_cap"] == 3
    assert room.send()[1].asked == []
    assert len(room.send(clock=clock_at(TUESDAY + dt.timedelta(days=1)))[1].asked) == 2


def test_who_was_mailed_was_exposed_and_nobody_else(room):
    room.drafted(4)
    room.send(limit=2)
    exposed = room.rows(
        sa.select(experiment_assignments.c.business_id).where(experiment_assignments.c.exposed_at.is_not(None))
    )
    mailed = room.rows(sa.select(email_sends.c.business_id).where(email_sends.c.state == "accepted"))
    assert sorted(exposed) == sorted(mailed)


def test_the_campaign_day_is_mailing_while_something_waits_and_listening_after(room):
    room.drafted(2)
    room.send(limit=1)
    with room.db.begin() as tx:
        assert state_of(tx, UNIT) == "mailing"
    room.send()
    with room.db.begin() as tx:
        assert state_of(tx, UNIT) == "listening"


def test_two_businesses_with_one_mailbox_are_written_to_once(room):
    room.drafted(2, email="owner@both.example")
    report, sendgrid = room.send()
    assert len(sendgrid.asked) == 1
    assert report.counts["stopped by contact_slot"] == 1
    assert room.states == {"accepted": 1, "planned": 1}


def test_two_mailboxes_of_one_domain_are_one_conversation_but_free_mail_is_not(room):
    room.business(1, email="a@both.example")
    room.business(2, email="b@both.example")
    room.business(3, email="a@gmail.com")
    room.business(4, email="b@gmail.com")
    room.drafted(0)
    _, sendgrid = room.send()
    assert len(sendgrid.asked) == 3
    assert sum(mail.to_email.endswith("@gmail.com") for mail in sendgrid.asked) == 2


def test_a_slot_is_free_again_after_its_time(room):
    room.drafted(2, email="owner@both.example")
    room.send()
    room.change("UPDATE contact_slots SET held_until = '2026-10-06T14:59:59Z'")
    assert len(room.send()[1].asked) == 1


def test_a_paused_campaign_plans_and_sends_nothing(room):
    room.drafted()
    room.change("UPDATE campaigns SET state = 'paused'")
    assert room.send()[1].asked == []
    assert room.states == {}


def test_drafts_whose_measurement_is_too_old_are_not_planned(room):
    room.drafted()
    assert room.send(clock=clock_at(TUESDAY + dt.timedelta(days=31)))[1].asked == []
    assert room.states == {}


async def test_all_cohorts_are_sent_in_one_run_with_a_report_each(room):
    for number in range(2):
        room.business(number)
    await room.through("draft")
    sendgrid = FakeSendGrid(room.settings, lambda mail: "id")
    with room.db.begin() as tx:
        assert sending.count_due(tx, CLOCK.now()) == 2
    (report,) = await sending.send_all_due(
        db=room.db, clock=CLOCK, settings=room.settings, mailer=sendgrid, dry_run=False
    )
    assert (report.unit, report.rows_out, report.calls) == (UNIT, 2, 2)
    assert sendgrid.gateway.scopes == [(None, "email_sends"), (UNIT, "email_sends")]  # the whole run, and in it the day
    with room.db.begin() as tx:
        assert sending.count_due(tx, CLOCK.now()) == 0
    assert (
        await sending.send_all_due(db=room.db, clock=CLOCK, settings=room.settings, mailer=sendgrid, dry_run=False)
        == []
    )


def test_nothing_personal_is_in_a_report(room):
    room.drafted(2, email="owner@both.example")
    report, _ = room.send()
    assert "@" not in str(report.figures())


def test_a_send_without_a_true_sender_is_set_aside_with_the_rule(room):
    room.drafted()
    room.change("UPDATE campaigns SET sender_email = 'nobody'")
    assert room.send()[1].asked == []
    assert [row.rule for row in room.rows(sa.text("SELECT rule FROM rejected_rows WHERE asset = 'email_sends'"))] == [
        "has_a_sender"
    ]


def claimed_by_the_dead(
    room, *, begun: bool = False, called: bool = False, answer: journal.Answer | None = None
) -> uuid.UUID:
    """A claim whose process died before it called, while it did, or before it settled, and whose lease is over."""
    room.drafted()
    desk = Desk.of(room.settings)
    with room.db.begin() as tx:
        planning.plan_sends(tx, UNIT, TUESDAY, room.hashes)
        (letter,) = claiming.claim(tx, desk, UNIT, TUESDAY, most=1).letters
    if begun or called:
        journal.begin(desk.journal, [letter.entry])
    if called:
        assert journal.call(desk.journal, letter.entry)
    if answer is not None:
        journal.answered(desk.journal, letter.entry, answer)
    room.change("UPDATE email_sends SET claim_expires_at = now() - interval '1 second'")
    return letter.send_id


@pytest.mark.parametrize("begun", [False, True])
def test_what_a_dead_process_had_not_called_for_is_sent_by_the_next_run(room, begun):
    send_id = claimed_by_the_dead(room, begun=begun)
    assert [mail.send_id for mail in room.send()[1].asked] == [send_id]
    assert room.states == {"accepted": 1}
    assert room.transitions[1:4] == [("planned", "claimed"), ("claimed", "planned"), ("planned", "claimed")]


def test_what_a_dead_process_had_called_for_is_unknown(room):
    claimed_by_the_dead(room, called=True)
    assert room.send()[1].asked == []
    assert room.states == {"unknown": 1}


def test_what_a_dead_process_had_begun_is_unknown_when_the_machine_was_started_anew(room, monkeypatch):
    claimed_by_the_dead(room, begun=True)
    monkeypatch.setattr(journal, "_boot", lambda: "another")
    assert room.send()[1].asked == []
    assert room.states == {"unknown": 1}


@pytest.mark.parametrize(
    "answer",
    [journal.Answer("accepted", None, "x-1"), journal.Answer("rejected", "bad_request")],
    ids=lambda a: a.state,
)
def test_what_was_answered_before_its_process_died_is_settled_by_the_next_run(room, answer):
    claimed_by_the_dead(room, called=True, answer=answer)
    assert room.send()[1].asked == []
    (row,) = room.rows(sa.select(email_sends))
    assert (row.state, row.reason, row.sendgrid_id) == tuple(answer)


def test_what_a_dead_process_of_another_machine_claimed_is_unknown(room):
    claimed_by_the_dead(room, begun=False)
    shutil.rmtree(room.settings.journal)
    assert room.send()[1].asked == []
    assert room.states == {"unknown": 1}


def test_a_process_that_only_seemed_dead_calls_for_nothing_that_another_took_over(room):
    """The first process is slow: while it waits for its first call, its lease lapses and a second one runs."""
    room.drafted(14)
    seen, others = [], []

    def answer(mail):
        if not seen:
            room.change("UPDATE email_sends SET claim_expires_at = now() - interval '1 second' WHERE state = 'claimed'")
            done = {}
            thread = threading.Thread(target=lambda: done.update(second=room.send()))
            thread.start()
            thread.join(60)
            others.extend(each.send_id for each in done["second"][1].asked)
        seen.append(mail.send_id)
        return "id"

    room.send(answer)
    assert others
    assert len(seen) == 1  # the others it had begun and not called for
    assert set(seen).isdisjoint(others)
    assert room.states == {"accepted": len(seen) + len(others)}


def test_what_nobody_knows_of_is_quarantined_after_the_deadline_and_listed_with_its_reason(room):
    room.drafted()
    room.send(unavailable("timeout", left=True))
    deadline = TUESDAY + dt.timedelta(hours=policy().unknown_quarantine_after_hours)
    room.send(clock=clock_at(deadline))
    (row,) = room.rows(sa.select(email_sends))
    assert (row.state, row.quarantined_at, row.reason) == ("unknown", None, "timeout")
    late = deadline + dt.timedelta(seconds=1)
    for _ in range(2):
        room.send(clock=clock_at(late))
        (row,) = room.rows(sa.select(email_sends))
        assert (row.state, row.quarantined_at) == ("unknown", late)
        assert row.reason == "timeout; no event within 72 hours: quarantined"
    assert room.transitions.count(("unknown", "unknown")) == 1
