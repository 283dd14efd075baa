"""Which numbers a report may show, found without the code that shows them."""

from __future__ import annotations

import dataclasses
import decimal
import html as markup
import re
from collections.abc import Iterator
from typing import Any

from leadfactory.d06_reports import grading
from leadfactory.d06_reports.records import ReportInput
from leadfactory.d06_reports.settings import config

TOKEN = re.compile(r"\d[\d,]*(?:\.\d+)?")


def text_of(html: str) -> str:
    """What a reader sees of the HTML: no styles, no tags, no attributes, no addresses of font or picture."""
    shown = re.sub(r"<style.*?</style>|<head>.*?</head>", " ", html, flags=re.DOTALL)
    return markup.unescape(re.sub(r"<[^>]*>", " ", shown))


def tokens(text: str) -> set[str]:
    """The numbers in a text."""
    return {each.rstrip(",") for each in TOKEN.findall(text)}


def allowed(given: ReportInput) -> set[str]:
    """Numbers of the input as stored or scaled to s and MB, of the rules, and what is counted or reckoned from them."""
    found: set[str] = set()
    for value in _scalars(dataclasses.asdict(given)):
        if isinstance(value, str):
            found |= tokens(value)
        elif isinstance(value, int | float | decimal.Decimal):
            exact = decimal.Decimal(str(value))
            for scale, places in ((1, range(5)), (1000, (1,)), (1_000_000, (1,)), (100, (2,))):
                found |= {_set(exact / scale, place, comma) for place in places for comma in (",", "")}
        else:  # dates and times
            found |= tokens(f"{value:%B} {value.day}, {value.year}") | tokens(getattr(value, "strftime", str)("%H:%M"))
    for value in _scalars(config().model_dump(mode="json")):
        if isinstance(value, int | float):
            found |= {f"{value:g}", str(value)}
        else:
            found |= tokens(str(value))
    found |= tokens(f"{config().as_of:%Y} {config().as_of.day}") | tokens(given.evidence_sha256)
    result = grading.judge(given)
    found |= {str(result.score), *(str(each.score) for each in result.areas), "100", "75", "28"}
    quick = sum(grading.is_quick(each) for each in result.findings)
    bad = sum(each.severity >= 3 for each in result.findings)
    found |= {str(len(result.findings)), str(quick), str(bad), *(str(more) for _, _, more in result.plan)}
    return found


def _set(number: decimal.Decimal, places: int, comma: str) -> str:
    rounded = number.quantize(decimal.Decimal(1).scaleb(-places), rounding=decimal.ROUND_HALF_UP)
    return f"{rounded:{comma}.{places}f}"


def _scalars(plain: Any) -> Iterator[Any]:
    if isinstance(plain, dict):
        for name, value in plain.items():
            yield from _scalars(name)
            yield from _scalars(value)
    elif isinstance(plain, list | tuple):
        for value in plain:
            yield from _scalars(value)
    elif plain is not None and not isinstance(plain, bool):
        yield plain
