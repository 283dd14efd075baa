"""Who sells, and on which terms: complete, from configuration, and under every page."""

from __future__ import annotations

import re

import pytest

from edge.app import FOOTER
from leadfactory import seller


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html.split("</style>")[1]).split())


@pytest.mark.parametrize("name", FOOTER)
def test_it_is_there_and_names_the_seller(world, name):
    answer = world.client.get(f"/{name}")
    assert answer.status_code == 200
    assert seller.current().legal_name in answer.text
    assert "500 Example Plaza" in answer.text
    assert answer.text.count("<h1>") == 1


@pytest.mark.parametrize("name", FOOTER)
def test_every_page_leads_to_it(world, name):
    for answer in (world.client.get("/u/x"), world.client.get("/terms"), world.client.get(world.link(world.send()[0]))):
        assert f'href="/{name}"' in answer.text


def test_the_period_of_refunds_is_configured(world, monkeypatch):
    monkeypatch.setattr(seller, "current", lambda: seller.seller(None).model_copy(update={"refund_days": 30}))
    assert "Your money back within 30 days" in words(world.client.get("/refunds").text)
    assert "Within 30 days, without a reason" in words(world.client.get("/terms").text)


@pytest.mark.parametrize("name", FOOTER)
def test_it_takes_no_post(world, name):
    assert world.client.post(f"/{name}").status_code == 405


def test_an_invented_company_says_so(world):
    assert "This is an invented company" in words(world.client.get("/imprint").text)


def test_what_the_seller_does_not_have_is_not_shown(world, monkeypatch):
    changed = seller.seller(None).model_copy(update={"phone": None, "registered_at": None, "tax_id": "DE123"})
    monkeypatch.setattr(seller, "current", lambda: changed)
    told = words(world.client.get("/imprint").text)
    assert "Tax number DE123" in told
    assert "Phone" not in told
    assert "Register" not in told


def test_forms_may_lead_to_the_payment_page_and_nowhere_else(world):
    policy = world.client.get("/terms").headers["content-security-policy"]
    assert f"form-action 'self' {world.settings.sandbox_url};" in policy
    assert "script-src" not in policy
