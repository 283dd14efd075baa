"""The review pages: who may come in, what is shown, and that each word said there is stored with its speaker's name."""

from __future__ import annotations

import asyncio
import datetime as dt
import html
import re
import uuid

import pytest
import sqlalchemy as sa

from edge import desk_access
from leadfactory import api_keys, pauses
from leadfactory.audit_log import audit_log
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.insights import facts_of
from leadfactory.d08_personalization.tables import draft_reviews, email_drafts
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.operator_links import OperatorLinks
from tests.leads import TUESDAY, UNIT

pytestmark = pytest.mark.filterwarnings("ignore:.*cookies.*:DeprecationWarning")


class Review:
    """The desk as a browser without JavaScript has it."""

    def __init__(self, world):
        self.world, self.client = world, world.client

    def link(self, name="Ana Ruiz", at=TUESDAY):
        return "/review/as/" + OperatorLinks(self.world.settings.signing_keys.get_secret_value()).sign(name, at)

    def enter(self, **who):
        answer = self.client.get(self.link(**who))
        assert answer.status_code == 200, answer.text
        return answer.text

    @property
    def drafts(self):
        return self.world.rows(sa.select(email_drafts).order_by(email_drafts.c.business_id, email_drafts.c.version))

    @property
    def said(self):
        return self.world.rows(sa.select(draft_reviews).order_by(draft_reviews.c.review_id))

    def show(self, draft_id):
        return self.client.get(f"/review/{draft_id}")

    def post(self, draft_id, action, **fields):
        shown = re.search(r'name="proof" value="([0-9a-f]+)"', self.show(draft_id).text)
        proof = {"proof": shown[1]} if shown else {}
        return self.client.post(f"/review/{draft_id}/{action}", data=proof | fields, follow_redirects=False)


@pytest.fixture
def review(world, once) -> Review:
    """Two letters of a campaign whose letters all wait."""

    def draft():
        with world.db.begin() as tx:
            tx.execute(sa.update(campaigns).values(review_percent=100))
        world.business(1)
        world.business(2)
        asyncio.run(world.through("draft"))

    once("review_drafted", draft)
    return Review(world)


@pytest.fixture
def desk(review) -> Review:
    """The same, with Ana inside."""
    review.enter()
    return review


def test_without_a_link_nothing_is_shown_and_the_way_in_is_told(review):
    draft = review.drafts[0].draft_id
    for path in ("/review", f"/review/{draft}", f"/review/{draft}/letter"):
        answer = review.client.get(path)
        assert answer.status_code == 401
        assert "leadfactory drafts review" in answer.text
        assert "Shop 1" not in answer.text


def test_without_a_link_nothing_can_be_said(review):
    answer = review.client.post(f"/review/{review.drafts[0].draft_id}/approve", data={"proof": "0" * 32})
    assert answer.status_code == 401
    assert {row.state for row in review.said} == {"waiting"}


def test_a_link_becomes_a_cookie_of_these_pages_that_no_script_reads(review):
    answer = review.client.get(review.link(), follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/review")
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/review"))


def test_a_link_that_ended_lets_nobody_in(review):
    answer = review.client.get(review.link(at=TUESDAY - dt.timedelta(hours=12)), follow_redirects=False)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert "ended at" in answer.text


def test_the_list_shows_each_letter_with_its_state(desk):
    text = desk.client.get("/review").text
    assert text.count(">waiting</span>") == 2
    assert all(f"/review/{row.draft_id}" in text for row in desk.drafts)


def test_the_list_is_narrowed_by_state_and_campaign(desk):
    assert "No letter is like this" in desk.client.get("/review?state=approved").text
    assert "No letter is like this" in desk.client.get("/review?campaign=other").text


def test_a_letter_is_shown_as_text_with_its_findings_and_the_source_of_each_number(desk):
    (draft, _) = desk.drafts
    text = html.unescape(desk.show(draft.draft_id).text)
    with desk.world.db.begin() as tx:
        facts = facts_of(tx, UNIT)[draft.business_id]
    told = [fact for fact in facts if fact.finding_id in draft.finding_ids]
    assert len(told) == 3
    assert all(f"<strong>{fact.says}</strong> {fact.why}" in text for fact in told)
    assert draft.body_text in text
    assert all(f'<th scope="row">{number}</th>' in text for number in draft.facts)


def test_the_frame_shows_the_letter_itself_and_nothing_of_it_acts(desk):
    (draft, _) = desk.drafts
    answer = desk.client.get(f"/review/{draft.draft_id}/letter")
    assert answer.text == draft.body_html
    said = answer.headers["content-security-policy"]
    assert "default-src 'none'" in said
    assert "frame-ancestors 'self'" in said
    assert said.endswith("; sandbox")
    assert "script-src" not in said


def test_approving_is_stored_with_the_name_and_leads_to_the_next_that_waits(desk):
    one, other = desk.drafts
    answer = desk.post(one.draft_id, "approve")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/review/{other.draft_id}?done=approved#main")
    newest = desk.said[-1]
    assert (newest.draft_id, newest.state, newest.reviewer) == (one.draft_id, "approved", "Ana Ruiz")


def test_what_is_said_is_in_the_audit_log(desk):
    one, other = desk.drafts
    desk.post(one.draft_id, "approve")
    desk.post(other.draft_id, "reject", reason="they closed")
    rows = [(row.actor, row.action, row.subject) for row in desk.world.all(audit_log)]
    assert rows == [
        ("operator Ana Ruiz", "draft_approved", str(one.draft_id)),
        ("operator Ana Ruiz", "draft_rejected", str(other.draft_id)),
    ]


def key(review, *scopes):
    with review.world.db.begin() as tx:
        return api_keys.create(tx, "ben", scopes, TUESDAY + dt.timedelta(days=9), TUESDAY)


def test_a_key_that_may_review_opens_the_pages_and_needs_no_proof(review):
    bearer = {"Authorization": f"Bearer {key(review, 'review')}"}
    draft = review.drafts[0].draft_id
    assert review.client.get(f"/review/{draft}", headers=bearer).status_code == 200
    assert review.client.post(f"/review/{draft}/approve", headers=bearer, follow_redirects=False).status_code == 303
    assert review.said[-1].reviewer == "ben"


def test_a_key_for_something_else_opens_nothing(review):
    answer = review.client.get("/review", headers={"Authorization": f"Bearer {key(review, 'dashboards')}"})
    assert answer.status_code == 403


def test_a_session_of_a_key_approves_with_its_proof_and_not_without(review):
    review.client.post("/login", data={"key": key(review, "review"), "next": "/review"})
    draft = review.drafts[0].draft_id
    assert review.client.post(f"/review/{draft}/approve", follow_redirects=False).status_code == 403
    assert review.post(draft, "approve").status_code == 303
    assert review.said[-1].reviewer == "ben"


def test_after_the_last_letter_the_list_says_so(desk):
    for row in desk.drafts:
        answer = desk.post(row.draft_id, "approve")
    assert answer.headers["location"] == "/review?done=approved#main"
    assert "No other letter of this campaign waits" in desk.client.get("/review?done=approved").text


def test_an_edit_becomes_a_new_version_with_the_editors_name(desk):
    draft = desk.drafts[0]
    answer = desk.post(draft.draft_id, "edit", subject="How your page comes up on a phone")
    new = answer.headers["location"].split("/")[2].split("?")[0]
    (stored,) = [row for row in desk.drafts if str(row.draft_id) == new]
    assert (stored.subject, stored.version, stored.wording) == ("How your page comes up on a phone", 2, "operator")
    assert (desk.said[-1].state, desk.said[-1].reviewer, desk.said[-1].edited_from) == ("edited", "Ana Ruiz", draft.draft_id)  # fmt: skip


def test_the_text_as_the_form_holds_it_can_be_stored_unchanged(desk):
    draft = desk.drafts[0]
    shown = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", desk.show(draft.draft_id).text, re.DOTALL)
    text = html.unescape(shown[1]).replace("\n", "\r\n")  # as browsers send it
    assert desk.post(draft.draft_id, "edit", text=text).status_code == 303
    first, second = [row for row in desk.drafts if row.business_id == draft.business_id]
    assert second.body_text == first.body_text


def test_an_edit_that_the_guard_refuses_is_shown_again_with_each_refusal_and_what_was_typed(desk):
    draft = desk.drafts[0]
    answer = desk.post(draft.draft_id, "edit", subject="73% of <b>your</b> guests leave before they see it")
    assert answer.status_code == 422
    assert "unsupported_number" in answer.text
    assert "use a number that a finding of this lead has" in answer.text
    assert 'value="73% of &lt;b&gt;your&lt;/b&gt; guests leave before they see it"' in answer.text
    assert len(desk.drafts) == 2


def test_a_rejection_is_stored_with_name_and_reason_and_stops_the_planned_send(desk):
    draft = desk.drafts[0]
    assert desk.post(draft.draft_id, "reject", reason="they closed").status_code == 303
    newest = desk.said[-1]
    assert (newest.state, newest.reviewer, newest.reason) == ("rejected", "Ana Ruiz", "they closed")


def test_a_rejection_without_a_reason_is_refused_on_the_page(desk):
    answer = desk.post(desk.drafts[0].draft_id, "reject", reason=" ")
    assert answer.status_code == 409
    assert "reason is empty" in answer.text


def test_a_letter_whose_audit_is_gone_can_still_be_rejected(desk):
    draft = desk.drafts[0]
    with desk.world.db.begin() as tx:
        tx.execute(sa.text("DELETE FROM audit_findings"))
    assert "it can only be rejected" in desk.show(draft.draft_id).text
    assert desk.post(draft.draft_id, "reject", reason="nothing behind it").status_code == 303


def test_a_form_of_another_page_is_not_heard(desk):
    draft = desk.drafts[0].draft_id
    for proof in ({}, {"proof": "0" * 32}, {"proof": "ä"}):
        assert desk.client.post(f"/review/{draft}/approve", data=proof).status_code == 403
    assert {row.state for row in desk.said} == {"waiting"}


def test_the_proof_of_one_operator_does_not_speak_for_another(desk):
    draft = desk.drafts[0].draft_id
    mine = re.search(r'name="proof" value="([0-9a-f]+)"', desk.show(draft).text)[1]
    desk.client.cookies.clear()
    desk.enter(name="Ben")
    assert desk.client.post(f"/review/{draft}/approve", data={"proof": mine}).status_code == 403


def test_what_was_superseded_or_sent_offers_no_form(desk):
    one, other = desk.drafts
    desk.post(one.draft_id, "edit", subject="How your page comes up on a phone")
    assert "superseded by version 2" in desk.show(one.draft_id).text
    assert "<button" not in desk.show(one.draft_id).text.split("</header>")[1]
    desk.world.send(9, state="accepted", business_id=other.business_id)
    assert "nothing can be changed about it any more" in desk.show(other.draft_id).text


def test_a_form_that_comes_too_late_is_answered_with_why(desk):
    one, _ = desk.drafts
    proof = re.search(r'name="proof" value="([0-9a-f]+)"', desk.show(one.draft_id).text)[1]
    desk.world.send(9, state="claimed", business_id=one.business_id)
    answer = desk.client.post(f"/review/{one.draft_id}/approve", data={"proof": proof})
    assert answer.status_code == 409
    assert "is claimed" in answer.text


def test_a_letter_that_does_not_exist_is_not_found(desk):
    assert desk.show(uuid.uuid4()).status_code == 404
    assert desk.client.get("/review/nothing").status_code == 404


def test_looking_at_everything_changes_nothing(desk):
    before = (desk.drafts, desk.said, desk.world.all(email_sends))
    for row in desk.drafts:
        desk.show(row.draft_id)
        assert desk.client.get(f"/review/{row.draft_id}/approve").status_code == 405
    assert (desk.drafts, desk.said, desk.world.all(email_sends)) == before


def test_leaving_takes_the_cookie_away(desk):
    answer = desk.client.post("/review/leave")
    assert answer.status_code == 401
    assert desk_access.COOKIE not in desk.client.cookies
    assert desk.client.get("/review").status_code == 401


def test_the_desk_says_what_an_operator_has_paused(review):
    assert "Paused:" not in review.enter()
    with review.world.db.begin() as tx:
        pauses.pause(tx, "all", "", reason="the disk is moved", by="ana", now=TUESDAY)
    assert "all is paused by ana" in review.enter()
    assert "all is paused by ana" in review.show(review.drafts[0].draft_id).text
