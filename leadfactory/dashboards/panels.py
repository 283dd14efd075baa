"""Dashboards as files: dashboards/<name>.yaml with one SQL file a panel, checked. What is drawn and asked is decided there."""

from __future__ import annotations

import functools
from typing import Any, Literal

import pydantic

from leadfactory import yaml_config
from leadfactory.settings import ROOT

FOLDER = ROOT / "dashboards"
NAMES = ("funnel", "system", "revenue", "email")
Kind = Literal["tiles", "steps", "bars", "lines", "stacks", "table"]
Unit = Literal[
    "count", "share", "share_small", "cents", "usd", "usd_small", "microusd", "microusd_small", "ms", "text", "campaign_day"
]  # fmt: skip


class Panel(pydantic.BaseModel):
    """One panel. ``series`` names columns for people; ``long`` says that the rows are (x, series, value); ``warn`` is a line to see;
    ``thresholds`` are by column from where a tile is amber and red."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    name: str = pydantic.Field(pattern=r"[a-z_]+")
    title: str
    kind: Kind
    explanation: str = pydantic.Field(min_length=20)
    unit: Unit = "count"
    units: dict[str, Unit] = {}
    series: dict[str, str] = {}
    thresholds: dict[str, tuple[float, float]] = {}
    warn: float | None = None
    long: bool = False
    axis: Literal["day", "days"] = "day"
    sql: str = ""

    def unit_of(self, column: str) -> Unit:
        """What a column is counted in."""
        return self.units.get(column, self.unit)

    def label_of(self, column: str) -> str:
        """What people call a column."""
        named = self.series.get(column)
        if named is not None:
            return named
        bare = column.removesuffix("_cents").removesuffix("_microusd").removesuffix("_ms")
        return bare.replace("_", " ").capitalize()


class Live(pydantic.BaseModel):
    """A panel of Grafana's alone: what Prometheus knows of this moment. ``unit`` is Grafana's."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    title: str
    expr: str
    explanation: str = pydantic.Field(min_length=20)
    legend: str = ""
    unit: str = "short"


class Dashboard(pydantic.BaseModel):
    """One dashboard: its panels in the order of reading."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    name: str = ""
    title: str
    about: str
    panels: tuple[Panel, ...] = pydantic.Field(min_length=1)
    prometheus: tuple[Live, ...] = ()

    def panel(self, name: str) -> Panel:
        """A panel by its name.

        Raises:
            LookupError: names those that there are.
        """
        for each in self.panels:
            if each.name == name:
                return each
        raise LookupError(f"panel {name!r} is none of {', '.join(each.name for each in self.panels)}")


@functools.cache
def dashboard(name: str) -> Dashboard:
    """One dashboard with the SQL of its panels.

    Raises:
        LookupError: there is no such dashboard. ConfigError, OSError: a file is wrong or missing, by its name.
    """
    if name not in NAMES:
        raise LookupError(f"dashboard {name!r} is none of {', '.join(NAMES)}")
    found = yaml_config.load(name, Dashboard, FOLDER / f"{name}.yaml")
    panels: list[Any] = [each.model_copy(update={"sql": _sql(name, each.name)}) for each in found.panels]
    return found.model_copy(update={"name": name, "panels": tuple(panels)})


def _sql(name: str, panel: str) -> str:
    return (FOLDER / f"{name}_{panel}.sql").read_text().strip()
