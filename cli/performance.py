"""`leadfactory performance-report`, `delivered-share` and `todays-purchases`: how the factory does, with plots."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import CommandError, Table, as_json, console, dollars

if TYPE_CHECKING:
    from leadfactory.performance import Performance

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
BARS = " ▁▂▃▄▅▆▇█"
MOST_DAYS = 366


def register(app: typer.Typer) -> None:
    """Adds the commands to ``app``."""
    app.command(
        "performance-report",
        epilog="Examples: leadfactory performance-report --days=7   ·   leadfactory performance-report --days=30 --out=/tmp/month.html",
    )(report)
    app.command("delivered-share", epilog="Examples: leadfactory delivered-share   ·   leadfactory delivered-share --campaign=dental-nyc")(delivered_share)  # fmt: skip
    app.command("todays-purchases", epilog="Examples: leadfactory todays-purchases   ·   leadfactory todays-purchases --date=2026-10-06 --json")(todays_purchases)  # fmt: skip


def report(
    days: Annotated[int, typer.Option(help="How many UTC days, today included, 1 to 366.")] = 7,
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; reports/ under the home when left out.", dir_okay=False)
    ] = None,
    json: Json = False,
) -> None:
    """Show work, mail, sales, spend, vendors' speed and runs of the last days here, and write them with plots as one HTML file."""
    from cli.stores import reading_aside
    from leadfactory import performance
    from leadfactory.settings import settings

    if not 1 <= days <= MOST_DAYS:
        raise CommandError(f"--days={days} is out of range: choose 1 to {MOST_DAYS}")
    config = settings()
    with reading_aside() as tx:
        found = performance.measure(tx, config.clock.today(), days)
    file = out or config.home / "reports" / f"performance-{found.until}.html"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_html(found))
    except OSError as error:
        raise CommandError(f"--out={file} cannot be written ({error.strerror}): name another file") from None
    if json:
        as_json(found.figures() | {"html": str(file)})
    else:
        _print(found)
        console.print(f"with plots: {file}")


def delivered_share(
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's mail.")] = None, json: Json = False
) -> None:
    """Print how many of the mails that left have arrived."""
    from cli.stores import reading_aside
    from leadfactory import performance

    with reading_aside() as tx:
        total, arrived = performance.delivered(tx, campaign)
    share = arrived / total if total else None
    if json:
        as_json({"campaign": campaign, "sent": total, "delivered": arrived, "share": share})
    else:
        console.print(f"Delivered: {arrived}/{total}" + (f" ({share:.1%})" if share is not None else ""))


def todays_purchases(
    date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A UTC day; today when left out.")
    ] = None,
    json: Json = False,
) -> None:
    """Print how many reports were paid for today, and the money."""
    from cli.stores import reading_aside
    from leadfactory import performance
    from leadfactory.settings import settings

    day = settings().clock.today() if date is None else date.date()
    with reading_aside() as tx:
        count, paid, back = performance.sold(tx, day)
    if json:
        as_json({"date": day, "purchases": count, "paid_cents": paid, "refunded_cents": back})
    else:
        console.print(f"Purchases on {day}: {count} (${paid / 100:,.2f} paid, ${back / 100:,.2f} of it refunded)")


def _print(found: Performance) -> None:
    table = Table(title=f"{found.since} to {found.until}, UTC days", title_justify="left")
    for column in ("", "by day", "sum", "best day"):
        table.add_column(column, justify="right" if column in ("sum", "best day") else "left")
    for name, numbers in found.daily.items():
        best = max(range(len(numbers)), key=numbers.__getitem__)
        table.add_row(name, spark(numbers), f"{sum(numbers):,.6g}", str(found.days[best]) if numbers[best] else "–")
    console.print(table)
    table = Table("vendor", "calls", "faults", "429s", "p50", "p95", "from the cache", "spend")
    for one in found.vendors:
        table.add_row(
            one.vendor, f"{one.calls:,}", f"{one.faults:,}", f"{one.limited:,}", _ms(one.p50_ms), _ms(one.p95_ms),
            f"{one.hits:,}", dollars(one.spend_microusd),
        )  # fmt: skip
    console.print(table if found.vendors else "no vendor was called")
    table = Table("job", "runs", "failed", "half took less than", "longest")
    for job in found.jobs:
        table.add_row(job.job, str(job.runs), str(job.failed), _seconds(job.p50_s), _seconds(job.longest_s))
    console.print(table if found.jobs else "no run ended")


def spark(numbers: Sequence[float]) -> str:
    """One character a day, as high as its number; a day with anything is never blank."""
    most = max(numbers, default=0)
    if most <= 0:
        return "·" * len(numbers)
    return "".join("·" if not n else BARS[max(1, round(n / most * (len(BARS) - 1)))] for n in numbers)


def _ms(value: int | None) -> str:
    return "–" if value is None else f"{value:,} ms"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f} s"


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{text-align:right;padding:.3rem .6rem;border-bottom:1px solid #dde3ea}
td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:.5rem;width:18rem}figcaption{font-weight:600}
svg{width:100%;height:auto}rect{fill:#3b6ea8}text{font:9px system-ui;fill:#55626f}"""


def _html(found: Performance) -> str:
    plots = "".join(_plot(name, found.days, numbers) for name, numbers in found.daily.items())
    vendors = "".join(
        _row(one.vendor, f"{one.calls:,}", f"{one.faults:,}", f"{one.limited:,}", _ms(one.p50_ms), _ms(one.p95_ms), f"{one.hits:,}", dollars(one.spend_microusd))
        for one in found.vendors
    )  # fmt: skip
    jobs = "".join(_row(one.job, str(one.runs), str(one.failed), _seconds(one.p50_s), _seconds(one.longest_s)) for one in found.jobs)  # fmt: skip
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Performance {found.since} to {found.until}</title>
<style>{STYLE}</style></head><body><h1>Performance, {found.since} to {found.until}</h1><p>UTC days; counted from rows.</p>{plots}
<h2>Vendors</h2><table><tr><th>vendor</th><th>calls</th><th>faults</th><th>429s</th><th>p50</th><th>p95</th><th>from the cache</th><th>spend</th></tr>{vendors}</table>
<h2>Runs</h2><table><tr><th>job</th><th>runs</th><th>failed</th><th>half took less than</th><th>longest</th></tr>{jobs}</table></body></html>
"""


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _plot(name: str, days: Sequence[dt.date], numbers: Sequence[float]) -> str:
    """Bars by day as an inline picture; the numbers are its text, for who cannot see it."""
    most, width = max([*numbers, 0]) or 1, 280 / len(days)
    bars = "".join(
        f'<rect x="{i * width + 1:.1f}" y="{90 - 80 * n / most:.1f}" width="{max(width - 2, 0.5):.1f}" height="{80 * n / most:.1f}"><title>{day}: {n:g}</title></rect>'
        for i, (day, n) in enumerate(zip(days, numbers, strict=True))
    )  # fmt: skip
    label = html.escape(f"{name}: " + ", ".join(f"{day} {n:g}" for day, n in zip(days, numbers, strict=True)))
    return f"""<figure><figcaption>{html.escape(name)}: {sum(numbers):,.6g}</figcaption><svg viewBox="0 0 280 105" role="img" aria-label="{label}">
{bars}<text x="0" y="102">{days[0]}</text><text x="280" y="102" text-anchor="end">{days[-1]}</text><text x="280" y="8" text-anchor="end">{most:g}</text></svg></figure>"""
