"""The letter and its gate: every part present, both bodies the same, every number with a source, nothing unescaped."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import uuid
from html import unescape
from types import SimpleNamespace

import pytest

from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d08_personalization import composing, draft_guard, letter_wording
from leadfactory.d08_personalization.composing import Content, Links, Sender
from leadfactory.d08_personalization.letter_wording import Letter
from leadfactory.d08_personalization.letters import config

KINDS = catalogue().kinds
SENDER = Sender(
    "ana@mail.leadfactory.example", "Ana Ruiz", "LeadFactory & Sons, 500 Example Plaza, Wilmington, DE 19801"
)
LINKS = Links("http://localhost:8000/r/AXL0-_a", "http://localhost:8000/u/AXX0-_b")


def fact(kind: str, measured: float | None = None) -> Fact:
    known = KINDS[kind]
    row = SimpleNamespace(
        finding_id=uuid.uuid5(uuid.NAMESPACE_OID, kind), kind=kind, category=known.category, severity=3, measured=measured,
        unit=known.unit if measured is not None else None,
    )  # fmt: skip
    return Fact.of(row)


CONTENT = Content(
    "joes-grill.example", "Joe's Grill", "restaurant", dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC),
    fact("slow_main_content", 6.1), fact("not_made_for_phones"), fact("no_title"), 12,
)  # fmt: skip


def letter(content: Content = CONTENT, arm: str = "measured", **changes: str):
    mail = composing.compose(content, composing.by_rules(content, None), arm=arm, sender=SENDER, links=LINKS)
    return dataclasses.replace(mail, **changes)


def problems(mail, content: Content = CONTENT) -> set[str]:
    return {each.split(":")[0] for each in draft_guard.problems(mail, content, SENDER, LINKS)}


def test_the_rules_letter_passes():
    assert problems(letter()) == set()


@pytest.mark.parametrize(
    ("hook", "quick"), [(hook, quick) for quick in KINDS if KINDS[quick].quick for hook in KINDS if hook != quick]
)
def test_a_letter_can_be_written_about_every_finding(hook, quick):
    of_hook = fact(hook, 7 if KINDS[hook].severity else None)
    content = dataclasses.replace(CONTENT, hook=of_hook, quick=fact(quick, 7 if KINDS[quick].severity else None))
    assert problems(letter(content), content) == set()


def test_both_bodies_say_the_same():
    mail = letter()
    html = unescape(re.sub(r"<[^>]+>", " ", mail.html.split("<main")[1].split(">", 1)[1]))
    text = re.sub(r"https?://\S+", "", mail.text)  # in HTML the links are behind their words
    word = re.compile(r"[\w$']+(?:\.\w+)*")
    assert sorted(word.findall(html)) == sorted(word.findall(text))


def test_every_number_in_the_mail_has_its_source():
    mail = letter()
    assert mail.facts["6.1"] == str(CONTENT.hook.finding_id)
    assert mail.facts["9"] == "audit_findings:count"
    assert mail.facts["199"] == "price_book:full_report"
    assert set(mail.facts) == {"6.1", "9", "199", "6", "2026"}
    assert (mail.price_cents, mail.currency) == (19_900, "USD")


def test_names_and_addresses_are_escaped_in_html_only():
    content = dataclasses.replace(CONTENT, own_name="Tom & Jerry's")
    mail = letter(content)
    assert "Tom &amp; Jerry&#39;s" in mail.html
    assert "Tom & Jerry's" in mail.text
    assert problems(mail, content) == set()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": "Too short"}, "subject_length"),
        ({"subject": "x" * 79}, "subject_length"),
        ({"preview": "short"}, "preview_length"),
        ({"text": letter().text + "word " * 100}, "body_words"),
        ({"text": "Too few words. " + SENDER.name}, "body_words"),
        ({"text": letter().text.replace(LINKS.unsubscribe, "")}, "missing_unsubscribe_link"),
        ({"html": letter().html.replace(LINKS.unsubscribe, "")}, "missing_unsubscribe_link"),
        ({"text": letter().text.replace(LINKS.report, "")}, "missing_report_link"),
        ({"text": letter().text.replace("LeadFactory & Sons", "")}, "missing_postal_address"),
        ({"html": letter().html.replace("500 Example Plaza", "")}, "missing_postal_address"),
        ({"text": letter().text.replace("$199", "little")}, "missing_price"),
        ({"text": letter().text.replace("6.1", "9.9")}, "unsupported_number"),
        ({"text": letter().text.replace("6.1 seconds", "6.1 minutes")}, "unsupported_number"),
        ({"subject": "73% of your guests leave before they see it"}, "unsupported_number"),
        ({"preview": "We guarantee more guests for your table"}, "absolute_claim"),
        ({"subject": "Winner! Act now, free and urgent offer"}, "spam_score"),
        ({"preview": "A page that opens! And closes! Quickly!"}, "exclamation_marks"),
        ({"text": letter().text.replace("one laboratory run", "see evil.example")}, "foreign_link"),
        ({"text": letter().text.replace("one laboratory run", "ask boss@evil.example")}, "mail_address"),
        ({"html": letter().html.replace(LINKS.report, "https://evil.example/r/AXL0-_a")}, "foreign_link"),
        ({"html": letter().html.replace("<hr", "<script>alert(1)</script><hr")}, "active_html"),
        ({"html": letter().html.replace("<hr", '<img src="https://evil.example/x.gif"><hr')}, "active_html"),
        ({"html": letter().html.replace("<hr", "<b>bold</b><hr")}, "unescaped_html"),
        ({"html": letter().html.replace("Joe&#39;s Grill", "Joe's < Grill")}, "unescaped_html"),
        ({"html": letter().html.replace("Joe&#39;s Grill", "Joe & Grill")}, "unescaped_html"),
    ],
)
def test_the_gate_stops_each_kind_of_bad_mail(change, code):
    assert code in problems(letter(**change))


@pytest.mark.parametrize(
    "name",
    [
        None, "", "J", "x" * 61, "Visit www.evil.example", "Guaranteed Best Plumbing", "a\u202eb Grill", "<b>Joe</b>", "FREE WINNER",
        "joe@grill.example", "Joe {{ x }}", "one two three four five six seven eight nine", "24/7", "100%", "https://x",
    ],
)  # fmt: skip
def test_a_name_that_is_not_fit_to_print_gives_way_to_the_domain(name):
    assert composing.salutation(name, "joes-grill.example") == "Hello to the people behind joes-grill.example,"


@pytest.mark.parametrize("name", ["Joe's Grill", "Café Ñandú", "Tom & Jerry", "Pizza 33", "寿司屋さん"])
def test_a_name_as_the_own_site_has_it_is_used(name):
    content = dataclasses.replace(CONTENT, own_name=name)
    assert composing.salutation(name, "x.example") == f"Hello {name} team,"
    assert problems(letter(content), content) == set()


def test_arms_change_the_subject_and_nothing_else():
    measured, plain = letter(arm="measured"), letter(arm="plain")
    assert measured.subject == "joes-grill.example: 6.1 s until a phone shows the page"
    assert plain.subject == "What we measured on the website joes-grill.example"
    assert measured.text == plain.text


@pytest.mark.parametrize("domain", ["a.example", "x" * 50 + ".example", "y" * 63 + ".example"])
@pytest.mark.parametrize("arm", ["measured", "plain", "unheard of"])
def test_a_subject_always_fits(domain, arm):
    least, most = config().limits.subject_characters
    assert least <= len(composing.subject(dataclasses.replace(CONTENT, domain=domain), arm)) <= most


def test_the_hook_is_measured_the_quick_win_is_quick_and_the_second_is_of_another_category():
    facts = [fact("no_title"), fact("slow_main_content", 6.1), fact("heavy_page", 5.2), fact("not_made_for_phones")]
    chosen = composing.choose(
        facts, domain="x.example", own_name=None, vertical="legal", measured_at=CONTENT.measured_at
    )
    assert [each.kind for each in chosen.told] == ["slow_main_content", "not_made_for_phones", "no_title"]
    assert chosen.rest == 1


def test_with_nothing_found_there_is_nothing_to_write():
    assert (
        composing.choose([], domain="x.example", own_name=None, vertical="legal", measured_at=CONTENT.measured_at)
        is None
    )


def worded(**changes: str) -> Letter:
    values = {
        "slow_main_content": "A guest on a phone waits 6.1 seconds for the first picture.",
        "not_made_for_phones": "On a phone the page shows up in miniature.",
        "preview": "A guest on a phone waits 6.1 seconds.",
    } | changes
    sentences = [
        {"finding_id": kind, "sentence": values[kind]} for kind in ("slow_main_content", "not_made_for_phones")
    ]
    return Letter.model_validate({"preview": values["preview"], "sentences": sentences})


def test_the_models_words_are_used_when_they_rest_on_the_findings():
    wording = letter_wording.accepted(worded(), CONTENT)
    assert (wording.source, wording.reason) == ("openai", None)
    mail = composing.compose(CONTENT, wording, arm="plain", sender=SENDER, links=LINKS)
    assert "waits 6.1 seconds for the first picture" in mail.text
    assert problems(mail) == set()


@pytest.mark.parametrize(
    "change",
    [
        {"slow_main_content": "73% of the guests leave before the page is there."},
        {"not_made_for_phones": "Another business has 6.1 seconds here as well."},  # the number of another finding
        {"preview": "Guaranteed results at https://evil.example today"},
        {"preview": "short"},
        {"not_made_for_phones": "Ask boss@evil.example what that costs you each day."},
    ],
)
def test_the_models_words_are_dropped_when_they_do_not(change):
    wording = letter_wording.accepted(worded(**change), CONTENT)
    assert wording.source == "rules"
    assert wording.reason.startswith("guard: ")
    assert "evil" not in f"{wording.hook}{wording.second}{wording.preview}"


def test_the_hash_tells_any_two_mails_apart():
    parts = ("ab", "c", "d", "e")
    assert draft_guard.content_hash(*parts) != draft_guard.content_hash("a", "bc", "d", "e")
