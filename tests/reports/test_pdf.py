"""The PDF as its reader and a screen reader get it, looked at with PDF libraries that did not write it."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pikepdf
import pypdf
import pypdfium2
import pytest

from leadfactory.d06_reports import rendering
from leadfactory.d06_reports.records import Report
from leadfactory.d06_reports.rendering import render_report
from tests.unit.d06_reports.inputs import an_input, every_finding
from tests.unit.d06_reports.numbers_of import text_of, tokens

ROOT = Path(__file__).resolve().parents[2]
MOST = 2_000_000  # bytes
OWN = re.compile(r"/[A-Z]{6}\+LF-(Text|Display)(-.*)?")


def opened(report: Report) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(report.pdf or b""))


def elements(node: Any) -> Iterator[Any]:
    """Every structure element below a node."""
    kids = node.get("/K")
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from elements(kid)


def words(text: str) -> set[str]:
    return {word for word in re.split(r"\W+", text) if len(word) > 2}


def text(report: Report) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(report.pdf or b"")).pages)


def test_it_declares_pdf_ua_title_and_language(usual: Report) -> None:
    with opened(usual) as pdf:
        with pdf.open_metadata() as about:
            assert about["{http://www.aiim.org/pdfua/ns/id/}part"] == "1"
            assert about["dc:title"] == "Website audit: Pasta Bella"
        assert str(pdf.Root.Lang) == "en"
        assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)
        assert str(pdf.docinfo["/CreationDate"]).startswith("D:20261008")


def test_it_is_tagged_with_headings_lists_tables_and_figures(usual: Report) -> None:
    with opened(usual) as pdf:
        assert bool(pdf.Root.MarkInfo.Marked)
        tags = {str(each.S) for each in elements(pdf.Root.StructTreeRoot)}
    assert {
        "/H1",
        "/H2",
        "/H3",
        "/H4",
        "/P",
        "/L",
        "/LI",
        "/LBody",
        "/Table",
        "/TR",
        "/TH",
        "/TD",
        "/Figure",
        "/Link",
    } <= tags


def test_every_figure_has_an_alternative_text(usual: Report) -> None:
    with opened(usual) as pdf:
        figures = [each for each in elements(pdf.Root.StructTreeRoot) if str(each.S) == "/Figure"]
        texts = [str(each.get("/Alt", "")) for each in figures]
    assert len(texts) == usual.html.count("<svg ")
    assert all(len(each) > 20 for each in texts)


def test_headings_skip_no_level(usual: Report) -> None:
    with opened(usual) as pdf:
        levels = [int(str(e.S)[2:]) for e in elements(pdf.Root.StructTreeRoot) if re.fullmatch(r"/H\d", str(e.S))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_its_bookmarks_are_its_chapters(usual: Report) -> None:
    outline = pypdf.PdfReader(io.BytesIO(usual.pdf or b"")).outline
    tops = [each.title for each in outline if not isinstance(each, list)]
    assert tops[0] == "Pasta Bella"
    assert tops[1:4] == ["Executive summary", "Priority issues", "Quick wins"]
    assert tops[-3:] == ["Compared with others", "30-day plan", "Method and evidence"]


def test_every_typeface_is_ours_and_embedded(usual: Report) -> None:
    with opened(usual) as pdf:
        fonts = [
            each
            for each in pdf.objects
            if isinstance(each, pikepdf.Dictionary) and each.get("/Type") == "/FontDescriptor"
        ]
        assert len(fonts) == 4
        assert all(OWN.fullmatch(str(each.FontName)) and "/FontFile2" in each for each in fonts)


def test_its_text_is_that_of_the_html_twin(usual: Report) -> None:
    drawn = re.sub("<title>.*?</title>", " ", usual.html)  # alternative texts are no text of a page
    missing = words(text_of(drawn)) - words(text(usual))
    joined = re.sub(r"\s", "", text(usual))
    assert {word for word in missing if word not in joined} == set()


def test_every_finding_is_in_its_text(usual: Report) -> None:
    from leadfactory.d03_assessment.catalogue import words as said

    shown = " ".join(text(usual).split())
    for finding in an_input().findings:
        assert " ".join(said(finding.kind, finding.measured)[0].split()) in shown


def test_every_number_in_it_has_a_source_row(usual: Report) -> None:
    told = re.sub(r"\s", "", " ".join(usual.numbers) + text_of(usual.html))
    pages = {str(each + 1) for each in range(usual.pages or 0)}
    assert {each for each in tokens(text(usual)) if each not in told and each not in pages} == set()


def test_pages_are_us_letter(usual: Report) -> None:
    assert {tuple(map(float, page.mediabox[2:])) for page in pypdf.PdfReader(io.BytesIO(usual.pdf or b"")).pages} == {
        (612.0, 792.0)
    }


def test_no_page_is_blank_and_none_is_cut_off(usual: Report) -> None:
    pdf = pypdfium2.PdfDocument(usual.pdf)
    for number in range(1, len(pdf)):
        picture = pdf[number].render(scale=0.5, grayscale=True).to_numpy()
        assert (picture < 128).sum() > 200, f"page {number + 1} is nearly blank"
        assert (picture[:, -12:] == 255).all(), f"page {number + 1} runs into its right margin"


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_another_process_with_another_hash_seed_gives_the_same_bytes(usual: Report, seed: str) -> None:
    code = (
        "from leadfactory.d06_reports.rendering import render_report as r\n"
        "from tests.unit.d06_reports.inputs import an_input, spreads\n"
        "x = r(an_input(compared=spreads(), sites=40)); print(x.pdf_sha256, x.html_sha256)"
    )
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [usual.pdf_sha256, usual.html_sha256]


def test_all_who_ask_for_one_report_at_once_are_given_one_print() -> None:
    html, on = "<html lang=en><title>one</title><p>one print", an_input().report_on
    before = rendering._printed.cache_info().misses
    with ThreadPoolExecutor(4) as people:
        given = {asked.result() for asked in [people.submit(rendering.render_pdf, html, on) for _ in range(8)]}
    assert len(given) == 1
    assert rendering._printed.cache_info().misses == before + 1


def test_another_date_gives_other_bytes(usual: Report) -> None:
    later = render_report(dataclasses.replace(an_input(), report_on=an_input().report_on.replace(day=9)))
    assert later.pdf_sha256 != usual.pdf_sha256


def test_all_kinds_at_once_stay_below_two_megabytes() -> None:
    report = render_report(an_input(findings=every_finding()))
    assert len(report.pdf or b"") < MOST
    assert (report.pages or 0) < 80


def test_no_findings_are_a_report_too() -> None:
    report = render_report(an_input(findings=()))
    assert "Nothing that we measure was found wrong" in " ".join(text(report).split())


@pytest.mark.parametrize(
    "name",
    ["W" * 400, "<b>Bold</b> & <script>alert(1)</script>", "金龙餐厅 مطعم 🍕", "Žluťoučký kůň № 1 \u202eevil\u0007"],
)
def test_hostile_names_print_with_our_typefaces_inside_the_margins(name: str) -> None:
    site = dataclasses.replace(an_input().site, own_name=name, own_address="X" * 500)
    finding = dataclasses.replace(
        an_input().findings[0], evidence={"url": "https://x.example/" + "y" * 900, "example": name}
    )
    report = render_report(an_input(site=site, findings=(finding,)))
    with opened(report) as pdf:
        names = [
            str(e.FontName)
            for e in pdf.objects
            if isinstance(e, pikepdf.Dictionary) and e.get("/Type") == "/FontDescriptor"
        ]
    assert all(OWN.fullmatch(each) for each in names)
    test_no_page_is_blank_and_none_is_cut_off(report)
