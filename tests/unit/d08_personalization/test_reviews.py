"""Operator review: who waits by policy, what approving, editing and rejecting do, and what a changed sender does to an edit."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa

from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d08_personalization import desk, listing, reviews
from leadfactory.d08_personalization.desk import Edit, EditRefused
from leadfactory.d08_personalization.reviews import ReviewRefused
from leadfactory.d08_personalization.tables import draft_reviews, email_drafts
from leadfactory.d09_delivery import claiming, planning
from leadfactory.d09_delivery.claiming import Desk
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.tokens import Tokens
from tests.leads import TUESDAY, UNIT, Leads

LATER = TUESDAY + dt.timedelta(minutes=5)
OWN_TEXT = """Hello Shop team,

I had a look at your page myself today, and I think that some things on it are worth an hour of your time this week.

What I would look at first
The main content of the page needs 6.1 seconds to show on a phone. People who look for a table on their way home will not wait for it,
and the large pictures at the top are the reason.

The opening hours are missing on the home page. That is a matter of minutes, and people look for them before anything else."""


class Office(Leads):
    """Leads, and the words of an operator called Ana."""

    def drafts(self):
        return self.rows(sa.select(email_drafts).order_by(email_drafts.c.business_id, email_drafts.c.version))

    def said(self):
        return self.rows(sa.select(draft_reviews).order_by(draft_reviews.c.review_id))

    def do(self, action, draft_id, *more):
        tokens = Tokens(self.settings.signing_keys.get_secret_value())
        with self.db.begin() as tx:
            case = desk.case_of(tx, draft_id, tokens, self.settings.public_url, LATER)
            return action(tx, case, *more, LATER)

    def claimed(self):
        """Plans and claims; the ids of the drafts that would leave."""
        office = Desk.of(self.settings)
        with self.db.begin() as tx:
            planning.plan_sends(tx, UNIT, LATER, self.hashes)
            letters = claiming.claim(tx, office, UNIT, LATER, most=100).letters
            chosen = [letter.send_id for letter in letters]
            return set(tx.scalars(sa.select(email_sends.c.draft_id).where(email_sends.c.send_id.in_(chosen))))

    def configure(self, **changes):
        with self.db.begin() as tx:
            tx.execute(sa.update(campaigns).values(**changes))


@pytest.fixture
def office(database, config) -> Office:
    return Office(database, config)


async def drafted(office: Office, percent: int, count: int = 1) -> Office:
    office.campaign(review_percent=percent)
    for number in range(count):
        office.business(number)
    await office.through("draft")
    return office


@pytest.fixture
async def waiting(office: Office) -> Office:
    """One letter of a campaign whose letters all wait for a person."""
    return await drafted(office, 100)


async def test_without_review_every_letter_leaves_and_nobody_is_asked(office):
    await drafted(office, 0, 3)
    assert office.said() == []
    assert office.claimed() == {row.draft_id for row in office.drafts() if row.status == "drafted"}


async def test_under_all_nothing_leaves_before_a_person_said_so(waiting):
    (draft,) = waiting.drafts()
    assert [(row.state, row.reason, row.reviewer) for row in waiting.said()] == [("waiting", "policy", None)]
    assert waiting.claimed() == set()
    waiting.do(desk.approve, draft.draft_id, "ana")
    assert waiting.claimed() == {draft.draft_id}
    assert waiting.said()[-1].content_hash == draft.content_hash


async def test_a_sample_holds_back_the_same_businesses_in_python_and_in_the_database(office):
    await drafted(office, 30, 30)
    drafts = [row for row in office.drafts() if row.status == "drafted"]
    asked = {row.draft_id for row in office.said()}
    assert asked == {row.draft_id for row in drafts if reviews.sampled(row.business_id, 1, 30)}
    assert 0 < len(asked) < len(drafts)
    assert office.claimed() == {row.draft_id for row in drafts} - asked


async def test_a_policy_that_was_made_stricter_holds_back_what_was_drafted_before(office):
    await drafted(office, 0)
    office.configure(review_percent=100)
    assert office.claimed() == set()
    office.configure(review_percent=0)
    assert len(office.claimed()) == 1


async def test_a_policy_made_stricter_between_plan_and_claim_holds_back_what_was_planned(office):
    await drafted(office, 0)
    with office.db.begin() as tx:
        assert planning.plan_sends(tx, UNIT, LATER, office.hashes) == 1
    office.configure(review_percent=100)
    assert office.claimed() == set()


async def test_what_was_rejected_never_leaves_and_its_send_says_who_said_so(office):
    await drafted(office, 0)
    (draft,) = office.drafts()
    with office.db.begin() as tx:
        planning.plan_sends(tx, UNIT, LATER, office.hashes)
    office.do(lambda tx, case, now: desk.reject(tx, case.row, "ana", "they closed", now), draft.draft_id)
    assert office.claimed() == set()
    (send,) = office.rows(sa.select(email_sends))
    assert (send.state, send.reason) == ("refused", "draft rejected by ana: they closed")


async def test_a_rejection_needs_a_reason(waiting):
    (draft,) = waiting.drafts()
    with pytest.raises(ReviewRefused, match="reason is empty"):
        waiting.do(lambda tx, case, now: desk.reject(tx, case.row, "ana", "  ", now), draft.draft_id)


async def test_an_edit_is_a_new_version_that_passed_the_guard_and_leaves(waiting):
    (draft,) = waiting.drafts()
    new = waiting.do(desk.edit, draft.draft_id, Edit(text=OWN_TEXT), "ana")
    before, after = waiting.drafts()
    assert before == draft
    assert (after.draft_id, after.version, after.wording, after.status) == (new, 2, "operator", "drafted")
    assert OWN_TEXT.split("\n\n")[1] in after.body_text
    assert uuid.UUID(after.facts["6.1"]) in after.finding_ids
    assert (after.subject, after.price_cents) == (before.subject, before.price_cents)
    assert (waiting.said()[-1].state, waiting.said()[-1].edited_from) == ("edited", draft.draft_id)
    assert waiting.claimed() == {new}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (Edit(subject="73% of your guests leave before they see it"), "unsupported_number"),
        (Edit(preview="We guarantee more guests for your table"), "absolute_claim"),
        (Edit(text=OWN_TEXT + "\n\nSee evil.example for more."), "foreign_link"),
        (Edit(text="Short."), "body_words"),
    ],
)
async def test_an_edit_that_the_guard_refuses_is_not_stored(waiting, change, code):
    (draft,) = waiting.drafts()
    with pytest.raises(EditRefused) as refused:
        waiting.do(desk.edit, draft.draft_id, change, "ana")
    assert code in {each.code for each in refused.value.problems}
    assert waiting.drafts() == [draft]
    assert len(waiting.said()) == 1


async def test_an_operators_letter_is_not_written_over_when_the_sender_changes_but_waits_with_the_reason(waiting):
    (draft,) = waiting.drafts()
    edited = waiting.do(desk.edit, draft.draft_id, Edit(text=OWN_TEXT), "ana")
    waiting.configure(sender_name="Ben Okafor", review_percent=0)
    for _ in range(2):
        await waiting.through("draft")
    assert [row.version for row in waiting.drafts()] == [1, 2]
    assert [row.state for row in waiting.said()] == ["waiting", "edited", "waiting"]
    assert "sender changed" in waiting.said()[-1].reason
    assert waiting.claimed() == set()
    framed = waiting.do(desk.approve, edited, "ana")
    newest = waiting.drafts()[-1]
    assert (newest.draft_id, newest.wording) == (framed, "operator")
    assert OWN_TEXT.split("\n\n")[1] in newest.body_text
    assert "Ben Okafor" in newest.body_text
    assert waiting.claimed() == {framed}


async def test_our_own_letter_is_written_anew_when_the_sender_changes_and_waits_again(waiting):
    (draft,) = waiting.drafts()
    waiting.do(desk.approve, draft.draft_id, "ana")
    waiting.configure(sender_name="Ben Okafor")
    await waiting.through("draft")
    assert [row.version for row in waiting.drafts()] == [1, 2]
    assert waiting.said()[-1].state == "waiting"
    assert waiting.claimed() == set()


async def test_a_rejected_letter_is_not_written_anew_when_the_sender_changes(waiting):
    (draft,) = waiting.drafts()
    waiting.do(lambda tx, case, now: desk.reject(tx, case.row, "ana", "they closed", now), draft.draft_id)
    waiting.configure(sender_name="Ben Okafor")
    await waiting.through("draft")
    assert len(waiting.drafts()) == 1


async def test_nothing_can_be_said_about_what_was_superseded_or_has_left(waiting):
    (draft,) = waiting.drafts()
    edited = waiting.do(desk.edit, draft.draft_id, Edit(text=OWN_TEXT), "ana")
    with pytest.raises(ReviewRefused, match="superseded by version 2"):
        waiting.do(desk.approve, draft.draft_id, "ana")
    assert waiting.claimed() == {edited}
    with pytest.raises(ReviewRefused, match="is claimed"):
        waiting.do(desk.edit, edited, Edit(subject="How your page comes up on a phone"), "ana")


async def test_a_draft_that_does_not_exist_is_named(waiting):
    with pytest.raises(ReviewRefused, match="has no letter"):
        waiting.do(desk.approve, uuid.uuid4(), "ana")


async def test_the_list_shows_what_waits_first_and_filters_by_state(office):
    await drafted(office, 30, 12)
    with office.db.begin() as tx:
        rows = listing.listed(tx)
        assert [row["state"] for row in rows] == sorted((row["state"] for row in rows), key=lambda s: s != "waiting")
        waits = listing.listed(tx, state="waiting", campaign=UNIT.campaign)
        assert {row["draft_id"] for row in waits} == {row.draft_id for row in office.said()}
        with pytest.raises(ValueError, match="choose from"):
            listing.listed(tx, state="maybe")


@pytest.mark.parametrize(("policy", "percent"), [("auto", 0), ("sample", 10), ("all", 100), ("25", 25), ("25%", 25)])
def test_a_policy_is_a_percentage(policy, percent):
    assert reviews.percent_of(policy) == percent


@pytest.mark.parametrize("policy", ["some", "101", "-1", ""])
def test_a_policy_that_is_none_is_named(policy):
    with pytest.raises(ValueError, match="choose auto, sample, all"):
        reviews.percent_of(policy)


def test_a_sample_is_about_its_share():
    held = sum(reviews.sampled(uuid.uuid5(uuid.NAMESPACE_OID, str(n)), 1, 10) for n in range(2000))
    assert 150 < held < 250
