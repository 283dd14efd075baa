"""Renders a report: the HTML twin, and from the same HTML a tagged PDF/UA-1. The same input gives the same bytes."""

from __future__ import annotations

import calendar
import contextlib
import datetime as dt
import functools
import gc
import hashlib
import io
import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from leadfactory.d06_reports import fonts, view
from leadfactory.d06_reports.records import Report, ReportInput

if TYPE_CHECKING:
    import jinja2

VERSION = "3"  # of templates and code; a change of what a report looks like is a new one
TEMPLATES = Path(__file__).parent / "templates"
VARIANT = "pdf/ua-1"
PANGO = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
_ROOT, _TOKEN, _USE = (
    re.compile(each) for each in (r":root \{[^}]*\}\n", r"(--[a-z]+): ([^;]+);", r"var\((--[a-z]+)\)")
)
_ONE = threading.Lock()  # one print at a time: SOURCE_DATE_EPOCH belongs to the whole process


class PdfUnavailable(RuntimeError):
    """This machine cannot make PDFs; the message says what is missing and how to get it."""


def render_report(given: ReportInput) -> Report:
    """The report of one website, as HTML and PDF; without Pango as HTML only, with the reason in ``no_pdf``."""
    html, numbers = render_html(given)
    pdf, pages, missing = None, None, None
    try:
        pdf, pages = render_pdf(html, given.report_on)
    except PdfUnavailable as error:
        missing = str(error)
    return Report(
        html=html,
        html_sha256=hashlib.sha256(html.encode()).hexdigest(),
        pdf=pdf,
        pdf_sha256=None if pdf is None else hashlib.sha256(pdf).hexdigest(),
        pages=pages,
        no_pdf=missing,
        evidence_sha256=given.evidence_sha256,
        numbers=numbers,
    )


def render_html(given: ReportInput) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The self-contained HTML twin, and every number that it shows with its sources."""
    seen = view.build(given, template=VERSION)
    html = (
        _templates()
        .get_template("report.html.j2")
        .render(seen.values, css=Markup(_css("report.css")), print_css=Markup(_css("print.css")))
    )
    return html, dict(seen.numbers.told)


def render_pdf(html: str, on: dt.date) -> tuple[bytes, int]:
    """The PDF of a report's HTML and its page count; ``on`` is the date that it bears.

    Raises:
        PdfUnavailable: Pango is missing.
    """
    with _ONE:
        return _printed(html, on)


def warm_up() -> None:
    """Reads what the first print of a process would have its buyer wait for: library, fonts, templates. Prints nothing to keep.

    Without Pango there is nothing to read.
    """
    from leadfactory.d06_reports.sample import sample

    with contextlib.suppress(PdfUnavailable):
        given = sample()
        render_pdf(render_html(given)[0], given.report_on)


@functools.lru_cache(maxsize=16)
def _printed(html: str, on: dt.date) -> tuple[bytes, int]:
    """One print for all who ask for the same report: a buyer who loads the page again, the webhook meanwhile, one who is at the till."""
    weasyprint, configuration, style = _engine()
    with _dated(on), _uncollected():
        # a report fetches nothing: no protocol is allowed, whatever the measured website has put into a text
        closed = weasyprint.urls.URLFetcher(allowed_protocols=())
        document = weasyprint.HTML(string=html, url_fetcher=closed).render(
            stylesheets=[style], font_config=configuration, pdf_variant=VARIANT
        )
        pdf = document.write_pdf(pdf_variant=VARIANT)
    return pdf, len(document.pages)


@functools.lru_cache(maxsize=1)
def _engine() -> tuple[Any, Any, Any]:
    """WeasyPrint, its fonts (read once a process) and the rules that name them."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its own advice there
            import weasyprint
            from weasyprint.text.fonts import FontConfiguration
    except OSError as error:  # cffi could not load the library
        raise PdfUnavailable(
            f"Pango is not installed, so there is no PDF ({PANGO}): {str(error).splitlines()[0]}"
        ) from None
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    logging.getLogger("weasyprint.progress").setLevel(logging.WARNING)  # a line a step and page of every report
    configuration = FontConfiguration()
    from_disk = weasyprint.urls.URLFetcher(allowed_protocols=("file",))  # our own font files
    style = weasyprint.CSS(string=fonts.stylesheet(), font_config=configuration, url_fetcher=from_disk)
    return weasyprint, configuration, style


@contextlib.contextmanager
def _dated(on: dt.date) -> Iterator[None]:
    """SOURCE_DATE_EPOCH from the report's date: what font tools stamp into the subsets."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(calendar.timegm(on.timetuple()))
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No look for garbage meanwhile: a report is a million small objects, and looking through them again and again is a fifth of the work."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@functools.lru_cache(maxsize=2)
def _css(name: str) -> str:
    """A stylesheet with its tokens resolved: custom properties cost WeasyPrint more than all other rules together."""
    text = (TEMPLATES / name).read_text()
    tokens = dict(_TOKEN.findall(text))
    return _USE.sub(lambda used: tokens[used[1]], _ROOT.sub("", text))


@functools.lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    import jinja2

    def shown(value: Any) -> Any:
        return fonts.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
