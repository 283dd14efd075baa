"""From the landing page to the hosted payment page and back, as a buyer with a browser goes."""

from __future__ import annotations

import pytest

from leadfactory.d07_storefront.tables import checkout_sessions


@pytest.fixture
def at_the_till(eyes, shop, letter, world):
    """The hosted page that the form led to."""
    eyes.open(letter["landing"])
    eyes.page.get_by_role("checkbox").check()
    eyes.page.get_by_role("button", name="Order and pay").click()
    eyes.page.wait_for_url(f"{world.settings.sandbox_url}/**")
    return eyes


def test_the_form_leads_to_the_payment_page_at_our_price(at_the_till, world):
    (row,) = world.all(checkout_sessions)
    assert (row.state, row.amount_cents, row.currency) == ("open", 19_900, "usd")
    assert "199" in at_the_till.page.inner_text("body")
    assert at_the_till.complaints == []


def test_who_goes_back_finds_the_offer_again(at_the_till, letter):
    at_the_till.open(letter["cancel"])
    assert at_the_till.judge("cancelled") == []
    assert at_the_till.open(letter["landing"]) == 200
