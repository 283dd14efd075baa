"""From the landing page to the hosted payment page and back, as a buyer with a browser goes."""

from __future__ import annotations

import pypdfium2
import pytest

from leadfactory.d07_storefront.tables import checkout_sessions, purchases
from tests.browser.conftest import SCREENSHOTS, WIDTHS
from tests.edge.shops import KEY

ON_A_PHONE = pytest.mark.parametrize("eyes", [WIDTHS[0]], indirect=True, ids=["phone"])


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


def pay(eyes, card="4242 4242 4242 4242"):
    """What a buyer types on the hosted page."""
    page = eyes.page
    page.get_by_label("E-mail").fill("owner@shop1.example")
    page.get_by_label("Name", exact=True).fill("Ida Owner")
    page.get_by_label("Card number").fill(card)
    page.get_by_label("Expiry").fill("12 / 34")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Pay $199.00").click()


def test_a_buyer_pays_opens_the_report_and_its_pdf_and_is_sold_nothing_more(at_the_till, world, letter, tmp_path):
    assert at_the_till.judge("till") == []
    pay(at_the_till)
    at_the_till.page.wait_for_selector("text=Your report is ready")
    assert at_the_till.judge("success") == []
    assert [(row.state, row.amount_cents) for row in world.all(purchases)] == [("paid", 19_900)]
    link = at_the_till.page.get_by_role("link", name="Open the PDF")
    address = str(link.get_attribute("href"))
    file = tmp_path / "report.pdf"
    file.write_bytes(at_the_till.page.request.get(address).body())
    document = pypdfium2.PdfDocument(file)
    assert "shop1.example" in document[0].get_textpage().get_text_range()
    assert len(document) >= 6
    document[0].render(scale=1).to_pil().save(SCREENSHOTS / "bought-pdf.png")
    link.click()  # Chromium's own reader shows it
    at_the_till.page.wait_for_url(address)
    at_the_till.page.go_back()
    at_the_till.page.get_by_role("link", name="Read the report").click()
    at_the_till.page.wait_for_url("**/r/**")
    assert at_the_till.judge("bought") == []
    at_the_till.open(letter["landing"])
    assert at_the_till.page.get_by_role("button", name="Order and pay").count() == 0
    assert at_the_till.page.get_by_role("link", name="Have the links sent again").is_visible()
    assert at_the_till.judge("landing_sold") == []


@ON_A_PHONE
def test_a_card_that_is_declined_takes_nothing_and_another_pays(at_the_till, world):
    pay(at_the_till, card="4000 0000 0000 0002")
    assert at_the_till.page.get_by_role("alert").is_visible()
    assert [row.state for row in world.all(purchases) if row.state == "paid"] == []
    pay(at_the_till)
    at_the_till.page.wait_for_selector("text=Your report is ready")
    assert [row.state for row in world.all(purchases)] == ["paid"]


@ON_A_PHONE
def test_who_leaves_the_till_is_told_that_nothing_was_taken(at_the_till, world):
    at_the_till.page.get_by_role("link", name="Back to the shop").click()
    at_the_till.page.wait_for_selector("text=You were not charged")
    at_the_till.page.get_by_role("link", name="Back to your website").click()
    assert at_the_till.page.get_by_role("button", name="Order and pay").is_visible()
    assert world.all(purchases) == []


@ON_A_PHONE
def test_a_till_that_ran_out_says_so_and_the_next_click_opens_another(at_the_till, shop, world, letter):
    session_id = at_the_till.page.url.rsplit("/", 1)[1]
    shop.vendor.post(f"/stripe/v1/checkout/sessions/{session_id}/expire", headers=KEY).raise_for_status()
    at_the_till.page.reload()
    assert "has expired" in at_the_till.page.inner_text("main")
    shop.tell()
    at_the_till.open(f"/success?session_id={session_id}")
    assert "This payment page is over" in at_the_till.page.inner_text("main")
    assert at_the_till.judge("payment_expired") == []
    at_the_till.open(letter["landing"])
    at_the_till.page.get_by_role("checkbox").check()
    at_the_till.page.get_by_role("button", name="Order and pay").click()
    at_the_till.page.wait_for_url(f"{world.settings.sandbox_url}/**")
    assert at_the_till.page.url.rsplit("/", 1)[1] != session_id
