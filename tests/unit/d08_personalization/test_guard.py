"""The guard of words, with the kinds of sentences that a model which follows orders in its input would write."""

from __future__ import annotations

import pytest

from leadfactory import guard
from leadfactory.guard import Number, Rules, problems

SECONDS = Number("6.1", "s", "finding-1")
IMAGES = Number("9", "images", "finding-2")
BYTES = Number("1,871,037", None, "finding-3")
RULES = Rules(guard.lexicon().absolute_claims, ("joes-grill.example",), most_characters=200)


def codes(text: str, numbers=(SECONDS, IMAGES), rules: Rules = RULES) -> set[str]:
    return {problem.split(":")[0] for problem in problems(text, numbers, rules)}


@pytest.mark.parametrize(
    "text",
    [
        "The page takes 6.1 seconds to appear on a phone.",
        "6.1 s is a long wait, and 9 images have no description.",
        "On joes-grill.example nine images have no description.",
        "It takes 6.1s.",
        "A visitor on a phone waits 6.10 seconds.",
        "Scripts of third-party widgets hold up the page.",
    ],
)
def test_a_sentence_that_rests_on_the_findings_passes(text):
    assert codes(text) == set()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("73% of visitors leave.", "unsupported_number"),
        ("You miss 6.1% of sales.", "unsupported_number"),
        ("It takes 6.1 minutes.", "unsupported_number"),
        ("You lose $9 a day.", "unsupported_number"),
        ("You lose 9 customers a day.", "unsupported_number"),
        ("It is 9x slower than others.", "unsupported_number"),
        ("The page takes 6 seconds.", "unsupported_number"),
        ("The page takes 61 seconds.", "unsupported_number"),
        ("The page takes ６.２ seconds.", "unsupported_number"),
        ("The page takes ٧ seconds.", "unsupported_number"),
        ("Seventeen images have no description.", "unsupported_number"),
        ("Call 555-0100 now.", "unsupported_number"),
        ("Half of the visitors leave.", "vague_amount"),
        ("Thousands of people leave.", "vague_amount"),
        ("It is twice as slow.", "vague_amount"),
        ("A large percentage leaves.", "vague_amount"),
        ("We guarantee more guests.", "absolute_claim"),
        ("GUARANTEED results.", "absolute_claim"),
        ("You are the best in town.", "absolute_claim"),
        ("You will reach the top of Google.", "absolute_claim"),
        ("Your site will rank.", "absolute_claim"),
        ("The page is illegal.", "absolute_claim"),
        ("After that you are compliant.", "absolute_claim"),
        ("Every visitor leaves.", "absolute_claim"),
        ("See https://evil.example/pay for more.", "link"),
        ("See www.evil.example for more.", "link"),
        ("See evil.example for more.", "link"),
        ("See evil-joes-grill.example for more.", "link"),
        ("See joes-grill.example.evil.com for more.", "link"),
        ("See joes-grill.example/free for more.", "link"),
        ("Write to x@joes-grill.example", "mail_address"),
        ("See http://joes-grill.example", "link"),
        ("[read](evil)", "link"),
        ("javascript:alert(1)", "link"),
        ("Write to boss@evil.example.", "mail_address"),
        ("Write to boss (at) evil.", "mail_address"),
        ("<b>Slow</b> page.", "markup"),
        ("Slow &lt;page&gt;.", "markup"),
        ("Slow {{ config }} page.", "markup"),
        ("Slow\u200bpage on a phone.", "invisible_character"),
        ("Slow \u202epage on a phone.", "invisible_character"),
        ("Slow\npage on a phone.", "invisible_character"),
        ("x" * 201, "length"),
        ("", "length"),
    ],
)
def test_a_sentence_that_does_not_is_refused(text, code):
    assert code in codes(text)


def test_a_number_word_is_supported_like_its_digits():
    assert codes("Nine images have no description.") == set()
    assert codes("Nine images have no description.", numbers=(SECONDS,)) == {"unsupported_number"}


def test_thousands_separators_do_not_change_a_number():
    assert codes("It has 1871037 parts.", numbers=(BYTES,)) == set()


def test_a_score_is_out_of_a_hundred_and_nothing_else():
    score = (Number("32", "score", "finding"), Number("100", "score", "scale"))
    assert codes("It gets 32 out of 100 for speed.", numbers=score) == set()
    assert codes("It gets 32 percent for speed.", numbers=score) >= {"unsupported_number"}


def test_a_known_text_is_taken_out_as_a_whole_word_only():
    assert guard.without("shop24.example and shop24.examples", ["shop24.example"]) == "  and shop24.examples"


def test_every_number_shown_keeps_its_source():
    shown = guard.supported("It takes 6.1 seconds and 9 images.", [SECONDS, IMAGES])
    assert shown == {"6.1": "finding-1", "9": "finding-2"}


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("A plain sentence about a page.", 0),
        ("Free!!", 25),
        ("FREE winner", 28),
        ("Winners act now", 27),
        ("freedom is a word", 0),
        ("HUGEST sale", 8),
        ("50% off", 6),
    ],
)
def test_the_spam_score_is_the_sum_of_the_lexicon(text, score):
    assert guard.lexicon().spam(text) == score
