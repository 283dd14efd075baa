"""Answers by Inbound Parse: who may post, what is kept of them, and what they stop."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from leadfactory import mail_tokens
from leadfactory.d09_delivery.tables import email_sends, sequence_stops, suppressions
from leadfactory.inbox import retention
from leadfactory.inbox.reply_rules import reply_rules
from leadfactory.inbox.tables import audit_log, inbound_mails, webhook_inbox, webhook_refusals
from leadfactory.tokens import Tokens
from sandbox.recipients import answers
from sandbox.recipients.letter import letter_of
from sandbox.vendors.sendgrid_parse import fields_of, multipart
from tests.leads import TUESDAY

FORM = {"Content-Type": "multipart/form-data; boundary=xYzZY"}
DOMAIN = "reply.leadfactory.example"


def reply_to(world: Any, send_id: uuid.UUID) -> str:
    return mail_tokens.address(Tokens(world.settings.signing_keys.get_secret_value()), "reply", send_id, DOMAIN)


def form(
    to: str, text: str = "Who would do it?", *, headers: str = "", number: int = 1, subject: str = "Re: Your page"
) -> bytes:
    fields = {
        "headers": f"Message-ID: <{number}@shop1.example>\nFrom: bo@shop1.example\n{headers}", "to": to, "from": "Bo <bo@shop1.example>",
        "subject": subject, "text": text, "envelope": json.dumps({"to": [to], "from": "bo@shop1.example"}), "charsets": '{"text": "UTF-8"}',
    }  # fmt: skip
    parts = (
        f'--xYzZY\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    return "".join(parts).encode() + b"--xYzZY--\r\n"


def post(world: Any, body: bytes, *, signer: Any = None, at: int | None = None) -> Any:
    headers = FORM | (signer or world.signer).headers(body, at)
    return world.client.post("/webhooks/inbound", content=body, headers=headers)


def refusals(world: Any) -> dict[str, int]:
    return {row.reason: row.posts for row in world.all(webhook_refusals) if row.source == "inbound"}


def with_follow_up(world: Any) -> tuple[uuid.UUID, uuid.UUID]:
    """An accepted first letter and its planned follow-up."""
    first, lead = world.send()
    second, _ = world.send(step=2, state="planned", business_id=lead.business_id)
    return first, second


def state_of(world: Any, send_id: uuid.UUID) -> str:
    return world.rows(sa.select(email_sends.c.state).where(email_sends.c.send_id == send_id))[0].state


def test_an_answer_ends_the_conversation_and_suppresses_nobody(world) -> None:
    first, second = with_follow_up(world)
    assert post(world, form(reply_to(world, first))).json() == {"stored": 1}
    assert state_of(world, second) == "refused"
    assert [row.reason for row in world.all(sequence_stops)] == ["reply"]
    assert world.all(suppressions) == []


def test_an_answer_is_kept_with_its_words_and_without_its_address(world) -> None:
    first, _ = world.send()
    post(world, form(reply_to(world, first)))
    (row,) = world.all(inbound_mails)
    assert (row.send_id, row.kind, row.body, row.subject) == (first, "reply", "Who would do it?", "Re: Your page")
    assert bytes(row.sender_hmac) == world.hashes.address("bo@shop1.example")
    assert "bo@" not in str(row._mapping)


def test_an_answer_is_noted_in_the_audit_log(world) -> None:
    first, _ = world.send()
    post(world, form(reply_to(world, first)))
    assert [(row.actor, row.action, row.send_id) for row in world.all(audit_log)] == [("recipient", "replied", first)]


def test_remove_me_in_words_suppresses_the_address_that_was_written_to(world) -> None:
    first, second = with_follow_up(world)
    assert post(world, form(reply_to(world, first), "Please remove me from your list.")).json() == {"stored": 1}
    assert {row.kind for row in world.all(suppressions)} == {"address", "address_plus_stripped"}
    assert world.hashes.address("info@shop1.example") in {bytes(row.subject_hmac) for row in world.all(suppressions)}
    assert state_of(world, second) == "refused"
    assert [row.action for row in world.all(audit_log)] == ["asked_by_mail_to_stop"]


def test_an_out_of_office_notice_stops_nothing(world) -> None:
    first, second = with_follow_up(world)
    post(
        world, form(reply_to(world, first), "To stop these notices say STOP.", headers="Auto-Submitted: auto-replied\n")
    )
    assert state_of(world, second) == "planned"
    assert world.all(suppressions) == world.all(sequence_stops) == []
    assert [row.kind for row in world.all(inbound_mails)] == ["out_of_office"]


def test_the_case_of_a_reply_address_does_not_matter(world) -> None:
    first, _ = world.send()
    assert post(world, form(reply_to(world, first).upper())).json() == {"stored": 1}


@pytest.mark.parametrize("spoil", [lambda b: b[:-3], lambda b: b + b"\n", lambda b: b.replace(b"Who", b"STOP"), lambda b: b""], ids=["truncated", "longer", "forged", "empty"])  # fmt: skip
def test_the_signature_covers_the_raw_form(world, spoil) -> None:
    first, _ = world.send()
    body = form(reply_to(world, first))
    headers = FORM | world.signer.headers(body)
    assert world.client.post("/webhooks/inbound", content=spoil(body), headers=headers).status_code == 401
    assert refusals(world) == {"bad_signature": 1}
    assert world.all(inbound_mails) == []


def test_an_unsigned_answer_is_refused(world) -> None:
    first, _ = world.send()
    assert world.client.post("/webhooks/inbound", content=form(reply_to(world, first)), headers=FORM).status_code == 401
    assert refusals(world) == {"not_signed": 1}


def test_a_strangers_key_is_refused_and_a_rotated_one_is_not(world) -> None:
    from tests.edge.conftest import Signer

    first, _ = world.send()
    body = form(reply_to(world, first))
    assert post(world, body, signer=Signer()).status_code == 401
    assert post(world, body, signer=world.old_signer).json() == {"stored": 1}


def test_a_replayed_answer_is_stored_once_and_counted(world) -> None:
    first, _ = world.send()
    body = form(reply_to(world, first))
    assert [post(world, body).json()["stored"] for _ in range(3)] == [1, 0, 0]
    assert refusals(world) == {"replayed": 2}
    assert len(world.all(inbound_mails)) == 1


@pytest.mark.parametrize(("off_s", "reason"), [(3600, "future_dated"), (-reply_rules().old_after_s - 60, "too_old")])
def test_a_signature_of_another_time_is_refused(world, off_s: int, reason: str) -> None:
    first, _ = world.send()
    assert post(world, form(reply_to(world, first)), at=int(time.time()) + off_s).status_code == 401
    assert refusals(world) == {reason: 1}


def test_a_second_try_of_the_vendor_is_taken_and_marked(world) -> None:
    first, _ = world.send()
    assert post(world, form(reply_to(world, first)), at=int(time.time()) - 7200).json() == {"stored": 1}
    assert world.all(inbound_mails)[0].stale


@pytest.mark.parametrize("purpose", ["unsubscribe", "landing", "report"])
def test_a_token_for_something_else_names_no_send(world, purpose: str) -> None:
    first, _ = world.send()
    token = Tokens(world.settings.signing_keys.get_secret_value()).sign(purpose, first)
    assert post(world, form(f"r-{token}@{DOMAIN}")).json() == {"stored": 0}
    assert refusals(world) == {"names_no_send": 1}


def test_an_answer_to_a_send_that_is_gone_is_kept_nowhere(world) -> None:
    assert post(world, form(reply_to(world, uuid.uuid4()))).json() == {"stored": 0}
    assert refusals(world) == {"names_no_send": 1}
    assert world.all(inbound_mails) == []


def test_an_unreadable_form_is_counted_and_not_asked_for_again(world) -> None:
    body = b"no form at all"
    assert post(world, body).status_code == 200
    assert refusals(world) == {"unreadable": 1}


def test_an_answer_with_a_large_attachment_is_taken(world) -> None:
    first, _ = world.send()
    photo = (
        b'--xYzZY\r\nContent-Disposition: form-data; name="attachment1"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        + b"x" * 3 * 2**20
    )
    body = form(reply_to(world, first)).removesuffix(b"--xYzZY--\r\n") + photo + b"\r\n--xYzZY--\r\n"
    assert post(world, body).json() == {"stored": 1}


def test_a_body_beyond_the_limit_is_refused_unread(world) -> None:
    headers = FORM | {"Content-Length": str(reply_rules().body_limit_bytes + 1)}
    assert world.client.post("/webhooks/inbound", content=b"x", headers=headers).status_code == 413
    assert refusals(world) == {"too_large": 1}


def test_the_words_are_removed_after_thirty_days_and_the_rest_stays(world) -> None:
    first, _ = world.send()
    post(world, form(reply_to(world, first)))
    with world.db.begin() as tx:
        assert retention.forget_answers(tx, TUESDAY + dt.timedelta(days=29)) == 0
        assert retention.forget_answers(tx, TUESDAY + dt.timedelta(days=31)) == 1
    (row,) = world.all(inbound_mails)
    assert (row.body, row.subject, row.kind) == (None, None, "reply")


def test_a_relays_bounce_travels_the_same_way_and_stops_the_address(world) -> None:
    first, _ = world.send()
    to = mail_tokens.address(Tokens(world.settings.signing_keys.get_secret_value()), "bounce", first, DOMAIN)
    status = "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; info@shop1.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    head = '--xYzZY\r\nContent-Disposition: form-data; name="attachment1"; filename="report"\r\nContent-Type: message/delivery-status\r\n\r\n'
    body = form(to, "It did not arrive.").removesuffix(b"--xYzZY--\r\n") + f"{head}{status}\r\n--xYzZY--\r\n".encode()
    assert [post(world, body).json()["stored"] for _ in range(2)] == [1, 0]
    assert [(row.source, row.kind, row.send_id) for row in world.all(webhook_inbox)] == [("smtp", "bounce", first)]
    assert {row.reason for row in world.all(suppressions)} == {"hard_bounce"}
    assert world.all(inbound_mails) == []


def test_a_forged_bounce_address_bounces_nothing(world) -> None:
    first, _ = world.send()
    to = mail_tokens.address(Tokens("another-key"), "bounce", first, DOMAIN)
    assert post(world, form(to)).json() == {"stored": 0}
    assert refusals(world) == {"names_no_send": 1}


def test_no_code_that_speaks_to_a_language_model_reads_answers() -> None:
    from leadfactory.settings import ROOT

    folders = ("leadfactory", "leadfactory_assets", "cli", "edge")
    modules = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in modules}
    readers = {name: text for name, text in texts.items() if "inbound_mails" in text}
    counters = {"leadfactory/d11_experiments"}  # how many answered, by the kind that was stored
    assert {name.rpartition("/")[0] for name in readers} <= {"leadfactory/inbox", "leadfactory/erasure"} | counters
    assert not [name for name, text in readers.items() if "openai" in text.lower()]


@pytest.mark.parametrize(
    ("written", "understood"), [("reply", "reply"), ("stop_words", "stop"), ("out_of_office", "out_of_office")]
)
def test_what_simulated_recipients_write_is_taken_as_they_meant_it(world, written: str, understood: str) -> None:
    sends = [world.send(number)[0] for number in range(8)]
    for number, send_id in enumerate(sends):
        letter = letter_of(
            f"bo@shop{number}.example",
            "Your page",
            {"text/plain": "To hear no more: unsubscribe."},
            {},
            reply_to(world, send_id),
            "m1",
        )
        assert post(world, multipart(fields_of(answers.answer(written, letter)), "xYzZY")).json() == {"stored": 1}
    assert {row.kind for row in world.all(inbound_mails)} == {understood}
