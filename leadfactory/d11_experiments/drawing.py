"""The picture of an experiment: each arm's ratio to the control over time, within what can be said at every look."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadfactory.d11_experiments.readout import ArmReadout, Plan, Readout

LOWEST, HIGHEST = 0.25, 4.0  # what the picture shows of an interval that the data do not bound
COLOURS = ("#3b6ea8", "#c8553d", "#4d7c4a")


def draw(name: str, plan: Plan, history: Mapping[dt.date, Readout], file: Path) -> None:
    """Writes the picture in the format of the file's ending.

    Raises:
        ValueError: for an ending that names no picture format.
    """
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


def _band(axes: Any, arm: str, colour: str, history: Mapping[dt.date, Readout]) -> None:
    days = list(history)
    said: list[ArmReadout] = [next(each for each in history[day].arms if each.arm == arm) for day in days]
    low = [max(each.ratio_low or LOWEST, LOWEST) for each in said]
    high = [min(each.ratio_high or HIGHEST, HIGHEST) for each in said]
    axes.fill_between(days, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(days, [each.ratio for each in said], color=colour, label=arm, marker="o", markersize=2)
