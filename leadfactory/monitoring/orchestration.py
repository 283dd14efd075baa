"""Figures of Dagster's own processes: does the webserver answer, do its daemons beat, are the code locations loaded.

They are asked of the webserver, which is the only one that knows all three; while it is down, nothing is said of the others.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any

import httpx

from leadfactory.monitoring.figures import Figure, Scene
from leadfactory.settings import Settings

WITHIN_S = 2.0  # a webserver that takes longer does not hold up the other figures
QUERY = """{
  instance { daemonHealth { allDaemonStatuses { daemonType required lastHeartbeatTime } } }
  workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename } } } }
}"""


def address(settings: Settings) -> str | None:
    """Where the webserver answers programs: as LEADFACTORY_WEBSERVER_URL says, or what `leadfactory dev` wrote into this home."""
    if settings.webserver_url is not None:
        return settings.webserver_url.rstrip("/")
    with contextlib.suppress(OSError):
        return (settings.home / "dagster.url").read_text().strip().rstrip("/")
    return None


def figures(scene: Scene) -> Iterator[Figure]:
    """The family, which needs no database of ours. Real time, as Dagster's is."""
    told = _asked(address(scene.settings))
    yield Figure.one("dagster_webserver_up", "1 when Dagster's webserver answers.", float(told is not None))
    daemons = told["instance"]["daemonHealth"]["allDaemonStatuses"] if told else []
    now = time.time()
    ages = {
        one["daemonType"].lower(): max(0.0, now - one["lastHeartbeatTime"]) if one["lastHeartbeatTime"] else math.inf
        for one in daemons
        if one["required"]
    }
    yield Figure.of("dagster_heartbeat_age_seconds", "Age of a daemon's last heartbeat; infinite before the first.", "daemon", ages)  # fmt: skip
    entries = told["workspaceOrError"].get("locationEntries", []) if told else []
    loaded = {one["name"]: float(_is_loaded(one)) for one in entries}
    yield Figure.of("dagster_location_loaded", "1 when the code location answers and is loaded.", "location", loaded)


def _is_loaded(entry: dict[str, Any]) -> bool:
    return entry["loadStatus"] == "LOADED" and (entry["locationOrLoadError"] or {}).get("__typename") != "PythonError"


def _asked(url: str | None) -> dict[str, Any] | None:
    """What the webserver tells; None when it does not answer as one does."""
    if url is None:
        return None
    try:
        answer = httpx.post(f"{url}/graphql", json={"query": QUERY}, timeout=WITHIN_S)
        data = answer.raise_for_status().json()["data"]
        return dict(data) if data["instance"] and data["workspaceOrError"] else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
