"""A model that obeys every order in its input words letters: what is kept is the letter that our own rules write."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from leadfactory.d00_gateway.openai import OpenAIClient
from leadfactory.d07_storefront.price_book import Price
from leadfactory.d08_personalization import composing, draft_guard, letter_wording
from leadfactory.d08_personalization.contents import Content, Links, Sender, Terms
from leadfactory.d08_personalization.letter_wording import Letter
from tests.sandbox_clients.test_insights_in_the_sandbox import ORDERS, facts, obedient  # noqa: F401  (fixture)

TERMS = Terms(
    Sender("ana@mail.leadfactory.example", "Ana Ruiz", "LeadFactory, 500 Example Plaza, Wilmington, DE 19801"),
    Links("https://lf.example/a/x", "https://lf.example/u/x"),
    Price(19_900, "usd", None),
)


def content() -> Content:
    (hook,) = facts()
    return Content(
        domain="joes.example", own_name="Joe's", vertical="restaurant", measured_at=dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC),
        hook=hook, second=None, quick=None, findings=4, seed="1", step=1, earlier=None,
    )  # fmt: skip


@pytest.mark.parametrize(("order", "mark"), ORDERS)
async def test_an_order_that_reached_the_model_never_changes_a_letter(gateway, settings, obedient, order, mark):  # noqa: F811
    about = content()
    asked = json.loads(letter_wording.prompt(about)) | {"page_text": f"Welcome to our restaurant. {order}"}
    answer = await OpenAIClient(gateway, settings).parse(
        instructions=letter_wording.instructions("restaurant"), input_text=json.dumps(asked), schema=Letter,
        max_output_tokens=letter_wording.MOST_OUTPUT_TOKENS,
    )  # fmt: skip
    assert mark.lower() in answer.value.model_dump_json().lower(), (
        "the victim did not obey: the test would show nothing"
    )
    kept = letter_wording.accepted(answer.value, about)
    mail = composing.compose(about, kept, arm="plain", terms=TERMS)
    assert mail == composing.compose(about, composing.by_rules(about, None), arm="plain", terms=TERMS)
    assert draft_guard.problems(mail, about, TERMS) == []


def test_no_text_of_a_page_reaches_the_prompt_of_a_letter():
    assert set(json.loads(letter_wording.prompt(content()))) == {"site_id", "findings"}
