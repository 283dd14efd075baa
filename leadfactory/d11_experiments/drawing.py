"""The picture of an experiment: each arm's ratio to the control over time, within what can be said at every look."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadfactory.d11_experiments.readout import ArmReadout, Plan, Readout

FORMATS = (".png", ".svg", ".pdf")
LOWEST, HIGHEST = 0.25, 4.0  # what the picture shows of an interval that the data do not bound
COLOURS = ("#3b6ea8", "#c8553d", "#4d7c4a")


def draw(name: str, plan: Plan, history: Mapping[dt.date, Readout], file: Path) -> None:
    """Writes the picture in the format of the file's ending.

    Raises:
        ValueError: for an ending that names no picture format.
        OSError: when it cannot be written.
    """
    if file.suffix not in FORMATS:
        raise ValueError(f"{file.suffix or 'no ending'} names no picture format: end it in {', '.join(FORMATS)}")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    others = [arm for arm in plan.arms if arm != plan.control]
    for colour, arm in zip(COLOURS, sorted(others), strict=False):
        _band(axes, arm, colour, history)
    axes.axhline(1.0, color="#555555", linewidth=1)
    for size in (1 + plan.minimum_effect, 1 / (1 + plan.minimum_effect)):
        axes.axhline(size, color="#999999", linewidth=0.8, linestyle=":")
    axes.set_yscale("log", base=2)
    axes.set_ylim(LOWEST, HIGHEST)
    axes.set_yticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
    axes.set_ylabel(f"rate of {plan.metric} over that of {plan.control}")
    axes.set_title(f"{name}: {list(history.values())[-1].sentence}", fontsize=9, loc="left", wrap=True)
    axes.legend(loc="upper right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.autofmt_xdate()
    figure.savefig(file)


def lines(plan: Plan, history: Mapping[dt.date, Readout], arm: str, *, most: int = 12, width: int = 41) -> list[str]:
    """The same as text: a line a day, from ¼ to 4 on a log scale; the newest day and at most ``most`` evenly chosen ones."""
    days = list(history)
    step = max(1, -(-len(days) // most))
    chosen = sorted(set(days[::step]) | set(days[-1:]))
    return [f"{day}  {_bar(next(a for a in history[day].arms if a.arm == arm), width)}" for day in chosen]


def _bar(said: ArmReadout, width: int) -> str:
    """``|`` is no difference, ``=`` what the data have not ruled out, ``o`` what was observed, ``<`` and ``>`` ends beyond."""
    if said.log_e is None:
        return "not compared"

    def at(ratio: float) -> int:
        part = math.log(min(max(ratio, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
        return round(part * (width - 1))

    low, high = said.ratio_low or 0.0, said.ratio_high or math.inf
    cells = ["=" if at(low) <= place <= at(high) else " " for place in range(width)]
    cells[at(1.0)] = "|"
    if said.ratio is not None:
        cells[at(said.ratio)] = "o"
    if low < LOWEST:
        cells[0] = "<"
    if high > HIGHEST:
        cells[-1] = ">"
    told = "?" if said.ratio is None else f"{said.ratio:.2f}"
    ends = f"{said.ratio_low or 0:.2f} to {'?' if said.ratio_high is None else f'{said.ratio_high:.2f}'}"
    return f"{''.join(cells)}  {told} ({ends})"


def _band(axes: Any, arm: str, colour: str, history: Mapping[dt.date, Readout]) -> None:
    days = list(history)
    said: list[ArmReadout] = [next(each for each in history[day].arms if each.arm == arm) for day in days]
    low = [max(each.ratio_low or LOWEST, LOWEST) for each in said]
    high = [min(each.ratio_high or HIGHEST, HIGHEST) for each in said]
    axes.fill_between(days, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(days, [each.ratio for each in said], color=colour, label=arm, marker="o", markersize=2)
