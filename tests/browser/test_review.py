"""An operator reviews letters in a browser, on a phone and on a desktop, without a script."""

from __future__ import annotations

import asyncio
import threading

import pytest
import sqlalchemy as sa

from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d08_personalization.tables import draft_reviews, email_drafts
from leadfactory.operator_links import OperatorLinks
from tests.leads import TUESDAY


@pytest.fixture
def drafted(world):
    """Three letters, all of which wait."""
    with world.db.begin() as tx:
        tx.execute(sa.update(campaigns).values(review_percent=100))
    for number in (1, 2, 3):
        world.business(number)
    thread = threading.Thread(target=lambda: asyncio.run(world.through("draft")))  # this thread's loop is the browser's
    thread.start()
    thread.join()
    return world


@pytest.fixture
def desk(eyes, drafted):
    """The list, which Ana's link opened."""
    links = OperatorLinks(drafted.settings.signing_keys.get_secret_value())
    assert eyes.open("/review/as/" + links.sign("Ana Ruiz", TUESDAY)) == 200
    assert eyes.page.url.endswith("/review")
    return eyes


def said(world):
    return [(row.state, row.reviewer) for row in world.rows(sa.select(draft_reviews).order_by(draft_reviews.c.review_id))][3:]  # fmt: skip


def test_the_list_and_the_way_in(desk, eyes):
    assert desk.page.locator("ul.letters > li").count() == 3
    assert desk.judge("review_list") == []
    desk.page.get_by_role("button", name="Leave").click()
    assert "leadfactory drafts review" in desk.page.inner_text("main")
    assert desk.judge("review_closed") == []


def test_a_letter_is_seen_as_its_reader_sees_it_and_approved(desk, drafted):
    desk.page.locator("ul.letters a").first.click()
    frame = desk.page.frame_locator("iframe.letter")
    assert frame.get_by_text("Shop").first.is_visible()
    assert frame.locator("table table").first.evaluate("each => getComputedStyle(each).maxWidth") == "600px"
    assert desk.judge("review_letter") == []
    desk.page.get_by_role("button", name="Approve").click()
    desk.page.wait_for_selector("text=This is the next letter that waits")
    assert said(drafted) == [("approved", "Ana Ruiz")]


def test_an_edit_is_refused_with_reasons_then_mended_and_stored(desk, drafted):
    desk.page.locator("ul.letters a").first.click()
    desk.page.locator("summary", has_text="Word it otherwise").click()
    desk.page.get_by_label("Subject", exact=True).fill("73% of your guests leave before they see it")
    desk.page.get_by_role("button", name="Check and store").click()
    desk.page.wait_for_selector("text=unsupported_number")
    assert desk.judge("review_refused") == []
    assert desk.page.get_by_label("Subject", exact=True).input_value() == "73% of your guests leave before they see it"
    desk.page.get_by_label("Subject", exact=True).fill("How your page comes up on a phone")
    desk.page.get_by_role("button", name="Check and store").click()
    desk.page.wait_for_selector("text=Your wording is stored and may leave")
    assert desk.judge("review_edited") == []
    assert said(drafted) == [("edited", "Ana Ruiz")]
    newest = drafted.rows(sa.select(email_drafts).where(email_drafts.c.version == 2))
    assert [row.subject for row in newest] == ["How your page comes up on a phone"]


def test_a_rejection_asks_for_a_reason(desk, drafted):
    desk.page.locator("ul.letters a").first.click()
    desk.page.locator("summary", has_text="Reject").click()
    desk.page.get_by_role("button", name="Reject for good").click()
    assert said(drafted) == []
    desk.page.get_by_label("Why?").fill("they closed last week")
    desk.page.get_by_role("button", name="Reject for good").click()
    desk.page.wait_for_selector("text=Rejected for good")
    assert said(drafted) == [("rejected", "Ana Ruiz")]
