"""How a value is written for people, and for machines that read a CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

from leadfactory.dashboards.asking import Rows
from leadfactory.dashboards.panels import Unit

NOTHING = "–"


def written(value: Any, unit: Unit) -> str:
    """A value in its unit; a dash for nothing."""
    if value is None:
        return NOTHING
    if isinstance(value, (dt.date, dt.datetime)):
        return value.strftime("%Y-%m-%d")
    if unit in ("text", "campaign_day") or isinstance(value, (str, bool)):
        return str(value)
    number = float(value)
    match unit:
        case "share":
            return f"{number:.1%}".replace("%", " %")
        case "share_small":
            return f"{number:.2%}".replace("%", " %")
        case "cents":
            return _dollars(number / 100, 2)
        case "usd":
            return _dollars(number, 2)
        case "usd_small":
            return _dollars(number, 4)
        case "microusd":
            return _dollars(number / 1e6, 2)
        case "microusd_small":
            return _dollars(number / 1e6, 4)
        case "ms":
            return f"{number / 1000:,.1f} s" if number >= 1000 else f"{number:,.0f} ms"
        case _:
            return f"{number:,.0f}"


def _dollars(amount: float, places: int) -> str:
    return f"{'−' if amount < 0 else ''}${abs(amount):,.{places}f}"


def table(rows: Rows) -> str:
    """The rows as CSV, values as they are stored."""
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(rows.columns)
    writer.writerows([[_plain(value) for value in row] for row in rows.rows])
    return sink.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value  # no spreadsheet takes a name for a formula
    return value
