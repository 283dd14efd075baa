"""Grafana's dashboards and provisioning, generated from the panels' files: the same SQL, asked through the role lf_analyst."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from leadfactory.dashboards import panels
from leadfactory.dashboards.panels import NAMES, Dashboard, Panel, Unit
from leadfactory.settings import ROOT

FOLDER = ROOT / "monitoring" / "grafana"
MARTS, PROMETHEUS = "leadfactory-marts", "leadfactory-prometheus"
WIDTH, HALF = 24, 12
UNITS: dict[Unit, tuple[str, float]] = {  # Grafana's name, and what a value is divided by
    "count": ("short", 1), "share": ("percentunit", 1), "share_small": ("percentunit", 1), "cents": ("currencyUSD", 100), "usd": ("currencyUSD", 1),
    "usd_small": ("currencyUSD", 1), "microusd": ("currencyUSD", 1e6), "microusd_small": ("currencyUSD", 1e6), "ms": ("ms", 1),
    "text": ("string", 1), "campaign_day": ("string", 1),
}  # fmt: skip
KINDS = {
    "tiles": "stat",
    "steps": "barchart",
    "bars": "barchart",
    "lines": "timeseries",
    "stacks": "timeseries",
    "table": "table",
}


def files() -> dict[Path, str]:
    """Every generated file and its text."""
    made = {FOLDER / "dashboards" / f"{name}.json": _json(_dashboard(panels.dashboard(name))) for name in NAMES}
    made[FOLDER / "provisioning" / "datasources" / "leadfactory.yaml"] = _yaml(_sources())
    made[FOLDER / "provisioning" / "dashboards" / "leadfactory.yaml"] = _yaml(_provider())
    return made


def build() -> list[Path]:
    """Writes what differs; the files that were written."""
    changed = []
    for path, text in files().items():
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    return changed


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _yaml(content: Any) -> str:
    return "# Made by `leadfactory dashboards build`: change dashboards/*, not this.\n" + yaml.safe_dump(
        content, sort_keys=False
    )


def _dashboard(found: Dashboard) -> dict[str, Any]:
    placed, y, x = [], 0, 0
    for number, panel in enumerate(found.panels, 1):
        whole = panel.kind in ("tiles", "table")
        width, height = (WIDTH if whole else HALF), (5 if panel.kind == "tiles" else 9)
        if x + width > WIDTH:
            y, x = y + 9, 0
        placed.append(_panel(panel, number) | {"gridPos": {"h": height, "w": width, "x": x, "y": y}})
        x += width
        if x >= WIDTH:
            y, x = y + height, 0
    if x:
        y += 9
    for number, live in enumerate(found.prometheus, len(placed) + 1):
        half = (number - len(found.panels) - 1) % 2
        placed.append(_live(live, number) | {"gridPos": {"h": 8, "w": HALF, "x": half * HALF, "y": y}})
        y += 8 * half
    return {
        "uid": found.name, "title": f"LeadFactory: {found.title}", "description": found.about, "tags": ["leadfactory"], "schemaVersion": 39,
        "version": 1, "editable": False, "time": {"from": "now-90d", "to": "now"}, "timezone": "utc", "refresh": "",
        "templating": {"list": [_campaigns()]},
        "links": [{"type": "dashboards", "tags": ["leadfactory"], "title": "Dashboards", "asDropdown": False, "includeVars": True, "keepTime": True}],
        "panels": placed,
    }  # fmt: skip


def _campaigns() -> dict[str, Any]:
    query = "SELECT campaign_id FROM marts.dim_campaigns ORDER BY campaign_id"
    return {
        "name": "campaign", "label": "Campaign", "type": "query", "datasource": _marts(), "query": query, "definition": query,
        "multi": True, "includeAll": True, "refresh": 2, "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }  # fmt: skip


def _marts() -> dict[str, str]:
    return {"type": "grafana-postgresql-datasource", "uid": MARTS}


def sql(panel: Panel) -> str:
    """A panel's question as Grafana asks it."""
    asked = panel.sql.replace(":since", "$__timeFrom()::date").replace(":until", "$__timeTo()::date")
    asked = asked.replace(":campaigns", "ARRAY[${campaign:singlequote}]")
    if panel.kind in ("lines", "stacks") and panel.axis == "day":
        if panel.long:
            return f'SELECT CAST(day AS timestamptz) AS "time", series AS metric, value FROM (\n{asked}\n) AS asked ORDER BY 1'  # noqa: S608 - our own files
        named = ", ".join(f'{column} AS "{label}"' for column, label in panel.series.items())
        return f'SELECT CAST(day AS timestamptz) AS "time", {named} FROM (\n{asked}\n) AS asked ORDER BY 1'  # noqa: S608 - our own files
    divided = {column: UNITS[panel.unit_of(column)][1] for column in panel.units or panel.series}
    if panel.kind in ("tiles", "table") and any(by != 1 for by in divided.values()):
        columns = ", ".join(
            column if by == 1 else f"{column} / {by:.1f} AS {column}" for column, by in _all(panel, divided).items()
        )
        return f"SELECT {columns} FROM (\n{asked}\n) AS asked"  # noqa: S608 - our own files
    return asked


def _all(panel: Panel, divided: dict[str, float]) -> dict[str, float]:
    return {column: UNITS[panel.unit_of(column)][1] for column in (panel.series or divided)}


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    kind = "barchart" if panel.axis == "days" else KINDS[panel.kind]
    form = "time_series" if kind == "timeseries" else "table"
    defaults: dict[str, Any] = {"unit": UNITS[panel.unit][0]}
    options: dict[str, Any] = {}
    if panel.kind == "stacks":
        defaults["custom"] = {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal"}}
    if panel.warn is not None:
        defaults["thresholds"] = {
            "mode": "absolute",
            "steps": [{"color": "green", "value": None}, {"color": "red", "value": panel.warn}],
        }
        defaults["custom"] = {"thresholdsStyle": {"mode": "dashed"}}
    if panel.kind == "tiles":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
            "textMode": "value_and_name",
            "colorMode": "value",
        }
    if panel.kind in ("steps", "bars"):
        options = {
            "orientation": "horizontal",
            "xField": "label",
            "showValue": "always",
            "legend": {"showLegend": False},
        }
    return {
        "id": number, "type": kind, "title": panel.title, "description": panel.explanation, "datasource": _marts(),
        "targets": [{"refId": "A", "datasource": _marts(), "format": form, "rawQuery": True, "editorMode": "code", "rawSql": sql(panel)}],
        "fieldConfig": {"defaults": defaults, "overrides": [_override(panel, each) for each in (panel.units or panel.series) if panel.kind in ("tiles", "table")]},
        "options": options,
    }  # fmt: skip


def _override(panel: Panel, column: str) -> dict[str, Any]:
    told: list[dict[str, Any]] = [
        {"id": "displayName", "value": panel.label_of(column)}, {"id": "unit", "value": UNITS[panel.unit_of(column)][0]},
    ]  # fmt: skip
    if column in panel.thresholds:
        amber, red = panel.thresholds[column]
        steps = [{"color": "green", "value": None}, {"color": "orange", "value": amber}, {"color": "red", "value": red}]
        told.append({"id": "thresholds", "value": {"mode": "absolute", "steps": steps}})
    return {"matcher": {"id": "byName", "options": column}, "properties": told}


def _live(live: panels.Live, number: int) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": PROMETHEUS}
    return {
        "id": number, "type": "timeseries", "title": live.title, "description": live.explanation, "datasource": source,
        "targets": [{"refId": "A", "datasource": source, "expr": live.expr, "legendFormat": live.legend or "__auto"}],
        "fieldConfig": {"defaults": {"unit": live.unit}, "overrides": []}, "options": {},
    }  # fmt: skip


def _sources() -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "datasources": [
            {"name": "LeadFactory marts", "uid": MARTS, "type": "grafana-postgresql-datasource", "access": "proxy", "editable": False,
             "url": "${LEADFACTORY_MARTS_HOST}", "user": "lf_analyst", "secureJsonData": {"password": "${LEADFACTORY_ANALYST_PASSWORD}"},
             "jsonData": {"database": "leadfactory", "sslmode": "${LEADFACTORY_MARTS_SSLMODE}", "postgresVersion": 1600, "maxOpenConns": 4}},
            {"name": "LeadFactory Prometheus", "uid": PROMETHEUS, "type": "prometheus", "access": "proxy", "editable": False,
             "url": "${LEADFACTORY_PROMETHEUS_URL}", "isDefault": True},
        ],
    }  # fmt: skip


def _provider() -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "providers": [
            {"name": "leadfactory", "folder": "LeadFactory", "type": "file", "disableDeletion": True, "allowUiUpdates": False,
             "options": {"path": "/var/lib/grafana/dashboards/leadfactory"}},
        ],
    }  # fmt: skip
