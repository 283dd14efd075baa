"""`leadfactory report …`: look at the report of one audited business. Sells nothing, mails nothing, writes one file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from cli.output import CommandError, as_json, console, paint

app = typer.Typer(no_args_is_help=True, help="Reports: what an owner buys.")


@app.command(
    epilog="Examples: leadfactory report preview example.com   ·   leadfactory report preview example.com --html --out=report.html"
)
def preview(
    business: Annotated[str, typer.Argument(help="The business's id, or the domain of its website.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write it; under LEADFACTORY_HOME/reports when left out.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Write the HTML twin instead of the PDF.")] = False,
    on: Annotated[str | None, typer.Option(help="The date on the cover as 2026-10-06; today when left out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")] = False,
) -> None:
    """Render the report of an audited business without selling anything; print path, pages, bytes and hash."""
    from cli.campaigns import system_of_record
    from leadfactory.d06_reports import store
    from leadfactory.d06_reports.rendering import render_report
    from leadfactory.settings import settings

    date = _date(on) if on is not None else settings().clock.today()
    with system_of_record() as db, db.begin() as tx:
        unit, business_id = store.audited(tx, business)
        given = store.read(tx, unit, business_id, on=date)
    report = render_report(given)
    as_html = html or report.pdf is None
    content = report.html.encode() if as_html or report.pdf is None else report.pdf
    path = _path(out, as_html, settings().home / "reports" / f"{given.site.domain}-{date}")
    _write(path, content)
    figures = {
        "path": str(path),
        "format": "html" if as_html else "pdf",
        "pages": None if as_html else report.pages,
        "bytes": len(content),
        "sha256": report.html_sha256 if as_html else report.pdf_sha256,
        "evidence_sha256": report.evidence_sha256,
        "campaign_day": unit.key,
        "business_id": str(business_id),
        "findings": len(given.findings),
        "no_pdf": None if html else report.no_pdf,
    }
    if json:
        as_json(figures)
        return
    if figures["no_pdf"]:
        console.print(paint("yellow", "HTML only:"), report.no_pdf)
    pages = f", {report.pages} pages" if not as_html else ""
    console.print(f"{path}{pages}, {len(content):,} bytes, {len(given.findings)} findings")
    console.print(f"sha256 {figures['sha256']}")
    console.print(f"evidence {report.evidence_sha256} ({unit.key})")


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--on={text!r} is no date: write it as 2026-10-06") from None


def _path(out: Path | None, as_html: bool, usual: Path) -> Path:
    suffix = ".html" if as_html else ".pdf"
    if out is None:
        return usual.with_name(usual.name + suffix)
    if as_html and out.suffix.lower() == ".pdf":  # never HTML under the name of a PDF
        return out.with_suffix(suffix)
    return out


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise CommandError(
            f"--out={path} cannot be written ({error.strerror}): name a file in a folder that you may write"
        ) from None
