"""The page behind a letter's link: three findings in full, of the rest only the count, and a link that tells a stranger nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import re

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from edge.app import create_app
from leadfactory.d03_assessment import catalogue
from leadfactory.d03_assessment.tables import audit_findings
from leadfactory.d07_storefront.price_book import price_for
from leadfactory.d07_storefront.tables import checkout_sessions, price_book
from leadfactory.tables import metadata
from leadfactory.tokens import Tokens
from tests.edge.test_footer_pages import words
from tests.leads import TUESDAY
from tests.postgres import settings_for_tests


def link(world, send_id, purpose="landing", under="/a/"):
    return under + Tokens(world.settings.signing_keys.get_secret_value()).sign(purpose, send_id)


@pytest.fixture
def mailed(world):
    """An audited business that was written to, and its link."""
    send_id, lead = world.send()
    asyncio.run(world.through("audit"))
    with world.db.begin() as tx:
        price_for(tx, lead.business_id, world.unit.campaign, TUESDAY)
    return link(world, send_id), send_id, lead


def counts(world):
    with world.db.begin() as tx:
        return {
            table.name: tx.scalar(sa.select(sa.func.count()).select_from(table)) for table in metadata.sorted_tables
        }


def later(world, config, days):
    at = (TUESDAY + dt.timedelta(days=days)).isoformat()
    return create_app(settings_for_tests(config.home, LEADFACTORY_CLOCK=at), db=world.db)


def test_it_tells_score_three_findings_and_price(world, mailed):
    answer = world.client.get(mailed[0])
    told = words(answer.text)
    assert answer.status_code == 200
    assert "Shop 1" in told
    assert "$199 USD one-time" in told
    assert answer.text.count('<article class="finding') == 3
    assert told.count("Why it costs customers.") == 3
    assert "6 October" in told or "October 6, 2026" in told


def test_a_finding_in_full_has_its_number_limit_and_remedy(world, mailed):
    told = words(world.client.get(mailed[0]).text)
    assert re.search(r"Measured \d+ years?", told)
    assert re.search(r"Rated (critical|serious|worth fixing|minor) (from|below) \d", told)
    assert "How to mend it" in told


def test_of_the_others_the_page_holds_nothing_but_count_and_area(world, mailed):
    html = world.client.get(mailed[0]).text
    found = world.all(audit_findings)
    said = {row.kind: catalogue.words(row.kind, row.measured) for row in found}
    shown = {kind for kind, (says, _, _) in said.items() if f">{says}</h3>" in html.replace("&#39;", "'")}
    assert len(shown) == 3
    for kind in set(said) - shown:
        assert kind not in html
        assert said[kind][0] not in html
    withheld = sum(int(number) for number in re.findall(r"<td>(\d+) more<", html))
    assert withheld == len(found) - 3
    assert f"The other {withheld} findings" in words(html)


def test_the_price_is_the_one_that_the_letter_told(world):
    send_id, lead = world.send()
    asyncio.run(world.through("audit"))
    with world.db.begin() as tx:
        tx.execute(
            sa.insert(price_book).values(
                business_id=lead.business_id, campaign=world.unit.campaign, product="full_report",
                amount_cents=24950, currency="usd", list_version="0", fixed_at=TUESDAY,
            )
        )  # fmt: skip
    assert "$249.50 USD" in words(world.client.get(link(world, send_id)).text)


def test_looking_writes_nothing(world, mailed):
    before = counts(world)
    world.client.get(mailed[0])
    world.client.head(mailed[0])
    assert counts(world) == before


def test_a_name_from_a_website_is_text_and_no_markup(world, mailed):
    with world.db.begin() as tx:
        tx.execute(sa.text("UPDATE enriched_businesses SET own_name = '<script>alert(1)</script> \u202eevil'"))
    html = world.client.get(mailed[0]).text
    assert "<script" not in html
    assert "\u202e" not in html


def test_without_a_published_name_it_is_addressed_by_its_domain(world, mailed):
    with world.db.begin() as tx:
        tx.execute(sa.text("UPDATE enriched_businesses SET own_name = NULL"))
    assert "Website audit: shop1.example" in world.client.get(mailed[0]).text


def test_no_address_is_on_the_page(world, mailed):
    assert "info@shop1.example" not in world.client.get(mailed[0]).text


@pytest.mark.parametrize("purpose", ["unsubscribe", "report", "recipient"])
def test_a_token_for_something_else_leads_nowhere(world, mailed, purpose):
    assert world.client.get(link(world, mailed[1], purpose)).status_code == 404


def test_a_forged_or_cut_token_leads_nowhere(world, mailed):
    forged = "/a/" + Tokens("another-key").sign("landing", mailed[1])
    answers = [world.client.get(each) for each in (forged, mailed[0][:-3], "/a/x", "/a/%00")]
    assert {(each.status_code, each.text) for each in answers} == {(404, answers[0].text)}


def test_an_offer_on_old_measurements_is_over(world, mailed, config):
    with TestClient(later(world, config, 91)) as client:
        answer = client.get(mailed[0])
    assert answer.status_code == 410
    assert "This offer is over" in words(answer.text)
    assert "$" not in words(answer.text)


def test_an_offer_holds_to_its_last_day(world, mailed, config):
    with TestClient(later(world, config, 90)) as client:
        assert client.get(mailed[0]).status_code == 200


def test_a_business_that_was_never_measured_has_no_offer(world):
    send_id, _ = world.send()
    assert world.client.get(link(world, send_id)).status_code == 410


def test_after_not_my_website_nobody_is_offered_a_report(world, mailed):
    world.client.post(link(world, mailed[1], "recipient", "/not-my-site/"))
    answer = world.client.get(mailed[0])
    assert answer.status_code == 410
    assert "We stopped at your request" in words(answer.text)


def test_after_a_deletion_the_page_holds_nothing(world, mailed):
    world.client.post(link(world, mailed[1], "recipient", "/why/") + "/delete")
    answer = world.client.get(mailed[0])
    assert answer.status_code == 410
    assert "Nothing is stored here any more" in words(answer.text)
    assert "Shop 1" not in answer.text


def test_its_links_work(world, mailed):
    html = world.client.get(mailed[0]).text
    links = set(re.findall(r'href="(/[^"#]+)"', html))
    assert {each.split("/")[1] for each in links} >= {"why", "u", "not-my-site", "terms", "refunds", "imprint"}
    assert {world.client.get(each).status_code for each in links} == {200}


@pytest.mark.parametrize("data", [{}, {"immediate_delivery": ""}, {"immediate_delivery": "no"}])
def test_without_the_consent_to_immediate_delivery_nothing_is_ordered(world, mailed, data):
    answer = world.client.post(f"{mailed[0]}/checkout", data=data, follow_redirects=False)
    assert answer.status_code == 400
    assert world.all(checkout_sessions) == []


def test_an_order_from_another_website_is_refused(world, mailed):
    order, foreign = {"immediate_delivery": "yes"}, {"sec-fetch-site": "cross-site"}
    assert world.client.post(f"{mailed[0]}/checkout", data=order, headers=foreign).status_code == 403
    assert world.all(checkout_sessions) == []


def test_sample_pages_are_pictures_of_an_invented_business(world, mailed):
    html = world.client.get(mailed[0]).text
    pictures = re.findall(r'<img src="(/static/[^"]+)"', html)
    assert len(pictures) == 3
    answers = [world.client.get(each) for each in pictures]
    assert {(answer.status_code, answer.headers["content-type"]) for answer in answers} == {(200, "image/png")}
    assert all("immutable" in answer.headers["cache-control"] for answer in answers)


@pytest.mark.parametrize("name", ["style.css", "..%2Fpages.py", "sample-cover", "x.png"])
def test_nothing_else_is_served_as_a_picture(world, name):
    assert world.client.get(f"/static/1/{name}").status_code == 404
