"""Why did I get this, delete it, not my website, preferences: looking reads, pressing holds at once, strangers get nothing."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from leadfactory.d09_delivery.tables import email_sends, sequence_stops, suppressions
from leadfactory.erasure.tables import erasure_requests
from leadfactory.inbox.tables import audit_log
from leadfactory.tokens import Tokens
from tests.edge.test_footer_pages import words
from tests.edge.test_landing import link
from tests.leads import TUESDAY

PAGES = ("/why/", "/not-my-site/", "/preferences/")
POSTS = ("/why/{}/delete", "/not-my-site/{}", "/preferences/{}")


def token(world, send_id, purpose="recipient"):
    return link(world, send_id, purpose, "")


def reasons(world):
    return {(row.kind, row.reason) for row in world.all(suppressions)}


def test_why_tells_where_when_how_and_what_is_stored(world):
    send_id, _ = world.send()
    told = words(world.client.get("/why/" + token(world, send_id)).text)
    assert "https://shop1.example/contact" in told
    assert "6 October 2026 , 15:00 UTC" in told
    assert "i•••@shop1.example" in told
    assert "SHA-256" in told
    assert "Name Shop 1 (as the website publishes it)" in told


def test_why_does_not_show_the_whole_address(world):
    send_id, _ = world.send()
    assert "info@shop1.example" not in world.client.get("/why/" + token(world, send_id)).text


@pytest.mark.parametrize("purpose", ["recipient", "landing", "unsubscribe"])
@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_letter_names_its_recipient(world, path, purpose):
    send_id, _ = world.send()
    assert world.client.get(path + token(world, send_id, purpose)).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_looking_changes_nothing(world, path):
    send_id, _ = world.send(state="planned")
    world.client.get(path + token(world, send_id))
    world.client.head(path + token(world, send_id))
    assert (world.all(suppressions), world.all(erasure_requests), world.all(audit_log)) == ([], [], [])
    assert [row.state for row in world.all(email_sends)] == ["planned"]


@pytest.mark.parametrize("path", POSTS)
def test_a_wrong_token_is_refused_and_changes_nothing(world, path):
    send_id, _ = world.send()
    key = world.settings.signing_keys.get_secret_value()
    wrong = ["x", Tokens("another").sign("recipient", send_id), Tokens(key).sign("report", send_id),
             Tokens(key).sign("recipient", uuid.uuid4())]  # fmt: skip
    answers = [world.client.post(path.format(each), data={"choice": "none"}) for each in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert (world.all(suppressions), world.all(erasure_requests)) == ([], [])


def test_delete_suppresses_at_once_and_stores_the_request(world):
    send_id, _ = world.send()
    planned, _ = world.send(step=2, state="planned", email="info@shop1.example")
    assert world.client.post(f"/why/{token(world, send_id)}/delete").status_code == 200
    assert reasons(world) == {("address", "erased"), ("address_plus_stripped", "erased")}
    assert {row.send_id: row.state for row in world.all(email_sends)}[planned] == "refused"
    (request,) = world.all(erasure_requests)
    assert bytes(request.email_hmac) == world.hashes.address("info@shop1.example")
    assert (request.source, request.requested_at, request.completed_at) == ("recipient", TUESDAY, None)


def test_delete_again_asks_once(world):
    send_id, _ = world.send()
    first, second = (world.client.post(f"/why/{token(world, send_id)}/delete") for _ in range(2))
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert len(world.all(erasure_requests)) == 1


def test_a_deletion_is_audited_without_an_address(world):
    send_id, _ = world.send()
    world.client.post(f"/why/{token(world, send_id)}/delete")
    (row,) = world.all(audit_log)
    assert (row.actor, row.action, row.send_id) == ("recipient", "erasure_requested", send_id)
    assert "@" not in str(row.detail)


@pytest.mark.parametrize(("chosen", "reason"), [("not_mine", "not_my_website"), ("wrong_person", "not_the_right_person"), ("odd", "not_my_website")])  # fmt: skip
def test_not_my_website_stops_address_and_business(world, chosen, reason):
    send_id, lead = world.send()
    assert world.client.post("/not-my-site/" + token(world, send_id), data={"reason": chosen}).status_code == 200
    assert reasons(world) == {("address", reason), ("address_plus_stripped", reason), ("business", reason)}
    assert ("business", lead.business_id.bytes) in {(r.kind, bytes(r.subject_hmac)) for r in world.all(suppressions)}


def test_no_reminders_ends_follow_ups_and_nothing_else(world):
    send_id, lead = world.send()
    planned, _ = world.send(step=2, state="planned", email=lead.email)
    with world.db.begin() as tx:
        tx.execute(sa.update(email_sends).where(email_sends.c.step == 2).values(business_id=lead.business_id))
    world.client.post("/preferences/" + token(world, send_id), data={"choice": "no_reminders"})
    assert {row.send_id: row.state for row in world.all(email_sends)}[planned] == "refused"
    assert [row.reason for row in world.all(sequence_stops)] == ["unsubscribe"]
    assert world.all(suppressions) == []


def test_nothing_at_all_suppresses_the_address(world):
    send_id, _ = world.send()
    answer = world.client.post("/preferences/" + token(world, send_id), data={"choice": "none"})
    assert "You get no more mail from us" in words(answer.text)
    assert reasons(world) == {("address", "unsubscribe"), ("address_plus_stripped", "unsubscribe")}


@pytest.mark.parametrize("data", [{}, {"choice": "everything"}])
def test_who_chooses_nothing_changes_nothing(world, data):
    send_id, _ = world.send()
    answer = world.client.post("/preferences/" + token(world, send_id), data=data)
    assert "Nothing was changed" in words(answer.text)
    assert (world.all(suppressions), world.all(sequence_stops)) == ([], [])


FOREIGN = [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"},
           {"sec-fetch-site": "cross-site", "origin": "null"}]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", POSTS)
def test_a_form_of_another_website_is_refused(world, path, headers):
    send_id, _ = world.send()
    answer = world.client.post(path.format(token(world, send_id)), data={"choice": "none"}, headers=headers)
    assert answer.status_code == 403
    assert (world.all(suppressions), world.all(erasure_requests), world.all(audit_log)) == ([], [], [])


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin", "origin": "null"}, {"origin": "http://testserver"}, {}]
)
def test_our_own_form_is_taken_as_browsers_send_it(world, headers):
    send_id, _ = world.send()
    path = "/preferences/" + token(world, send_id)
    assert world.client.post(path, data={"choice": "none"}, headers=headers).status_code == 200
    assert len(world.all(suppressions)) == 2


@pytest.mark.parametrize("path", POSTS)
def test_a_body_beyond_the_limit_is_refused(world, path):
    send_id, _ = world.send()
    there = path.format(token(world, send_id))
    form = {"content-type": "application/x-www-form-urlencoded"}
    announced = world.client.post(there, content=b"choice=none&x=" + b"x" * 5000, headers=form)
    streamed = world.client.post(there, content=iter([b"choice=none&x=", b"x" * 5000]), headers=form)
    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert world.all(suppressions) == []


def test_what_is_no_form_is_refused(world):
    send_id, _ = world.send()
    answer = world.client.post("/preferences/" + token(world, send_id), json={"choice": "none"})
    assert answer.status_code == 415
    assert world.all(suppressions) == []
