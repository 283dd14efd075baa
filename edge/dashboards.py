"""`/dashboards`: the factory's numbers for signed-in operators, drawn on the server from the published marts. Reads only.

Every page names the build it is from; what the marts hold is drawn once per build and choice, and kept.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from edge import auth
from edge.headers import policy
from edge.pages import FOLDER, STYLE_HASH, page
from leadfactory import pauses
from leadfactory.dashboards import asking, words
from leadfactory.dashboards.asking import Filter, NoMarts, Rows, Version
from leadfactory.dashboards.panels import NAMES, Panel, dashboard

if TYPE_CHECKING:
    from edge.app import Desk
    from leadfactory.settings import Settings

CSS = (FOLDER / "dashboards.css").read_text()
CSS_HASH = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
KEPT = 32  # drawn pages: a few operators with a few choices each
LONGEST_DAYS = 1100
_drawn: OrderedDict[tuple[Any, ...], list[dict[str, Any]]] = OrderedDict()
_lock = threading.Lock()


class Wrong(ValueError):
    """A choice that cannot be asked; the message names field, value and remedy."""


async def first(request: Request) -> Response:
    """The list of dashboards begins with the funnel."""
    return RedirectResponse("/dashboards/funnel", status_code=303)


async def show(request: Request) -> Response:
    """One dashboard."""
    return await run_in_threadpool(_show, request, request.path_params["name"])


async def download(request: Request) -> Response:
    """What one panel shows, as CSV."""
    return await run_in_threadpool(_download, request, request.path_params["name"], request.path_params["panel"])


ROUTES = (
    Route("/dashboards", first, methods=["GET"]),
    Route("/dashboards/{name}", show, methods=["GET"]),
    Route("/d/{name}", show, methods=["GET"]),
    Route("/dashboards/{name}/{panel}.csv", download, methods=["GET"]),
)


def _show(request: Request, name: str) -> Response:
    who = auth.operator(request, "dashboards")
    if name not in NAMES:
        return page("not_found", status=404)
    desk: Desk = request.app.state.desk
    found = dashboard(name)
    links = [(each, dashboard(each).title) for each in NAMES]
    fault = None
    with desk.db.begin() as tx:
        paused = pauses.banner(tx)
    try:
        version = desk.near.ask(asking.version)
    except NoMarts as error:
        return _page("dashboard", who=who, found=found, links=links, paused=paused, nothing=str(error), style=CSS)
    try:
        chosen = _chosen(request, version)
    except Wrong as error:
        chosen, fault = Filter.usual(version), str(error)
    version, panels = _panels(desk, name, chosen)
    return _page(
        "dashboard", status=400 if fault else 200, who=who, found=found, links=links, paused=paused, nothing=None, fault=fault, version=version,
        chosen=chosen, panels=panels, query=_query(chosen), style=CSS,
    )  # fmt: skip


def _download(request: Request, name: str, panel: str) -> Response:
    auth.operator(request, "dashboards")
    desk: Desk = request.app.state.desk
    try:
        found = dashboard(name)
        wanted = found.panel(panel)
        version = desk.near.ask(asking.version)
        chosen = _chosen(request, version)
        version, rows = desk.near.ask(lambda db: asking.ask(db, found, chosen, only=[wanted]))
    except LookupError:
        return page("not_found", status=404)
    except NoMarts as error:
        return PlainTextResponse(f"{error}\n", status_code=409)
    except Wrong as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    file = f"{name}-{panel}-{chosen.since}-{chosen.until}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "X-Marts-Version": version.build_id}
    return Response(words.table(rows[panel]), media_type="text/csv; charset=utf-8", headers=headers)


def _page(name: str, *, status: int = 200, **values: Any) -> Response:
    answer = page(name, status=status, **values)
    answer.headers["Content-Security-Policy"] = policy(styles=f"'sha256-{STYLE_HASH}' 'sha256-{CSS_HASH}'")
    return answer


def _chosen(request: Request, version: Version) -> Filter:
    """Days and campaigns as the form or a link says.

    Raises:
        Wrong: a day that is none, days in the wrong order or too many, a campaign that the marts do not know.
    """
    usual, asked = Filter.usual(version), request.query_params
    since, until = _day(asked.get("since"), usual.since, "since"), _day(asked.get("until"), usual.until, "until")
    if since > until:
        raise Wrong(f"since={since} is after until={until}: turn them round")
    if (until - since).days > LONGEST_DAYS:
        raise Wrong(f"since={since} to until={until} are more than {LONGEST_DAYS} days: choose fewer")
    campaigns = tuple(dict.fromkeys(each for each in asked.getlist("campaign") if each))
    for each in campaigns:
        if each not in version.campaigns:
            raise Wrong(f"campaign={each[:80]!r} is not in the marts: choose one of the list")
    return Filter(since, until, campaigns)


def _day(text: str | None, usual: dt.date, field: str) -> dt.date:
    if not text:
        return usual
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Wrong(f"{field}={text[:40]!r} is no day: write it as 2026-10-06") from None


def _query(chosen: Filter) -> str:
    from urllib.parse import urlencode

    return urlencode(
        [("since", chosen.since), ("until", chosen.until), *(("campaign", each) for each in chosen.campaigns)]
    )


def _panels(desk: Desk, name: str, chosen: Filter) -> tuple[Version, list[dict[str, Any]]]:
    """What the page shows of each panel, drawn anew only when the build or the choice is new."""
    build = desk.near.ask(asking.version)
    key = (build.build_id, name, chosen)
    with _lock:
        kept = _drawn.get(key)
    if kept is not None:
        return build, kept
    build, rows = desk.near.ask(lambda db: asking.ask(db, dashboard(name), chosen))
    panels = [_shown(desk, each, rows[each.name]) for each in dashboard(name).panels]
    with _lock:
        _drawn[build.build_id, name, chosen] = panels
        while len(_drawn) > KEPT:
            _drawn.popitem(last=False)
    return build, panels


def _shown(desk: Desk, panel: Panel, rows: Rows) -> dict[str, Any]:
    from leadfactory.dashboards import drawing  # the first chart pays for matplotlib, not the start of the edge

    empty = not rows.rows or (panel.kind == "tiles" and all(value is None for value in rows.rows[0]))
    chart = None
    if not empty and panel.kind not in ("tiles", "table"):  # the page's style shows the one that fits
        chart = Markup("").join(Markup(drawing.svg(panel, rows, narrow=narrow)) for narrow in (False, True))
    units = [_unit(panel, number, column) for number, column in enumerate(rows.columns)]
    links = _runs(desk, [str(row[units.index("campaign_day")]) for row in rows.rows]) if "campaign_day" in units else {}
    cells = [
        [(words.written(value, unit), unit not in ("text", "campaign_day"), links.get(str(value)) if unit == "campaign_day" else None)
         for value, unit in zip(row, units, strict=True)]
        for row in rows.rows
    ]  # fmt: skip
    tiles = []
    if panel.kind == "tiles" and not empty:
        values = dict(zip(rows.columns, rows.rows[0], strict=True))
        tiles = [(label, words.written(values[column], panel.unit_of(column)), _tone(panel, column, values[column])) for column, label in panel.series.items()]  # fmt: skip
    heads = [panel.label_of(column) for column in rows.columns]
    return {"panel": panel, "empty": empty, "chart": chart, "tiles": tiles, "heads": heads, "cells": cells,
            "numbers": [unit not in ("text", "campaign_day") for unit in units]}  # fmt: skip


def _unit(panel: Panel, number: int, column: str) -> Any:
    if panel.kind != "table" and (number == 0 and panel.kind != "tiles"):
        return "text"
    if panel.long and number == 1:
        return "text"
    return panel.unit_of(column)


def _tone(panel: Panel, column: str, value: Any) -> str:
    """amber and red from the thresholds on."""
    if value is None or column not in panel.thresholds:
        return ""
    amber, red = panel.thresholds[column]
    return "red" if float(value) >= red else "amber" if float(value) >= amber else "green"


_NEWEST_RUNS = sa.text(
    "SELECT DISTINCT ON (partition_key) partition_key, run_id FROM run_outcomes WHERE partition_key = ANY(:keys) ORDER BY partition_key, ended_at DESC"
)


def _runs(desk: Desk, keys: list[str]) -> dict[str, str]:
    """Campaign-day → its newest run in Dagster, or its partition where no run is known."""
    base = _dagster(desk.settings)
    with desk.db.begin() as tx:
        known = {row.partition_key: row.run_id for row in tx.execute(_NEWEST_RUNS, {"keys": keys})}
    return {
        key: f"{base}/runs/{known[key]}" if key in known else f"{base}/assets/leadfactory/email_drafts?partition={key}"
        for key in keys
    }


def _dagster(settings: Settings) -> str:
    """Where the operators' UI is: as the setting says, or what runs on this home, or its usual port."""
    usual: str = type(settings).model_fields["dagster_url"].default
    if settings.dagster_url == usual:  # of this machine: `leadfactory dev` may have taken another port
        with contextlib.suppress(OSError):
            return (settings.home / "dagster.url").read_text().strip().rstrip("/")
    return settings.dagster_url.rstrip("/")
