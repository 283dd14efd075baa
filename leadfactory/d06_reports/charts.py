"""Charts as inline SVG. Each is one figure with a title that says in words what it shows; text is drawn in the report's typeface."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from leadfactory.d06_reports.fonts import TEXT, printable

INK, MUTED, RAIL = "#14233b", "#5a677b", "#e4e8ef"
GOOD, FAIR, POOR = "#1b7f5c", "#c27a0e", "#c2372f"
GOOD_TINT, FAIR_TINT, POOR_TINT = "#d5ece3", "#f8e6c8", "#f6d8d5"


def verdict(score: float, good: float, poor: float) -> tuple[str, str]:
    """Word and colour of a score of which more is better."""
    return ("good", GOOD) if score >= good else ("needs work", FAIR) if score >= poor else ("poor", POOR)


def ring(score: int, text: str, caption: str, title: str, *, colour: str, dark: bool = False) -> Markup:
    """A score of 100 as a ring: the letter or number inside, a caption below it."""
    radius, middle = 44, 56
    rail, ink = ("#33496b", "#ffffff") if dark else (RAIL, INK)
    body = f'<circle cx="{middle}" cy="{middle}" r="{radius}" fill="none" stroke="{rail}" stroke-width="9"/>'
    body += _arc(middle, radius, min(max(score, 0), 100) / 100, colour)
    y = 68 if not caption else 62
    body += _text(middle, y, text, 34, ink, anchor="middle", weight=700)
    if caption:
        body += _text(middle, 79, caption, 11, ink if dark else MUTED, anchor="middle")
    return _svg(112, 112, body, title)


def metric_bar(
    value: float, good: float, poor: float, most: float, label: str, title: str, limits: tuple[str, str]
) -> Markup:
    """A metric of which less is better, on a scale with its good, middling and poor zones; ``limits`` are their labels."""
    width, top = 480.0, 22.0
    x = [0.0, width * min(good / most, 1), width * min(poor / most, 1), width]
    tints, names = (GOOD_TINT, FAIR_TINT, POOR_TINT), ("good", "needs work", "poor")
    body = ""
    for left, right, tint, name in zip(x, x[1:], tints, names, strict=False):
        body += f'<rect x="{_n(left)}" y="{top}" width="{_n(right - left)}" height="12" fill="{tint}"/>'
        body += _text(left + 4, top + 25, name, 11, MUTED) if right - left > 62 else ""
    at = width * min(max(value, 0) / most, 1)
    colour = GOOD if value <= good else FAIR if value <= poor else POOR
    body += f'<rect x="0" y="{top + 3}" width="{_n(at)}" height="6" fill="{colour}"/>'
    body += f'<circle cx="{_n(min(max(at, 5), width - 5))}" cy="{top + 6}" r="6" fill="{colour}" stroke="#fff" stroke-width="2"/>'
    anchor = "start" if at < 60 else "end" if at > width - 60 else "middle"
    body += _text(at, top - 7, label, 15, colour, anchor=anchor, weight=700)
    for place, said in zip(x[1:3], limits, strict=True):
        body += f'<line x1="{_n(place)}" x2="{_n(place)}" y1="{top - 2}" y2="{top + 14}" stroke="{MUTED}" stroke-width="0.8"/>'
        body += _text(place, top + 38, said, 11, MUTED, anchor="middle")
    return _svg(width, 64, body, title)


def area_bars(rows: Sequence[tuple[str, int | None, str]], title: str) -> Markup:
    """One bar an area: title, score of 100 (None: not measured) and its label."""
    height, body = 26, ""
    for position, (name, score, said) in enumerate(rows):
        y = position * height
        body += _text(0, y + 15, name, 12, INK, weight=600)
        body += f'<rect x="170" y="{y + 6}" width="250" height="10" rx="5" fill="{RAIL}"/>'
        if score is not None:
            _, colour = verdict(score, 80, 60)
            body += f'<rect x="170" y="{y + 6}" width="{_n(max(2.5 * score, 5))}" height="10" rx="5" fill="{colour}"/>'
        body += _text(
            432, y + 15, said, 12, INK if score is not None else MUTED, weight=600 if score is not None else 400
        )
    return _svg(480, height * len(rows), body, title)


def spread_bar(
    p25: float, p50: float, p75: float, mine: float, *, better: str, said: Sequence[str], title: str
) -> Markup:
    """Where this site lies among others: the middle half as a band, the median as a line, this site as a dot.

    ``said``: labels of lower quartile, median, upper quartile and this site.
    """
    low, high = min(p25, mine), max(p75, mine)
    span = (high - low) or 1.0
    low, high = low - span * 0.12, high + span * 0.12
    width = 480.0

    def at(value: float) -> float:
        return width * (value - low) / (high - low)

    is_good = mine >= p50 if better == "above" else mine <= p50
    colour = GOOD if is_good else POOR
    body = f'<line x1="0" x2="{width}" y1="26" y2="26" stroke="{RAIL}" stroke-width="3"/>'
    body += f'<rect x="{_n(at(p25))}" y="20" width="{_n(max(at(p75) - at(p25), 2))}" height="12" fill="#c9d3e3"/>'
    body += f'<line x1="{_n(at(p50))}" x2="{_n(at(p50))}" y1="16" y2="36" stroke="{INK}" stroke-width="2"/>'
    body += f'<circle cx="{_n(at(mine))}" cy="26" r="7" fill="{colour}" stroke="#fff" stroke-width="2"/>'
    body += _text(at(mine), 11, said[3], 14, colour, anchor=_anchor(at(mine), width), weight=700)
    body += _text(at(p50), 49, said[1], 11, MUTED, anchor=_anchor(at(p50), width))
    return _svg(width, 54, body, title)


def _anchor(x: float, width: float) -> str:
    return "start" if x < 60 else "end" if x > width - 60 else "middle"


def _arc(middle: float, radius: float, share: float, colour: str) -> str:
    if share <= 0:
        return ""
    if share >= 1:
        return f'<circle cx="{middle}" cy="{middle}" r="{radius}" fill="none" stroke="{colour}" stroke-width="9"/>'
    angle = 2 * math.pi * share
    x, y = middle + radius * math.sin(angle), middle - radius * math.cos(angle)
    large = 1 if share > 0.5 else 0
    path = f"M {middle} {middle - radius} A {radius} {radius} 0 {large} 1 {_n(x)} {_n(y)}"
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="9" stroke-linecap="round"/>'


def _text(x: float, y: float, text: str, size: float, fill: str, *, anchor: str = "start", weight: int = 400) -> str:
    family = f"{TEXT}, Source Sans Pro, Source Sans 3, Helvetica, Arial, sans-serif"
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size}" font-family="{family}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(printable(text))}</text>'
    )


def _svg(width: float, height: float, body: str, title: str) -> Markup:
    said = escape(printable(title))
    return Markup(  # every text in it is escaped above
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{said}" viewBox="0 0 {_n(width)} {_n(height)}">'
        f"<title>{said}</title>{body}</svg>"
    )


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
