"""The chapters made of charts: lab metrics, field data apart from them, and where the site lies among others. Pure."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from leadfactory.d06_reports import charts
from leadfactory.d06_reports.numbers import Numbers, rounded, scaled
from leadfactory.d06_reports.records import ReportInput, Spread
from leadfactory.d06_reports.settings import Compared, Metric, config

_SCORES = (("performance", "Performance"), ("accessibility", "Accessibility"),
           ("best_practices", "Best practices"), ("seo", "Search"))  # fmt: skip


def chapter(given: ReportInput, numbers: Numbers) -> dict[str, Any]:
    """Lighthouse's scores and metrics of the lab run, and the field data of Chrome's users apart from them."""
    limits = config().lighthouse
    dials: list[tuple[str, Markup | None, str]] = []
    for column, title in _SCORES:
        score = given.audit.scores.get(column)
        if score is None:
            dials.append((title, None, "not measured"))
            continue
        word, colour = charts.verdict(score, limits.good, limits.poor)
        said = numbers.say(score, f"site_audits.{column}")
        dials.append((title, charts.ring(score, said, "", f"Lighthouse {title}: {said}, {word}.", colour=colour), word))
    lab = [_metric(metric, given.audit.lab[metric.column], numbers) for metric in config().metrics
           if metric.column is not None and given.audit.lab.get(metric.column) is not None]  # fmt: skip
    return {
        "dials": dials,
        "lab": lab,
        "field": _field(given, numbers),
        "green": numbers.say(limits.good, "config/reports.yaml: lighthouse.good"),
        "red": numbers.say(limits.poor, "config/reports.yaml: lighthouse.poor"),
        "percentile": numbers.say(75, "the percentile that the Chrome UX Report gives"),
        "window": numbers.say(28, "the days that the Chrome UX Report looks back on"),
    }


def comparison(given: ReportInput, numbers: Numbers) -> dict[str, Any] | None:
    """Where this site lies among the campaign's; None when too few sites were measured."""
    if not given.compared:
        return None
    known = {each.column: each for each in config().compared}
    return {
        "sites": numbers.say(given.sites, "count of site_audits of the campaign"),
        "rows": [_compared(known[each.column], each, numbers) for each in given.compared if each.column in known],
    }


def _metric(metric: Metric, stored: Any, numbers: Numbers, *, table: str = "site_audits", divide: float | None = None) -> dict[str, Any]:  # fmt: skip
    value = scaled(stored, divide or metric.divide)
    source = f"{table}.{metric.column}" if table == "site_audits" else f"{table}: {metric.field}"
    unit = f" {metric.unit}" if metric.unit else ""
    said = numbers.say(value, source, metric.decimals) + unit
    good = numbers.say(metric.good, "config/reports.yaml: metrics.good", _places(metric.good)) + unit
    poor = numbers.say(metric.poor, "config/reports.yaml: metrics.poor", _places(metric.poor)) + unit
    # judged as shown, so that the word never contradicts the number beside it
    shown = float(rounded(value, max(metric.decimals, _places(metric.poor))).replace(",", ""))
    word = "good" if shown <= metric.good else "needs work" if shown <= metric.poor else "poor"
    title = f"{metric.title}: {said}, {word}. Good up to {good}, poor above {poor}."
    return {
        "title": metric.title,
        "means": metric.means,
        "said": said,
        "word": word,
        "chart": charts.metric_bar(shown, metric.good, metric.poor, metric.most, said, title, (good, poor)),
    }


def _field(given: ReportInput, numbers: Numbers) -> list[dict[str, Any]]:
    told: Mapping[str, float] = given.audit.field or {}
    return [
        _metric(metric, told[metric.field], numbers, table="field data", divide=metric.field_divide)
        for metric in config().metrics
        if metric.field is not None and metric.field in told
    ]


def _compared(rule: Compared, spread: Spread, numbers: Numbers) -> dict[str, Any]:
    unit = f" {rule.unit}" if rule.unit else ""
    source = f"site_audits.{rule.column} of the campaign"

    def say(number: decimal.Decimal, origin: str = source) -> str:
        return numbers.say(scaled(number, rule.divide), origin, rule.decimals) + unit

    low, middle, high = say(spread.p25), say(spread.p50), say(spread.p75)
    mine = say(spread.mine, f"site_audits.{rule.column}" if rule.column != "findings" else "count of audit_findings")
    better = numbers.say(spread.better_than, f"count of {source}")
    others = numbers.say(spread.sites, f"count of {source}")
    title = (
        f"{rule.title}: this website {mine}; the median of {others} websites is {middle}, "
        f"the middle half lies between {low} and {high}. Better than {better} of {others}."
    )
    values = [float(scaled(each, rule.divide)) for each in (spread.p25, spread.p50, spread.p75, spread.mine)]
    return {
        "title": rule.title,
        "mine": mine,
        "low": low, "middle": middle, "high": high,
        "better": better,
        "sites": others,
        "chart": charts.spread_bar(*values, better=rule.better, said=(low, f"median {middle}", high, mine), title=title),
    }  # fmt: skip


def _places(number: float) -> int:
    return max(0, -int(decimal.Decimal(str(number)).normalize().as_tuple().exponent))
