"""The HTML twin: what it says, that every number has a source, and that nothing hostile gets through."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from selectolax.lexbor import LexborHTMLParser

from leadfactory.d06_reports import fonts
from leadfactory.d06_reports.records import Finding, ReportInput
from leadfactory.d06_reports.rendering import render_html
from tests.unit.d06_reports.inputs import an_audit, an_input, every_finding, spreads
from tests.unit.d06_reports.numbers_of import allowed, text_of, tokens

FIELD = {"LARGEST_CONTENTFUL_PAINT_MS": 3870, "CUMULATIVE_LAYOUT_SHIFT_SCORE": 14, "INTERACTION_TO_NEXT_PAINT": 231}
INPUTS = {
    "usual": lambda: an_input(),
    "compared": lambda: an_input(compared=spreads(), sites=40),
    "field": lambda: an_input(audit=an_audit(field=FIELD)),
    "no findings": lambda: an_input(findings=()),
    "every kind": lambda: an_input(findings=every_finding()),
}


def html_of(given: ReportInput) -> str:
    return render_html(given)[0]


def said(given: ReportInput) -> str:
    return " ".join(text_of(html_of(given)).split())


@pytest.mark.parametrize("name", INPUTS)
def test_every_number_has_a_source(name: str) -> None:
    given = INPUTS[name]()
    assert tokens(text_of(html_of(given))) - allowed(given) == set()


def test_a_number_that_nobody_measured_would_be_noticed() -> None:
    given = an_input()
    assert tokens(text_of(html_of(given).replace("6.1 s", "6.7 s"))) - allowed(given) == {"6.7"}


@pytest.mark.parametrize("name", INPUTS)
def test_every_number_that_is_told_names_where_it_comes_from(name: str) -> None:
    html, numbers = render_html(INPUTS[name]())
    told = {token for text in numbers for token in tokens(text)}
    assert all(sources and all(sources) for sources in numbers.values())
    dates = {"2026", "6", "8", "15", "00"}  # of the cover and of the measurement
    named = tokens(" ".join(INPUTS[name]().site.facts or {}) + " SHA-256")  # numbers inside names, as in h1_count
    assert tokens(text_of(html)) - told - dates - named == set()


def test_every_finding_is_in_it_with_value_limit_evidence_and_fix() -> None:
    given = an_input()
    page = LexborHTMLParser(html_of(given))
    cards = {node.attributes["id"]: node.text(separator=" ") for node in page.css("article.card")}
    assert set(cards) == {f"finding-{each.kind}" for each in given.findings}
    slow = " ".join(cards["finding-slow_main_content"].split())
    for part in ("6.1 s", "rated serious from 4.0 s", "Lighthouse audit largest-contentful-paint", "value 6143", "October 6, 2026, 15:00 UTC",
                 "https://www.pastabella.example/", "How to mend it", "Effort:", "Impact:"):  # fmt: skip
        assert part in slow


def test_a_fix_is_that_of_the_sites_own_platform() -> None:
    assert "How to mend it in WordPress" in said(an_input())
    other = dataclasses.replace(an_input().site, platform=None)
    assert "WordPress" not in said(an_input(site=other))


def test_without_field_data_it_says_so() -> None:
    assert "No field data." in said(an_input())
    told = said(an_input(audit=an_audit(field=FIELD)))
    assert "No field data." not in told
    assert "3.9 s" in told
    assert "0.14" in told


def test_without_enough_other_sites_there_is_no_comparison() -> None:
    assert "Too few websites" in said(an_input())
    assert "better than 11 of 40" in said(an_input(compared=spreads(), sites=40))


def test_what_lighthouse_did_not_give_is_not_a_zero() -> None:
    dials = LexborHTMLParser(html_of(an_input())).css(".dials li")
    assert ["Best practices not measured" in " ".join(each.text(separator=" ").split()) for each in dials].count(
        True
    ) == 1


def test_every_chart_says_in_words_what_it_shows() -> None:
    charts = LexborHTMLParser(html_of(an_input(compared=spreads(), sites=40))).css("svg")
    titles = [chart.css_first("title").text() for chart in charts]
    assert len(titles) > 12
    assert all(len(title) > 20 and title.endswith(".") for title in titles)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "</style><b>", "a\x00b\u202ec"])  # fmt: skip
def test_what_a_website_says_of_itself_stays_text(hostile: str) -> None:
    plain = an_input(site=dataclasses.replace(an_input().site, own_name="Plain", own_phone="1", own_address="2"))
    finding = dataclasses.replace(
        plain.findings[0], evidence={"example": hostile, "url": f"https://x.example/{hostile}"}
    )
    site = dataclasses.replace(plain.site, own_name=f"Shop {hostile}", own_phone=hostile, own_address=hostile)
    given = an_input(
        site=site, findings=(finding, *plain.findings[1:]), headline=hostile, explanations={finding.kind: hostile}
    )
    page, clean = LexborHTMLParser(html_of(given)), LexborHTMLParser(html_of(plain))
    assert len(page.css("script, img, b, iframe")) == 0
    assert len(page.css("*")) <= len(clean.css("*")) + 4  # rows of evidence and a headline, no markup of the website's
    assert "49" not in tokens(text_of(html_of(given))) - allowed(given)
    assert "\x00" not in page.html and "\u202e" not in page.html  # noqa: PT018


def test_a_name_that_the_typefaces_have_is_shown_as_it_is() -> None:
    site = dataclasses.replace(an_input().site, own_name="Café Żółć & Søns, Dvořák’s")
    assert LexborHTMLParser(html_of(an_input(site=site))).css_first("h1").text() == "Café Żółć & Søns, Dvořák’s"


def test_a_name_in_another_script_gives_way_to_the_domain_and_says_so() -> None:
    site = dataclasses.replace(an_input().site, own_name="金龙餐厅")
    told = html_of(an_input(site=site))
    assert LexborHTMLParser(told).css_first("h1").text() == "pastabella.example"
    assert "in a script that this document's typefaces do not have" in text_of(told)
    assert fonts.REPLACEMENT not in told


def test_a_website_without_a_name_is_called_by_its_domain() -> None:
    site = dataclasses.replace(an_input().site, own_name=None)
    assert LexborHTMLParser(html_of(an_input(site=site))).css_first("h1").text() == "pastabella.example"


def test_a_kind_that_the_catalogue_no_longer_has_is_still_told() -> None:
    old = Finding("1", "flashing_banner", "content", 2, None, None, None, "page:flashing", {})
    assert "Flashing banner." in said(an_input(findings=(old,)))


def test_the_same_input_gives_the_same_hash_of_evidence_and_any_change_another() -> None:
    assert an_input().evidence_sha256 == an_input().evidence_sha256
    assert an_input(report_on=dt.date(2026, 10, 9)).evidence_sha256 != an_input().evidence_sha256
    assert an_input(findings=an_input().findings[1:]).evidence_sha256 != an_input().evidence_sha256


def test_characters_that_no_typeface_has_are_marked_and_wide_letters_made_plain() -> None:
    assert fonts.printable("ＡＢ 漢 x\u200b\n y") == f"AB {fonts.REPLACEMENT} x y"
    assert ord(fonts.REPLACEMENT) in fonts.covered()
