"""The SendGrid client against the sandbox's truth: what was accepted, what was not, and what nobody told us."""

from __future__ import annotations

import uuid

import pytest
from pydantic import SecretStr

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.sendgrid import Mail, SendGridClient


@pytest.fixture
def sendgrid(gateway, settings):
    return SendGridClient(gateway, settings)


def a_mail(**changes):
    fields = {
        "send_id": uuid.uuid4(), "to_email": "owner@joes.example", "to_name": "Zoë", "from_email": "ann@leadfactory.example",
        "from_name": "Ann", "reply_to": "reply@leadfactory.example", "subject": "Your site", "text": "Hello",
        "html": "<p>Hello</p>", "headers": {"List-Unsubscribe": "<https://lf.example/u/1>"}, "custom_args": {"campaign": "c1"},
        "categories": ("first",),
    }  # fmt: skip
    return Mail(**fields | changes)


def accepted(truth, mail):
    return [entry for entry in truth("sendgrid", kind="mail") if str(mail.send_id) in str(entry)]


async def test_an_accepted_mail_is_in_the_truth_once_under_the_id_we_got(sendgrid, truth):
    mail = a_mail()
    message_id = await sendgrid.send(mail)
    (entry,) = accepted(truth, mail)
    assert message_id in str(entry)


async def test_a_lost_answer_is_unknown_and_was_accepted_once(sendgrid, truth, fault):
    fault(vendor="sendgrid", kind="lost", count=1)
    mail = a_mail()
    with pytest.raises(VendorUnavailable) as caught:
        await sendgrid.send(mail)
    assert caught.value.left_the_house is True
    assert len(accepted(truth, mail)) == 1


@pytest.mark.parametrize(("kind", "left"), [("429", False), ("5xx", True), ("reset", True)])
async def test_a_fault_is_not_sent_twice(sendgrid, truth, fault, kind, left):
    fault(vendor="sendgrid", kind=kind, count=1)
    mail = a_mail()
    with pytest.raises(VendorUnavailable) as caught:
        await sendgrid.send(mail)
    assert caught.value.left_the_house is left
    assert accepted(truth, mail) == []


async def test_a_sender_that_is_not_verified_was_not_sent(sendgrid, truth):
    mail = a_mail(from_email="ann@stranger.example")
    with pytest.raises(VendorUnavailable) as caught:
        await sendgrid.send(mail)
    assert (caught.value.reason, caught.value.left_the_house) == ("forbidden", False)
    assert accepted(truth, mail) == []


@pytest.mark.parametrize("changes", [{"subject": ""}, {"to_email": "no address"}, {"headers": {"To": "x@y.example"}}])
async def test_a_mail_that_the_vendor_refuses_is_rejected(sendgrid, truth, changes):
    mail = a_mail(**changes)
    with pytest.raises(VendorRejected):
        await sendgrid.send(mail)
    assert accepted(truth, mail) == []


async def test_a_wrong_key_fails_the_ping(gateway, settings):
    client = SendGridClient(gateway, settings.model_copy(update={"sendgrid_api_key": SecretStr("SG.wrong")}))
    with pytest.raises(VendorUnavailable) as caught:
        await client.ping()
    assert caught.value.reason == "invalid_key"


async def test_the_ping_sends_nothing(sendgrid, truth):
    before = len(truth("sendgrid"))
    assert await sendgrid.ping() == "ok"
    assert len(truth("sendgrid")) == before
