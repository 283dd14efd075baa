"""Every page that a recipient or buyer sees, on a phone and on a desktop: no rule of axe broken, no complaint, nothing to the side."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from leadfactory.d07_storefront.tables import checkout_sessions
from leadfactory.d09_delivery.tables import email_sends, suppressions
from leadfactory.erasure.tables import erasure_requests


@pytest.mark.parametrize("name", ["landing", "why", "not_mine", "preferences", "unsubscribe", "cancel"])
def test_a_page_of_a_letter(eyes, letter, name):
    assert eyes.open(letter[name]) == 200
    assert eyes.judge(name) == []


@pytest.mark.parametrize("name", ["terms", "privacy", "refunds", "contact", "imprint", "reports/lost"])
def test_a_page_of_the_seller(eyes, name):
    assert eyes.open(f"/{name}") == 200
    assert eyes.judge(name.replace("/", "_")) == []


def test_a_link_that_leads_nowhere(eyes):
    assert eyes.open("/a/nothing") == 404
    assert eyes.judge("not_found") == []


def test_an_offer_that_is_over(eyes, letter, world):
    with world.db.begin() as tx:
        tx.execute(sa.text("UPDATE site_audits SET fetched_at = fetched_at - interval '91 days'"))
    assert eyes.open(letter["landing"]) == 410
    assert "This offer is over" in eyes.page.inner_text("main")
    assert eyes.judge("expired") == []


def test_the_landing_page_shows_price_and_findings_to_the_eye(eyes, letter):
    eyes.open(letter["landing"])
    assert eyes.page.locator("article.finding").count() == 3
    assert eyes.page.get_by_role("button", name="Order and pay $199 USD").is_visible()
    assert eyes.page.get_by_role("link", name="Why did I get this?").is_visible()


def test_a_summary_opens_without_a_script(eyes, letter):
    eyes.open(letter["landing"])
    detail = eyes.page.locator("article.finding details").first
    detail.locator("summary").click()
    assert detail.locator("p").is_visible()
    assert eyes.judge("landing_open") == []


def test_unsubscribing_takes_one_press(eyes, letter, world):
    eyes.open(letter["unsubscribe"])
    eyes.page.get_by_role("button", name="Never write to me again").click()
    eyes.page.wait_for_selector("text=You get no more mail from us")
    assert len(world.all(suppressions)) == 2
    assert eyes.judge("unsubscribed") == []


def test_deleting_takes_one_press(eyes, letter, world):
    eyes.open(letter["why"])
    eyes.page.get_by_role("button", name="Delete what you have about me").click()
    eyes.page.wait_for_selector("text=We delete what we have about you")
    assert len(world.all(erasure_requests)) == 1
    assert eyes.judge("deleted") == []
    assert eyes.open(letter["landing"]) == 410


def test_not_my_website_takes_one_press(eyes, letter, world):
    eyes.open(letter["not_mine"])
    eyes.page.get_by_label("It is, but I am not the right person").check()
    eyes.page.get_by_role("button", name="Stop all of it").click()
    eyes.page.wait_for_selector("text=You get no more mail from us")
    assert {row.reason for row in world.all(suppressions)} == {"not_the_right_person"}


def test_preferences_are_kept(eyes, letter, world):
    eyes.open(letter["preferences"])
    eyes.page.get_by_label("Nothing at all.").check()
    eyes.page.get_by_role("button", name="Save").click()
    eyes.page.wait_for_selector("text=You get no more mail from us")
    eyes.open(letter["preferences"])
    assert eyes.judge("preferences_stopped") == []
    assert len(world.all(suppressions)) == 2


def test_no_checkout_without_the_consent_to_immediate_delivery(eyes, letter, world):
    eyes.open(letter["landing"])
    eyes.page.get_by_role("button", name="Order and pay").click()
    assert "/a/" in eyes.page.url
    assert world.all(checkout_sessions) == []
    assert len(world.all(email_sends)) == 1
