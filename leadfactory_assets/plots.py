"""The one small picture an asset may show: bars, whole or of parts, as an inline PNG of at most 30 KB."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

LIMIT_BYTES = 30 * 1024


COLOURS = ("#3b6ea8", "#e09f3e", "#c9d3de", "#7a9e7e")
BARS, STACKS = 12, 10  # what fits into the limit


def bar_chart(title: str, bars: Mapping[str, float]) -> str:
    """A horizontal bar chart of ``bars`` (label → number) as a Markdown image.

    Raises:
        ValueError: when the picture is larger than 30 KB, which the event log should not carry.
    """
    labels, numbers = list(bars)[:BARS], list(bars.values())[:BARS]
    title = _told(title, len(bars), BARS)
    figure, axes = _sheet(title, len(labels))
    drawn = axes.barh(labels, numbers, color=COLOURS[0])
    axes.bar_label(drawn, fmt="%g", padding=3, fontsize=8)
    axes.set_xlim(left=0, right=None if any(numbers) else 1)
    return _picture(title, figure)


def stacked_chart(title: str, stacks: Mapping[str, Mapping[str, float]]) -> str:
    """Horizontal bars of parts (label → part → number, the same parts in each), the first ten, as a Markdown image.

    Raises:
        ValueError: when the picture is larger than 30 KB, which the event log should not carry.
    """
    labels = list(stacks)[:STACKS]
    title = _told(title, len(stacks), STACKS)
    figure, axes = _sheet(title, len(labels) + 1)
    begin = [0.0] * len(labels)
    for colour, part in zip(COLOURS, next(iter(stacks.values())), strict=False):
        numbers = [stacks[label][part] for label in labels]
        drawn = axes.barh(labels, numbers, left=begin, color=colour, label=part)
        axes.bar_label(
            drawn, labels=[f"{number:g}" if number else "" for number in numbers], label_type="center", fontsize=7
        )
        begin = [one + number for one, number in zip(begin, numbers, strict=True)]
    figure.legend(fontsize=7, loc="outside lower center", ncols=len(COLOURS), frameon=False)
    return _picture(title, figure)


def _told(title: str, given: int, fit: int) -> str:
    """The title, which says so when not all bars fit."""
    return title if given <= fit else f"{title} (the first {fit} of {given})"


def _sheet(title: str, rows: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 0.5 + 0.28 * max(rows, 1)), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    return figure, axes


def _picture(title: str, figure: Any) -> str:
    from PIL import Image

    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    # a palette: flat bars and grey letters need no more colours, and long names then fit into the limit
    Image.open(drawn).convert("RGB").quantize(colors=32).save(buffer, format="png", optimize=True)
    picture = buffer.getvalue()
    if len(picture) > LIMIT_BYTES:
        raise ValueError(f"chart {title!r} takes {len(picture)} bytes; the event log carries at most {LIMIT_BYTES}")
    return f"![{title}](data:image/png;base64,{base64.b64encode(picture).decode()})"
