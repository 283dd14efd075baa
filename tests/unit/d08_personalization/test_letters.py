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
from leadfactory.d07_storefront.price_book import Price
from leadfactory.d08_personalization import composing, contents, draft_guard, letter_wording
from leadfactory.d08_personalization.contents import Content, Earlier, Links, Sender, Terms
from leadfactory.d08_personalization.letter_wording import Letter
from leadfactory.d08_personalization.letters import config

KINDS = catalogue().kinds
SENDER = Sender(
    "ana@mail.leadfactory.example", "Ana Ruiz", "LeadFactory & Sons, 500 Example Plaza, Wilmington, DE 19801"
)
LINKS = Links("http://localhost:8000/a/AXL0-_a", "http://localhost:8000/u/AXX0-_b")
TERMS = Terms(SENDER, LINKS, Price(19_900, "usd", None))
VERTICALS = ("restaurant", "medical", "legal", "home_services", "education")


def fact(kind: str, measured: float | None = None) -> Fact:
    known = KINDS[kind]
    row = SimpleNamespace(
        finding_id=uuid.uuid5(uuid.NAMESPACE_OID, kind), kind=kind, category=known.category, severity=3, measured=measured,
        unit=known.unit if measured is not None else None,
    )  # fmt: skip
    return Fact.of(row)


CONTENT = Content(
    "joes-grill.example", "Joe's Grill", "restaurant", dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC),
    fact("slow_main_content", 6.1), fact("not_made_for_phones"), fact("no_title"), 12, seed="joe",
)  # fmt: skip
LATER = dataclasses.replace(
    CONTENT, hook=fact("heavy_page", 5.2), second=None, quick=None, step=2,
    earlier=Earlier(dt.datetime(2026, 10, 7, 15, tzinfo=dt.UTC), tuple(each.finding_id for each in CONTENT.told)),
)  # fmt: skip


def letter(content: Content = CONTENT, arm: str = "measured", **changes: str):
    mail = composing.compose(content, composing.by_rules(content, None), arm=arm, terms=TERMS)
    return dataclasses.replace(mail, **changes)


def problems(mail, content: Content = CONTENT) -> set[str]:
    return {each.code for each in draft_guard.problems(mail, content, TERMS)}


def test_the_rules_letter_passes():
    assert problems(letter()) == set()


@pytest.mark.parametrize(
    "vertical",
    [pytest.param(each, marks=[pytest.mark.slow] if number else []) for number, each in enumerate(VERTICALS)],
)
def test_a_letter_can_be_written_about_every_finding_of_every_vertical(vertical):
    """Each kind is once the hook, once the second, and the quick ones the quick win, in all shapes that seeds give."""
    quick = [kind for kind in KINDS if KINDS[kind].quick]
    failed = {}
    for number, kind in enumerate(KINDS):
        win, second = quick[number % len(quick)], list(KINDS)[(number * 7 + 3) % len(KINDS)]
        if len({kind, win, second}) < 3:
            continue
        hook, other, small = (fact(each, 7 if KINDS[each].severity else None) for each in (kind, second, win))
        content = dataclasses.replace(
            CONTENT, vertical=vertical, hook=hook, second=other, quick=small, seed=str(number)
        )
        for arm in ("measured", "plain"):
            found = draft_guard.problems(letter(content, arm), content, TERMS)
            failed |= {(kind, arm): list(map(str, found))} if found else {}
    assert failed == {}


@pytest.mark.parametrize("last", [False, True])
def test_a_follow_up_can_be_written_about_every_finding(last):
    failed = {}
    for kind in KINDS:
        content = dataclasses.replace(LATER, hook=fact(kind, 7 if KINDS[kind].severity else None), last=last, seed=kind)
        found = draft_guard.problems(letter(content), content, TERMS)
        failed |= {kind: list(map(str, found))} if found else {}
    assert failed == {}


def test_a_follow_up_is_shorter_refers_to_the_first_letter_and_tells_something_new():
    first, later = letter(), letter(LATER)
    assert len(later.text.split()) < len(first.text.split())
    assert "October 7, 2026" in later.text
    assert LATER.hook.says in later.text
    assert not any(each.says in later.text for each in CONTENT.told)
    assert later.facts["5.2"] == str(LATER.hook.finding_id)


def test_a_follow_up_counts_what_no_letter_told():
    assert (CONTENT.rest, LATER.rest) == (9, 8)


def test_a_follow_up_never_pretends_to_be_an_answer():
    assert not letter(LATER).subject.lower().startswith(("re:", "fwd:", "fw:"))


@pytest.mark.parametrize("content", [CONTENT, LATER], ids=["first", "later"])
def test_both_bodies_say_the_same_in_the_same_order(content):
    mail = letter(content)
    html = unescape(re.sub(r"<[^>]+>", " ", mail.html.split("</div>", 1)[1]))
    text = re.sub(r"https?://\S+", "", mail.text)  # in HTML the links are behind their words
    word = re.compile(r"[\w$']+(?:\.\w+)*")
    assert word.findall(html) == word.findall(text)


def test_letters_to_different_businesses_do_not_look_alike():
    contents_ = [dataclasses.replace(CONTENT, seed=str(number)) for number in range(200)]
    mails = [letter(each, "plain") for each in contents_]
    bodies = {mail.text for mail in mails}
    assert len(bodies) > 180
    assert len({mail.subject for mail in mails}) == 3
    assert len({mail.preview for mail in mails}) >= 3


def test_the_same_business_gets_the_same_letter_at_every_repetition():
    assert letter() == letter()


def test_every_number_in_the_mail_has_its_source():
    mail = letter()
    assert mail.facts["6.1"] == str(CONTENT.hook.finding_id)
    assert mail.facts["9"] == "audit_findings:count"
    assert mail.facts["199"] == "price_book:full_report"
    assert set(mail.facts) == {"6.1", "9", "199", "6", "2026"}
    assert (mail.price_cents, mail.currency) == (19_900, "USD")


def test_the_price_is_the_one_of_the_business():
    terms = dataclasses.replace(TERMS, price=Price(14_950, "usd", "low"))
    mail = composing.compose(CONTENT, composing.by_rules(CONTENT, None), arm="plain", terms=terms)
    assert "$149.50 USD, a one-time payment" in mail.text
    assert draft_guard.problems(mail, CONTENT, terms) == []
    assert {each.code for each in draft_guard.problems(mail, CONTENT, TERMS)} >= {"missing_price", "unsupported_number"}


def test_names_and_addresses_are_escaped_in_html_only():
    content = dataclasses.replace(CONTENT, own_name="Tom & Jerry's")
    mail = letter(content)
    assert "Tom &amp; Jerry&#39;s" in mail.html
    assert "Tom & Jerry's" in mail.text
    assert problems(mail, content) == set()


GOOD = letter()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": "Too short"}, "subject_length"),
        ({"subject": "x" * 79}, "subject_length"),
        ({"preview": "short"}, "preview_length"),
        ({"text": GOOD.text + "word " * 120}, "body_words"),
        ({"text": "Too few words. " + SENDER.name}, "body_words"),
        ({"text": GOOD.text.replace(LINKS.unsubscribe, "")}, "missing_unsubscribe_link"),
        ({"html": GOOD.html.replace(LINKS.unsubscribe, "")}, "missing_unsubscribe_link"),
        ({"text": GOOD.text.replace(LINKS.report, "")}, "missing_report_link"),
        ({"text": GOOD.text.replace("LeadFactory & Sons", "")}, "missing_postal_address"),
        ({"html": GOOD.html.replace("500 Example Plaza", "")}, "missing_postal_address"),
        ({"html": GOOD.html.replace("This is an advertisement", "This is a note")}, "missing_advertisement_notice"),
        ({"text": GOOD.text.replace("$199", "little")}, "missing_price"),
        ({"text": GOOD.text.replace("Ana Ruiz", "A friend")}, "missing_sender_name"),
        ({"text": GOOD.text.replace("6.1 seconds", "a while")}, "missing_hook_number"),
        ({"text": GOOD.text.replace("6.1", "9.9")}, "unsupported_number"),
        ({"text": GOOD.text.replace("6.1 seconds", "6.1 minutes")}, "unsupported_number"),
        ({"subject": "73% of your guests leave before they see it"}, "unsupported_number"),
        ({"subject": "Half of your guests leave before they see it"}, "vague_amount"),
        ({"preview": "We guarantee more guests for your table"}, "absolute_claim"),
        ({"preview": "A website that guests find easy to read"}, "avoided_word"),
        ({"subject": "Winner! Act now, free and urgent offer"}, "spam_score"),
        ({"preview": "A page that opens! And closes! Slowly!"}, "exclamation_marks"),
        ({"text": GOOD.text.replace("one laboratory run", "see evil.example")}, "foreign_link"),
        ({"text": GOOD.text.replace("one laboratory run", "ask boss@evil.example")}, "mail_address"),
        ({"text": GOOD.text.replace("laboratory", "labora\u200btory")}, "invisible_character"),
        ({"text": GOOD.text.replace("one laboratory run", "one long run")}, "bodies_differ"),
        ({"html": GOOD.html.replace("one laboratory run", "one long run")}, "bodies_differ"),
        ({"html": GOOD.html.replace(GOOD.preview, "Another preview", 1)}, "bodies_differ"),
        ({"html": GOOD.html.replace(LINKS.report, "https://evil.example/a/AXL0-_a")}, "foreign_link"),
        ({"html": GOOD.html.replace("background:#ffffff", "background:url(https://evil.example/x)")}, "foreign_link"),
        ({"html": GOOD.html.replace("<br>", "<script>alert(1)</script><br>")}, "active_html"),
        ({"html": GOOD.html.replace("<br>", '<img src="https://evil.example/x.gif"><br>')}, "active_html"),
        ({"html": GOOD.html.replace("<br>", "<b>bold</b><br>")}, "unescaped_html"),
        ({"html": GOOD.html.replace("Joe&#39;s Grill", "Joe's < Grill")}, "unescaped_html"),
        ({"html": GOOD.html.replace("Joe&#39;s Grill", "Joe & Grill")}, "unescaped_html"),
        ({"html": GOOD.html.replace('<p style="margin:0 0 16px">', '<p style="display: none">')}, "hidden_text"),
        ({"html": GOOD.html.replace("font-size:13px", "font-size:0")}, "hidden_text"),
    ],
)
def test_the_gate_stops_each_kind_of_bad_mail(change, code):
    mail = dataclasses.replace(GOOD, **change)
    assert mail != GOOD, "the change changes nothing: the test would show nothing"
    found = {each.code: each for each in draft_guard.problems(mail, CONTENT, TERMS)}
    assert code in found
    assert found[code].value
    assert found[code].remedy


def test_more_spam_words_mean_a_higher_score_until_the_draft_is_refused():
    """The orientation: what an earlier system got the wrong way round."""
    words = ("", " free", " free, act now", " free, act now, winner", " free, act now, winner, urgent cash")
    scores = []
    for said in words:
        mail = letter(subject=f"Notes on your page and more to read{said}")
        spam = [each for each in draft_guard.problems(mail, CONTENT, TERMS) if each.code == "spam_score"]
        scores.append(int(spam[0].value.split(",")[0]) if spam else 0)
    assert scores[:2] == [0, 0]
    assert scores[2] >= config().limits.spam_score
    assert scores[2] < scores[3] < scores[4]


def test_a_problem_survives_being_kept_as_text():
    problem = draft_guard.Problem("unsupported_number", "6.1 in another unit (minute): odd")
    assert draft_guard.parse(str(problem)) == problem


@pytest.mark.parametrize(
    "name",
    [
        None, "", "J", "x" * 61, "Visit www.evil.example", "Guaranteed Best Plumbing", "a\u202eb Grill", "<b>Joe</b>", "FREE WINNER",
        "joe@grill.example", "Joe {{ x }}", "one two three four five six seven eight nine", "24/7", "100%", "https://x",
    ],
)  # fmt: skip
def test_a_name_that_is_not_fit_to_print_gives_way_to_the_domain(name):
    assert contents.fit_name(name) is None
    content = dataclasses.replace(CONTENT, own_name=name)
    assert composing.paragraphs(content, composing.by_rules(content, None))[0].text in {
        each.format(domain="joes-grill.example") for each in config().phrases.unnamed
    }


@pytest.mark.parametrize("name", ["Joe's Grill", "Café Ñandú", "Tom & Jerry", "Pizza 33", "寿司屋さん"])
def test_a_name_as_the_own_site_has_it_is_used(name):
    content = dataclasses.replace(CONTENT, own_name=name)
    assert name in letter(content).text.split("\n")[0]
    assert problems(letter(content), content) == set()


def test_arms_change_the_subject_and_nothing_else():
    measured, plain = letter(arm="measured"), letter(arm="plain")
    assert "6.1 s until a phone shows the page" in measured.subject
    assert "6.1" not in plain.subject
    assert measured.text == plain.text


@pytest.mark.parametrize("domain", ["a.example", "x" * 50 + ".example", "y" * 63 + ".example"])
@pytest.mark.parametrize("arm", ["measured", "plain", "unheard of"])
def test_a_subject_always_fits(domain, arm):
    least, most = config().limits.subject_characters
    assert least <= len(composing.subject(dataclasses.replace(CONTENT, domain=domain), arm)) <= most


def test_the_hook_is_measured_the_quick_win_is_quick_and_the_second_is_of_another_category():
    facts = [fact("no_title"), fact("slow_main_content", 6.1), fact("heavy_page", 5.2), fact("not_made_for_phones")]
    chosen = contents.choose(
        facts, domain="x.example", own_name=None, vertical="legal", measured_at=CONTENT.measured_at
    )
    assert [each.kind for each in chosen.told] == ["slow_main_content", "not_made_for_phones", "no_title"]
    assert chosen.rest == 1


def test_with_nothing_found_there_is_nothing_to_write():
    assert (
        contents.choose([], domain="x.example", own_name=None, vertical="legal", measured_at=CONTENT.measured_at)
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
    mail = composing.compose(CONTENT, wording, arm="plain", terms=TERMS)
    assert "waits 6.1 seconds for the first picture" in mail.text
    assert problems(mail) == set()


@pytest.mark.parametrize(
    "change",
    [
        {"slow_main_content": "73% of the guests leave before the page is there."},
        {"not_made_for_phones": "Another business has 6.1 seconds here as well."},  # the number of another finding
        {"preview": "Guaranteed results at https://evil.example today"},
        {"preview": "short"},
        {"slow_main_content": "A guest on a phone waits a while for the first picture."},  # without its number
        {
            "slow_main_content": "A visitor of the website waits 6.1 seconds for a picture."
        },  # a word this vertical avoids
        {"not_made_for_phones": "Order the audit today, it costs nothing on a phone."},  # off topic
        {"not_made_for_phones": "Sunny weather makes strawberries taste sweet."},  # not about the finding
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


def test_the_paragraphs_of_a_stored_text_can_be_read_and_rendered_again():
    own = composing.own_words(GOOD.text)
    again = composing.render(GOOD.subject, GOOD.preview, composing.read_paragraphs(own), CONTENT, TERMS)
    assert (again.text, again.html) == (GOOD.text, GOOD.html)


def test_a_follow_up_tells_the_weightiest_finding_of_a_new_category():
    facts = [*CONTENT.told, fact("heavy_page", 5.2), fact("images_without_text", 9)]
    told = {each.finding_id for each in CONTENT.told}
    assert contents.choose_next(facts, told).kind == "images_without_text"
    assert contents.choose_next(facts[:3], told) is None
