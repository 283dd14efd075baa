"""What an answer means, by its headers and its own words."""

from __future__ import annotations

import json

import pytest

from leadfactory.inbox import inbound
from leadfactory.inbox.inbound import Malformed, read
from leadfactory.inbox.reply_kinds import kind_of, own_words
from leadfactory.inbox.reply_rules import reply_rules

QUOTED = "\n\nOn Tue, Oct 6, 2026 at 11:00 AM Ana Ruiz <r-abc@reply.us.example> wrote:\n> Your page takes 9 s.\n> To hear no more: unsubscribe.\n"
FORM = "multipart/form-data; boundary=xYzZY"


def form(*, file: tuple[str, bytes] | None = None, **fields: str) -> bytes:
    parts = [
        f'--xYzZY\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if file is not None:
        head = f'--xYzZY\r\nContent-Disposition: form-data; name="attachment1"; filename="report"\r\nContent-Type: {file[0]}\r\n\r\n'
        parts.append(head.encode() + file[1] + b"\r\n")
    return b"".join(parts) + b"--xYzZY--\r\n"


def mail(
    text: str = "",
    *,
    subject: str = "Re: Your page",
    sender: str = "Bo <bo@shop1.example>",
    headers: str = "",
    **more: str,
):
    fields = {"headers": f"From: {sender}\nMessage-ID: <1@shop1.example>\n{headers}", "to": "r-abc@reply.us.example", "from": sender,
              "subject": subject, "text": text, "envelope": json.dumps({"to": ["r-abc@reply.us.example"], "from": "bo@shop1.example"})}  # fmt: skip
    return read(FORM, form(**fields | more))


def kind(*given: str, **more: str) -> str:
    return kind_of(mail(*given, **more), reply_rules())


@pytest.mark.parametrize("text", [
    "Thanks, who would do the work?", "We will stop by your office on Monday.", "Our bus stop is not on the page, true.",
    "Could you send us no more than one page?", "Non-stop busy here, call me.", "Please remove our old phone number from the page for us.", "",
])  # fmt: skip
def test_a_persons_word_is_a_reply(text: str) -> None:
    assert kind(text + QUOTED) == "reply"


@pytest.mark.parametrize("text", [
    "STOP", "stop.", "Unsubscribe", "unsubscribe!!", "Please remove me from your list.", "Don't email us again.", "Don’t contact me",
    "Hi,\n\nplease take me off this list.\nBo", "Stop emailing us.", "REMOVE ME", "Opt-out\n\nSent from my phone", "No me escriban más, gracias.",
    "Me désinscrire svp", "leave us alone", "Stop\n\n--\nBo's Pizza\n12 W 30th St", "We no longer wish to receive these.", "Please remove!",
    "This is SPAM and I am reporting you to the FTC", "Delete my e-mail address now", "Bitte nehmen Sie uns aus Ihrem Verteiler.", "Abmelden",
    "Keine weiteren E-Mails bitte", "Quítenme de su lista", "Não quero mais receber isso", "Cancellatemi dalla lista", "Graag uitschrijven",
    "Ne m’écrivez plus", "请不要再发了", "退订", "수신거부 부탁드립니다", "メールの配信停止をお願いします", "Hủy đăng ký giúp tôi", "Отпишите меня",
])  # fmt: skip
def test_a_wish_to_hear_no_more_is_understood_in_words(text: str) -> None:
    assert kind(text + QUOTED) == "stop"


@pytest.mark.parametrize("under", ["Please unsubscribe us.\nBo", "STOP"])
def test_a_wish_that_is_written_under_the_quoted_letter_is_read(under: str) -> None:
    assert kind(QUOTED + "\n" + under) == "stop"


def test_the_broken_end_of_a_quoted_line_and_a_signature_are_no_wish() -> None:
    assert kind(QUOTED + "unsubscribe here\n\nSounds good.\n--\nTo unsubscribe from this group write to us") == "reply"


def test_a_subject_alone_can_say_it() -> None:
    assert kind("", subject="Unsubscribe") == "stop"


def test_the_quoted_letter_says_nothing_for_its_reader() -> None:
    assert kind(QUOTED) == "reply"


@pytest.mark.parametrize("quote", [
    QUOTED, "\n> unsubscribe", "\n-----Original Message-----\nunsubscribe", "\n________________________________\nFrom: Ana\nunsubscribe",
    "\nAm Di., 6. Okt. 2026 um 11:00 Uhr schrieb Ana Ruiz\n<r-abc@reply.us.example>:\nunsubscribe", "\nEl mar, 6 oct 2026, Ana escribió:\nunsubscribe",
    "\nFrom: Ana Ruiz\nSent: Tuesday\nTo: Bo\nSubject: Your page\nunsubscribe", "\nEm ter., 6 de out. de 2026, Ana escreveu:\nunsubscribe",
    "\nAna Ruiz <r-abc@reply.us.example> 于2026年10月6日周二 11:00写道：\nunsubscribe", "\nVào Th 3, 6 thg 10, 2026 Ana đã viết:\nunsubscribe",
    "\n-----Ursprüngliche Nachricht-----\nunsubscribe",
])  # fmt: skip
def test_what_is_quoted_is_left_out(quote: str) -> None:
    assert own_words("Sounds good." + quote, reply_rules()) == "Sounds good."


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated (vacation)",
        "X-Autoreply: yes",
        "Precedence: auto_reply",
    ],
)
def test_a_machine_says_so_in_its_headers(header: str) -> None:
    assert kind("I am away. To stop these notices write STOP.", headers=header) == "out_of_office"


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Your page",
        "Out of Office: Re: Your page",
        "Réponse automatique : Your page",
        "Abwesenheitsnotiz",
        "[Auto-Reply] Your page",
        "I'm out of the office until Monday",
        "Respuesta automática: Your page",
        "Risposta automatica: Your page",
        "Resposta automática: Your page",
        "Automatisch antwoord: Your page",
        "自动回复: Your page",
        "자동 회신: Your page",
        "Trả lời tự động: Your page",
        "Автоматический ответ: Your page",
    ],
)
def test_a_machine_says_so_in_its_subject(subject: str) -> None:
    assert kind("Back on Monday.", subject=subject) == "out_of_office"


def test_what_comes_from_nowhere_was_written_by_a_machine() -> None:
    nowhere = json.dumps({"to": ["r-abc@reply.us.example"], "from": ""})
    assert kind("I am travelling.", envelope=nowhere) == "out_of_office"


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "X-Auto-Response-Suppress: All", "Precedence: list"])
def test_a_person_with_such_headers_is_still_a_person(header: str) -> None:
    assert kind("Call me.", headers=header) == "reply"


def test_a_returned_mail_is_a_bounce_and_no_reply() -> None:
    assert kind("5.1.1 unknown", sender="Mail Delivery Subsystem <mailer-daemon@x.example>") == "bounce"


def test_the_envelopes_recipient_goes_before_the_shown_one() -> None:
    found = mail("x", to="somebody@else.example")
    assert found.recipients[0] == "r-abc@reply.us.example"


def test_html_alone_is_read_without_its_tags() -> None:
    found = mail("", html="<style>p{}</style><p>Please&nbsp;call</p><div>me</div>")
    assert found.text.split() == ["Please", "call", "me"]


def test_each_field_is_read_in_its_own_charset() -> None:
    body = form(to="r-abc@reply.us.example", charsets='{"text": "iso-8859-1"}', text="@").replace(
        b"@\r\n--xYzZY--", "désolé\r\n--xYzZY--".encode("latin-1")
    )
    assert read(FORM, body).text == "désolé"


def test_raw_mode_is_read_too() -> None:
    raw = "From: bo@shop1.example\nTo: r-abc@reply.us.example\nSubject: Re: Your page\nMessage-ID: <1@x>\n\nSTOP\n"
    found = read(
        FORM,
        form(
            email=raw,
            envelope='{"to": ["r-abc@reply.us.example"], "from": "bo@shop1.example"}',
            subject="Re: Your page",
        ),
    )
    assert (found.text.strip(), found.subject, kind_of(found, reply_rules())) == ("STOP", "Re: Your page", "stop")


def test_the_same_mail_has_one_fingerprint_whatever_its_form_looks_like() -> None:
    assert mail("a").fingerprint == mail("a", dkim="{@x : pass}").fingerprint


@pytest.mark.parametrize("body", [b"", b"--xYzZY", b"\x00\xff", form(text="to nobody"), b"--xYzZY\r\n" * 400])
def test_what_is_no_mail_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(FORM, body)


def test_another_content_type_is_malformed() -> None:
    with pytest.raises(Malformed):
        read("application/json", form(text="x", to="a@b.example"))


def test_a_delivery_report_is_put_together_from_its_attachment() -> None:
    status = b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; bo@shop1.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    body = form(
        file=("message/delivery-status", status),
        to="b-abc@reply.us.example",
        headers="From: mailer-daemon@x.example\nTo: b-abc@reply.us.example\n",
    )
    assert b"Status: 5.1.1" in (read(FORM, body).report or b"")
    assert inbound.read(FORM, form(text="x", to="a@b.example")).report is None
