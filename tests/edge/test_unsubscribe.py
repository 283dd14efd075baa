"""One click stops all mail; looking never does; a wrong link helps without telling anything."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from leadfactory.d09_delivery.tables import email_sends, suppressions
from leadfactory.inbox.tables import audit_log
from leadfactory.tokens import Tokens
from tests.leads import TUESDAY


def suppressed(world):
    return {(row.kind, bytes(row.subject_hmac)) for row in world.all(suppressions)}


@pytest.mark.parametrize("body", [{"List-Unsubscribe": "One-Click"}, {}, {"anything": "x" * 10_000}])
def test_a_post_suppresses_the_address_in_both_forms(world, body):
    send_id, _ = world.send(email="Info+web@shop1.example")
    answer = world.client.post(world.link(send_id), data=body, follow_redirects=False)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert suppressed(world) == {
        ("address", world.hashes.address("info+web@shop1.example")),
        ("address_plus_stripped", world.hashes.address("info@shop1.example")),
    }


def test_a_post_of_a_multipart_form_acts_too(world):
    send_id, _ = world.send()
    world.client.post(world.link(send_id), files={"List-Unsubscribe": (None, "One-Click")})
    assert len(suppressed(world)) == 1 + 1


def test_a_post_ends_what_is_planned_for_the_recipient_in_every_campaign(world):
    send_id, lead = world.send()
    planned, _ = world.send(step=2, state="planned", email=lead.email)
    elsewhere, _ = world.send(step=1, number=2, state="planned", email="info@shop1.example", campaign="dental-nyc")
    other, _ = world.send(number=3, state="planned")
    world.client.post(world.link(send_id))
    found = {row.send_id: (row.state, row.reason) for row in world.all(email_sends)}
    assert found[planned] == found[elsewhere] == ("refused", "unsubscribe")
    assert found[other] == ("planned", None)
    assert found[send_id] == ("accepted", None)


def test_a_post_is_audited_without_an_address(world):
    send_id, _ = world.send()
    world.client.post(world.link(send_id))
    (row,) = world.all(audit_log)
    assert (row.actor, row.action, row.send_id, row.happened_at) == ("recipient", "unsubscribe", send_id, TUESDAY)
    assert "@" not in str(row.detail)


def test_a_second_post_is_answered_alike(world):
    send_id, _ = world.send()
    first, second = world.client.post(world.link(send_id)), world.client.post(world.link(send_id))
    assert (second.status_code, second.text) == (200, first.text)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("tail", ["", "/not-me", "?List-Unsubscribe=One-Click"])
def test_looking_never_acts(world, method, tail):
    send_id, _ = world.send(state="planned")
    world.client.request(method, world.link(send_id) + tail)
    assert (suppressed(world), world.all(audit_log)) == (set(), [])
    assert [row.state for row in world.all(email_sends)] == ["planned"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_no_other_method_acts(world, method):
    send_id, _ = world.send()
    assert world.client.request(method, world.link(send_id)).status_code == 405
    assert suppressed(world) == set()


def test_the_page_says_where_and_when_the_address_was_found(world):
    send_id, _ = world.send()
    text = world.client.get(world.link(send_id)).text
    assert "https://shop1.example/contact" in text
    assert "6 October 2026" in text
    assert "500 Example Plaza" in text
    assert "info@shop1.example" not in text


def test_the_page_escapes_what_a_website_says(world):
    send_id, _ = world.send()
    with world.db.begin() as tx:
        tx.execute(sa.text("UPDATE enriched_businesses SET contact_email_url = 'https://x/<script>alert(1)</script>'"))
    assert "<script" not in world.client.get(world.link(send_id)).text


def test_not_the_right_person_suppresses_the_business_too(world):
    send_id, lead = world.send()
    assert world.client.post(world.link(send_id) + "/not-me").status_code == 200
    assert ("business", lead.business_id.bytes) in suppressed(world)
    assert len(suppressed(world)) == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_wrong_link_gets_the_same_helpful_answer(world, method):
    send_id, _ = world.send()
    good = world.link(send_id)
    elsewhere = Tokens("another-key").sign("unsubscribe", send_id)
    report = Tokens(world.settings.signing_keys.get_secret_value()).sign("report", send_id)
    links = [good[:-3], good[:-1] + "!", f"/u/{elsewhere}", f"/u/{report}", world.link(uuid.uuid4()), "/u/%00", "/u/é"]
    answers = [world.client.request(method, link) for link in links]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "unsubscribe" in answers[0].text
    assert suppressed(world) == set()


def test_a_link_signed_with_any_listed_key_works(world, config):
    send_id, _ = world.send()
    from starlette.testclient import TestClient

    from edge.app import create_app
    from tests.postgres import settings_for_tests

    old = config.signing_keys.get_secret_value()
    rotated = settings_for_tests(config.home, LEADFACTORY_SIGNING_KEYS=f"a-new-key,{old}")
    with TestClient(create_app(rotated, db=world.db)) as client:
        assert client.post(world.link(send_id)).status_code == 200
    assert len(suppressed(world)) == 2


def test_pages_carry_the_headers_that_keep_tokens_and_people_private(world):
    send_id, _ = world.send()
    headers = world.client.get(world.link(send_id)).headers
    assert headers["referrer-policy"] == "no-referrer"
    assert "noindex" in headers["x-robots-tag"]
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_pages_need_nothing_from_outside_and_no_script(world):
    send_id, _ = world.send()
    for answer in (
        world.client.get(world.link(send_id)),
        world.client.post(world.link(send_id)),
        world.client.get("/u/x"),
    ):
        assert not any(sign in answer.text for sign in ("<script", "<link", "<img", "src=", "@import", "url("))
        assert '<html lang="en">' in answer.text
        assert answer.text.count("<h1>") == 1


def test_an_edge_with_another_suppression_key_does_not_start(world, config):
    from starlette.testclient import TestClient

    from edge.app import create_app
    from leadfactory.d09_delivery.suppression import KeyMismatch
    from tests.postgres import settings_for_tests

    world.send()
    other = settings_for_tests(config.home, LEADFACTORY_SUPPRESSION_KEY="another key of some length")
    with pytest.raises(KeyMismatch), TestClient(create_app(other, db=world.db)):
        pass
