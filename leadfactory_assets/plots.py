"""The one small picture an asset may show: a bar chart as an inline PNG of at most 30 KB."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

LIMIT_BYTES = 30 * 1024


def bar_chart(title: str, bars: Mapping[str, float]) -> str:
    """A horizontal bar chart of ``bars`` (label → number) as a Markdown image.

    Raises:
        ValueError: when the picture is larger than 30 KB, which the event log should not carry.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels, numbers = list(bars)[:12], list(bars.values())[:12]
    figure = Figure(figsize=(5.2, 0.5 + 0.28 * max(len(labels), 1)), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    drawn = axes.barh(labels, numbers, color="#3b6ea8")
    axes.bar_label(drawn, fmt="%g", padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    picture = buffer.getvalue()
    if len(picture) > LIMIT_BYTES:
        raise ValueError(f"chart {title!r} takes {len(picture)} bytes; the event log carries at most {LIMIT_BYTES}")
    return f"![{title}](data:image/png;base64,{base64.b64encode(picture).decode()})"
