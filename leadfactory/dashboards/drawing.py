"""Charts as inline SVG, by matplotlib: every colour is a class of the page's style, so that dark and light are the reader's choice.

The page's security policy allows no style attributes: matplotlib's are turned into plain ones.
"""

from __future__ import annotations

import datetime as dt
import html
import io
import itertools
import re
import threading
from typing import TYPE_CHECKING, Any

from leadfactory.dashboards import words
from leadfactory.dashboards.asking import Rows
from leadfactory.dashboards.panels import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins that no chart means as colours; each becomes a class of dashboards.css.
INK, MUTED, GRID, WARN = "#010101", "#010102", "#010103", "#010104"
SERIES = tuple(f"#0102{number:02x}" for number in range(1, 9))
_CLASS = {INK: "ink", MUTED: "muted", GRID: "grid", WARN: "warn"} | {c: f"s{n}" for n, c in enumerate(SERIES, 1)}
MOST_SERIES = len(SERIES)
_lock = threading.Lock()  # matplotlib keeps fonts and settings for the whole process
_STYLE = re.compile(r'style="([^"]*)"')
_PAINT = re.compile(r'\b(fill|stroke)="(#0101\d\d|#0102\d\d)"')
_DROPPED = re.compile(
    r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<\?xml[^>]*>|<!DOCTYPE[^>]*>|<!--.*?-->", re.DOTALL
)
_TAG = re.compile(r"<(?:path|use|text|g|rect|line)\b[^>]*>")


def svg(panel: Panel, rows: Rows, *, narrow: bool = False) -> str:
    """The chart of a panel, as wide as half of a desktop's page or, ``narrow``, as a phone. Its words are text; what it shows is also in
    the panel's table."""
    with _lock:
        import matplotlib as mpl

        mpl.use("Agg")
        settings: Any = {
            "svg.fonttype": "none", "text.parse_math": False, "svg.hashsalt": panel.name, "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK,
            "axes.edgecolor": GRID, "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED, "axes.spines.top": False,
            "axes.spines.right": False, "axes.spines.left": False, "axes.grid": True, "axes.grid.axis": "y", "grid.color": GRID,
            "axes.axisbelow": True, "figure.facecolor": "none", "axes.facecolor": "none", "legend.frameon": False, "lines.linewidth": 1.8,
        }  # fmt: skip
        with mpl.rc_context(settings):
            figure = _figure(panel, rows, narrow)
            sink = io.StringIO()
            figure.savefig(sink, format="svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None})
    return _cleaned(sink.getvalue(), panel, "narrow" if narrow else "broad")


def _figure(panel: Panel, rows: Rows, narrow: bool) -> Figure:
    from matplotlib.figure import Figure

    flat = panel.kind in ("steps", "bars")
    height = max(1.6, 0.36 * len(rows.rows) + 0.5) if flat else 2.7
    figure = Figure(figsize=((3.5 if flat else 4.2) if narrow else 6.4, height))  # a flat chart's words stand beside it
    axes = figure.add_subplot()
    if panel.kind == "steps":
        _steps(axes, rows, narrow)
    elif panel.kind == "bars":
        _bars(axes, panel, rows, narrow)
    else:
        _curves(axes, panel, rows, narrow)
    axes.tick_params(length=0)
    return figure


def _steps(axes: Axes, rows: Rows, narrow: bool) -> None:
    """Bars of a funnel, each with its number and its share of the one before; short ones stay visible."""
    labels = [str(label) for label, _ in rows.rows]
    numbers = [float(value) for _, value in rows.rows]
    places = range(len(labels))
    axes.barh(places, numbers, color=SERIES[0], height=0.66)
    most = max(numbers, default=1.0) or 1.0
    for place, number in zip(places, numbers, strict=True):
        before = numbers[place - 1] if place else 0.0
        share = f"  · {words.written(number / before, 'share')}{'' if narrow else ' of those before'}" if before else ""
        axes.text(number + most * 0.012, place, f"{number:,.0f}{share}", va="center", color=INK, fontsize=8.5)
    axes.set_yticks(list(places), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, most * (1.7 if narrow else 1.5))  # room for what is written beside the longest
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def _bars(axes: Axes, panel: Panel, rows: Rows, narrow: bool) -> None:
    labels = [str(label) for label, _ in rows.rows]
    numbers = [float(value or 0) for _, value in rows.rows]
    places = range(len(labels))
    axes.barh(places, numbers, color=SERIES[0], height=0.66)
    most = max(numbers, default=1.0) or 1.0
    for place, number in zip(places, numbers, strict=True):
        axes.text(number + most * 0.012, place, words.written(number, panel.unit), va="center", color=INK, fontsize=8.5)
    axes.set_yticks(list(places), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, most * (1.3 if narrow else 1.18))
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def _curves(axes: Axes, panel: Panel, rows: Rows, narrow: bool) -> None:
    found = _series(panel, rows)
    axes.margins(x=0.02)
    stacked = panel.kind == "stacks"
    above: dict[Any, float] = {}
    below: dict[Any, float] = {}
    xs = sorted({x for points in found.values() for x in points})
    step = (
        min(((b - a).days for a, b in itertools.pairwise(xs)), default=7)
        if stacked and xs and isinstance(xs[0], dt.date)
        else 1
    )
    for (name, points), colour in zip(list(found.items())[:MOST_SERIES], SERIES, strict=False):
        if stacked:
            heights = [points.get(x, 0.0) for x in xs]
            bottoms = [(above if h >= 0 else below).get(x, 0.0) for x, h in zip(xs, heights, strict=True)]
            axes.bar(xs, heights, bottom=bottoms, color=colour, width=step * 0.8, label=name)
            for x, h in zip(xs, heights, strict=True):
                side = above if h >= 0 else below
                side[x] = side.get(x, 0.0) + h
        else:
            axes.plot(
                sorted(points), [points[x] for x in sorted(points)], color=colour, label=name, solid_capstyle="round"
            )
    if panel.warn is not None:
        axes.axhline(panel.warn, color=WARN, linewidth=1.2, linestyle=(0, (4, 3)))
    if stacked:  # the highest bar ends below the legend
        axes.set_ylim(top=1.06 * max([0.0, *above.values()]) or 1.0)
    lowest = min([0.0, *below.values()])
    axes.set_ylim(bottom=lowest * 1.1)
    if panel.warn is not None:
        axes.set_ylim(top=max(axes.get_ylim()[1], panel.warn * 1.25))
    _axes(axes, panel, xs, narrow)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=3 if narrow else 4,
        fontsize=8.5,
        handlelength=1.1,
        borderaxespad=0.2,
        columnspacing=1.4,
    )


def _axes(axes: Axes, panel: Panel, xs: list[Any], narrow: bool) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(5, integer=panel.unit == "count"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.written(value, panel.unit)))
    if panel.axis == "day" and xs:
        locator = AutoDateLocator(minticks=3, maxticks=5 if narrow else 7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 8, integer=True))
        axes.set_xlabel("days after the first letter")


def _series(panel: Panel, rows: Rows) -> dict[str, dict[Any, float]]:
    """Series by what people call them; the largest first, and what does not fit together."""
    found: dict[str, dict[Any, float]] = {}
    if panel.long:
        for x, name, value in rows.rows:
            if value is not None:
                found.setdefault(str(name), {})[x] = float(value)
        return dict(sorted(found.items(), key=lambda one: (-sum(map(abs, one[1].values())), one[0])))
    for row in rows.rows:
        for column, value in zip(rows.columns[1:], row[1:], strict=True):
            if value is not None:
                found.setdefault(panel.label_of(column), {})[row[0]] = float(value)
    return found


def _cleaned(text: str, panel: Panel, width: str) -> str:
    """Inline: no header, no styles, ids of its own, colours as classes."""
    own = f"{panel.name}-{width}"
    text = _DROPPED.sub("", text)
    text = re.sub(r'\b(id|clip-path|xlink:href)="(url\()?#?([^")]+)(\))?"', lambda found: _own(found, own), text)
    text = _TAG.sub(lambda tag: _plain(tag[0]), text)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    name = html.escape(f"Chart: {panel.title}", quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{name}" class="chart {width}" ', 1).strip()


def _own(found: re.Match[str], name: str) -> str:
    kind, link, target = found[1], found[2], found[3]
    if kind == "id":
        return f'id="{name}-{target}"'
    return f'{kind}="url(#{name}-{target})"' if link else f'{kind}="#{name}-{target}"'


def _plain(tag: str) -> str:
    def attributes(style: re.Match[str]) -> str:
        pairs = (part.split(":", 1) for part in style[1].split(";") if ":" in part)
        told = {name.strip(): value.strip() for name, value in pairs}
        if font := told.pop("font", None):
            size = re.search(r"([\d.]+)px", font)
            told["font-size"] = size[1] if size else "9"
        return " ".join(
            f'{name}="{html.escape(value, quote=True)}"' for name, value in told.items() if name != "font-family"
        )

    tag = _STYLE.sub(attributes, tag)
    classes = [
        f"{'f' if found[1] == 'fill' else 'k'}-{_CLASS[found[2]]}"
        for found in _PAINT.finditer(tag)
        if found[2] in _CLASS
    ]
    tag = _PAINT.sub("", tag)
    if tag.startswith("<text") and not any(name.startswith("f-") for name in classes):
        classes.append("f-ink")
    return re.sub(r"^<(\w+)", rf'<\1 class="{" ".join(classes)}"', tag, count=1) if classes else tag
