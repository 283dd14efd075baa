"""A letter as mail programs show it, on a phone and on a desktop: nothing to the side, readable, the one button in reach."""

from __future__ import annotations

import asyncio
import threading

import pytest
import sqlalchemy as sa

from leadfactory.d08_personalization.tables import email_drafts


@pytest.fixture
def letters(world):
    """The stored letters of three businesses."""
    for number in (1, 2, 3):
        world.business(number)
    thread = threading.Thread(target=lambda: asyncio.run(world.through("draft")))  # this thread's loop is the browser's
    thread.start()
    thread.join()
    return world.rows(sa.select(email_drafts).order_by(email_drafts.c.business_id))


def test_letters_are_rendered_within_the_width_and_without_a_fault_of_axe(eyes, letters):
    assert len(letters) == 3
    for number, draft in enumerate(letters, 1):
        eyes.page.set_content(draft.body_html)
        assert [each for each in eyes.judge(f"letter-{number}") if not each.startswith(LAYOUT)] == []
        size = eyes.page.locator("p").first.evaluate("each => parseFloat(getComputedStyle(each).fontSize)")
        assert size >= 16
        button = eyes.page.get_by_role("link").first.bounding_box()
        assert button["height"] >= 44


def test_the_preview_is_not_seen_and_the_price_is(eyes, letters):
    eyes.page.set_content(letters[0].body_html)
    assert not eyes.page.get_by_text(letters[0].preview, exact=True).is_visible()
    assert eyes.page.get_by_text("$199 USD").is_visible()


# a mail is shown inside a program's own page: it brings no main landmark and no language switch of its own
LAYOUT = ("axe landmark-one-main", "axe region", "axe page-has-heading-one")
