"""Names and words from outside in charts and in Dagster's metadata: they are text there, whatever they look like."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ET

import pytest

from leadfactory.dashboards import drawing
from leadfactory.dashboards.asking import Rows
from leadfactory.dashboards.panels import Panel
from leadfactory.stage_report import StageReport
from leadfactory_assets.policies import told
from tests.leads import UNIT

HOSTILE = [
    "<script>alert(1)</script>",
    "</text></svg><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<style>*{display:none}</style>",
    "<!-- --><iframe src=//evil.example>",
    "javascript:alert(1)",
    "&lt;b&gt; $x^2$ & Söhne",
]
DAY = dt.date(2026, 10, 6)


def chart(kind: str, said: str) -> str:
    panel = Panel(
        name="hostile", title="Names", kind=kind, explanation="Names that strangers chose.", long=kind == "lines"
    )  # type: ignore[arg-type]
    if kind == "lines":
        rows = Rows(("day", "name", "n"), ((DAY, said, 1), (DAY + dt.timedelta(days=1), said, 2)))
    else:
        rows = Rows(("name", "n"), ((said, 3), ("Ada's", 2)))
    return str(drawing.svg(panel, rows))


@pytest.mark.parametrize("said", HOSTILE)
@pytest.mark.parametrize("kind", ["steps", "bars", "lines"])
def test_a_name_in_a_chart_is_text(kind: str, said: str) -> None:
    root = ET.fromstring(chart(kind, said))
    tags = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert tags <= {
        "svg",
        "g",
        "path",
        "text",
        "tspan",
        "rect",
        "line",
        "use",
        "defs",
        "clipPath",
        "title",
        "desc",
        "polyline",
    }
    named = [name for each in root.iter() for name in each.attrib]
    assert not [name for name in named if name.lower().startswith("on") or name == "style"]
    links = [value for each in root.iter() for name, value in each.attrib.items() if name.rpartition("}")[2] == "href"]
    assert all(value.startswith("#") for value in links)


@pytest.mark.parametrize("said", HOSTILE)
def test_what_a_stage_notes_is_text_in_dagster(said: str) -> None:
    report = StageReport("lead_scores", UNIT, "scored", 1, 1, notes=(f"the site says {said}",))
    shown = str(told(report)["notes"].value)
    assert not re.search(r"<\s*/?\s*[a-zA-Z!]", shown)
