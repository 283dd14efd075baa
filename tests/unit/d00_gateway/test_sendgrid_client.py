"""SendGrid: one attempt a mail, what is known of it afterwards, and signatures."""

from __future__ import annotations

import base64
import dataclasses
import json
import uuid

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sendgrid.helpers import mail as helper

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.sendgrid import Mail, SendGridClient, message, signed_events_valid
from leadfactory.settings import Settings
from tests.unit.d00_gateway.hostile_answers import HOSTILE

PRICES = {"mail": {"microusd": 399, "per": "mail", "source": "test", "as_of": "2026-01-01"}}
MAIL = Mail(
    send_id=uuid.UUID(int=7), to_email="owner@joes.example", to_name="Joe", from_email="ann@leadfactory.example",
    from_name="Ann", reply_to="reply@leadfactory.example", subject="Your site", text="Hello", html="<p>Hello</p>",
    headers={"List-Unsubscribe": "<https://lf.example/u/1>"}, custom_args={"campaign": "c1"}, categories=("first",),
)  # fmt: skip


@pytest.fixture
def sendgrid(gateway_of, vendor):
    return SendGridClient(
        gateway_of("sendgrid", prices=PRICES), Settings(env="test", sendgrid_base_url=vendor.base_url)
    )


async def send(sendgrid, vendor, *answers):
    vendor.answers = list(answers)
    async with sendgrid.gateway.running():
        return await sendgrid.send(MAIL)


async def test_an_accepted_mail_returns_the_vendors_id(sendgrid, vendor, ledger_of):
    assert await send(sendgrid, vendor, (202, {"x-message-id": "abc"}, b"")) == "abc"
    assert [(row.status, row.cost_microusd) for row in ledger_of()] == [("ok", 399)]


async def test_the_message_carries_our_send_id_for_its_events_and_never_an_address(sendgrid, vendor):
    await send(sendgrid, vendor, (202, {"x-message-id": "abc"}, b""))
    body = json.loads(vendor.requests[0].partition(b"\r\n\r\n")[2])
    (person,) = body["personalizations"]
    assert person["custom_args"] == {"send_id": str(MAIL.send_id), "campaign": "c1"}
    assert person["to"] == [{"email": "owner@joes.example", "name": "Joe"}]


def test_plain_text_comes_before_html_and_links_stay_ours():
    built = message(MAIL)
    assert [part["type"] for part in built["content"]] == ["text/plain", "text/html"]
    assert built["tracking_settings"]["click_tracking"]["enable"] is False
    assert built["tracking_settings"]["open_tracking"]["enable"] is False
    assert built["headers"] == {"List-Unsubscribe": "<https://lf.example/u/1>"}
    assert (built["reply_to"], built["categories"]) == ({"email": "reply@leadfactory.example"}, ["first"])


@pytest.mark.parametrize(
    "answer",
    [(500, {}, {}), (503, {}, {}), "reset", (200, {}, {}), (302, {"location": "http://[::1"}, b""), HOSTILE["html"]],
)
async def test_an_outcome_that_nobody_knows_is_told_and_never_sent_again(sendgrid, vendor, answer):
    with pytest.raises(VendorUnavailable) as caught:
        await send(sendgrid, vendor, answer, (202, {"x-message-id": "second"}, b""))
    assert caught.value.left_the_house is True
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(("status", "reason"), [(429, "too_many_requests"), (401, "invalid_key"), (403, "forbidden")])
async def test_a_refusal_at_the_door_was_not_sent(sendgrid, vendor, status, reason):
    with pytest.raises(VendorUnavailable) as caught:
        await send(sendgrid, vendor, (status, {}, {"errors": [{"field": None, "message": "no"}]}))
    assert (caught.value.reason, caught.value.left_the_house) == (reason, False)
    assert len(vendor.requests) == 1


def by_the_helper(mail):
    """What the vendor's own library builds of a mail."""
    built = helper.Mail(from_email=helper.Email(mail.from_email, mail.from_name), subject=mail.subject)
    person = helper.Personalization()
    person.add_to(helper.To(mail.to_email, mail.to_name))
    for name, value in {"send_id": str(mail.send_id), **mail.custom_args}.items():
        person.add_custom_arg(helper.CustomArg(name, value))
    built.add_personalization(person)
    built.reply_to = helper.ReplyTo(mail.reply_to)
    built.add_content(helper.Content("text/plain", mail.text))
    built.add_content(helper.Content("text/html", mail.html))
    for name, value in mail.headers.items():
        built.add_header(helper.Header(name, value))
    for category in reversed(mail.categories):  # the helper turns them round
        built.add_category(helper.Category(category))
    built.tracking_settings = helper.TrackingSettings()
    built.tracking_settings.click_tracking = helper.ClickTracking(False, False)
    built.tracking_settings.open_tracking = helper.OpenTracking(False)
    return built.get()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"from_name": "Ruiz, Ana; of X", "to_name": 'Joe\'s "Pizza", Inc'},
        {"from_name": "", "headers": {}, "categories": (), "custom_args": {}},
        {"categories": ("c", "step-1"), "custom_args": {"campaign_day": "c|2026-10-06"}, "subject": "Zoë's 4.2 s"},
    ],
    ids=["plain", "names", "bare", "sorted"],
)
def test_a_mail_is_what_the_vendors_own_helper_makes_of_it(changed):
    mail = dataclasses.replace(MAIL, **changed)
    assert message(mail) == by_the_helper(mail)


async def test_a_vendor_that_nobody_listens_for_was_not_sent_to(gateway_of):
    client = SendGridClient(
        gateway_of("sendgrid", prices=PRICES), Settings(env="test", sendgrid_base_url="http://127.0.0.1:9")
    )
    async with client.gateway.running():
        with pytest.raises(VendorUnavailable) as caught:
            await client.send(MAIL)
    assert (caught.value.reason, caught.value.left_the_house) == ("connect_failed", False)


async def test_a_spent_budget_was_not_sent(gateway_of, vendor):
    gateway = gateway_of("sendgrid", prices=PRICES, budgets={"day_cents": 0})
    client = SendGridClient(gateway, Settings(env="test", sendgrid_base_url=vendor.base_url))
    async with gateway.running():
        with pytest.raises(VendorUnavailable) as caught:
            await client.send(MAIL)
    assert caught.value.left_the_house is False
    assert vendor.requests == []


@pytest.mark.parametrize("status", [400, 413])
async def test_a_mail_that_sendgrid_refuses_is_rejected(sendgrid, vendor, status):
    with pytest.raises(VendorRejected):
        await send(sendgrid, vendor, (status, {}, {"errors": [{"field": "subject", "message": "bad"}]}))


async def test_the_error_shows_no_address(sendgrid, vendor):
    with pytest.raises(VendorRejected) as caught:
        await send(sendgrid, vendor, (400, {}, {"errors": [{"message": "owner@joes.example does not exist"}]}))
    assert "joes.example" not in str(caught.value)


async def test_a_key_that_may_not_send_fails_the_ping_with_the_remedy(sendgrid, vendor):
    vendor.answers = [(200, {}, {"scopes": ["stats.read"]})]
    async with sendgrid.gateway.running():
        with pytest.raises(VendorUnavailable, match=r"mail\.send"):
            await sendgrid.ping()


def encoded(key):
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


KEY = ec.generate_private_key(ec.SECP256R1())
PAYLOAD = '[{"event":"delivered","email":"zoë@x.example"}]\r\n'.encode()
SIGNATURE = base64.b64encode(KEY.sign(b"1700000000" + PAYLOAD, ec.ECDSA(hashes.SHA256()))).decode()


def test_a_signature_over_the_raw_bytes_is_valid():
    assert signed_events_valid(PAYLOAD, SIGNATURE, "1700000000", encoded(KEY)) is True


@pytest.mark.parametrize(
    ("payload", "signature", "timestamp", "key"),
    [
        (PAYLOAD.strip(), SIGNATURE, "1700000000", encoded(KEY)),
        (PAYLOAD, SIGNATURE, "1700000001", encoded(KEY)),
        (PAYLOAD, SIGNATURE, "1700000000", encoded(ec.generate_private_key(ec.SECP256R1()))),
        (PAYLOAD, "not base64 \xff", "1700000000", encoded(KEY)),
        (PAYLOAD, "", "", encoded(KEY)),
        (b"\xff\xfe", SIGNATURE, "1700000000", encoded(KEY)),
        (PAYLOAD, SIGNATURE, "1700000000", ""),
        (PAYLOAD, SIGNATURE, "1700000000", "no key"),
        (PAYLOAD, SIGNATURE, "1700000000", encoded(rsa.generate_private_key(65537, 2048))),
    ],
)
def test_anything_else_is_invalid_and_never_an_error(payload, signature, timestamp, key):
    assert signed_events_valid(payload, signature, timestamp, key) is False
