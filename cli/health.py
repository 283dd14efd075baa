"""`leadfactory health-check`: does every process and store answer, within five seconds. Starts nothing and changes nothing."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable

import httpx

from cli import stack
from cli.dagster_api import DagsterApi
from cli.doctor import Finding, show
from cli.output import CommandError
from leadfactory.settings import Settings, settings

WITHIN_S = 4.0  # together with start-up below the five seconds that a check may take
DAMAGED = "leadfactory verify-data-integrity; leadfactory recover-files puts damaged files back"
START = "leadfactory dev (or the compose service of that name)"


def run(*, json: bool) -> None:
    """Ask every process and store whether it answers; exit code 1 when one does not. Takes less than five seconds."""
    show(findings(settings()), json=json)


def findings(config: Settings) -> list[Finding]:
    """What each said within the time that all of them have; whoever hangs is waited for no longer, not even at the end of the process."""
    until, said = time.monotonic() + WITHIN_S, queue.SimpleQueue[tuple[str, Told]]()
    for name, check in CHECKS.items():
        ask = functools.partial(_ask, name, check, config, said)
        threading.Thread(target=ask, name=f"health of {name}", daemon=True).start()
    told: dict[str, Told] = {}
    while len(told) < len(CHECKS):
        try:
            name, answer = said.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        told[name] = answer
    late: Told = ("broken", f"no answer within {WITHIN_S:.0f} s", START)
    return [Finding(name, *told.get(name, late)) for name in CHECKS]


Told = tuple[str, str, str]


def _ask(
    name: str, check: Callable[[Settings], Told], config: Settings, said: queue.SimpleQueue[tuple[str, Told]]
) -> None:
    said.put((name, _told(check, config)))


def _told(check: Callable[[Settings], Told], config: Settings) -> Told:
    try:
        return check(config)
    except (CommandError, httpx.HTTPError, OSError) as error:
        return "broken", _first_line(error), START
    except Exception as error:  # noqa: BLE001 - whatever a store answers is a finding, and the others are told all the same
        return "broken", f"{type(error).__name__}: {_first_line(error)}", DAMAGED


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def edge_url(config: Settings) -> str:
    """Where the edge is asked: where LEADFACTORY_EDGE_URL says, or where `leadfactory dev` puts it."""
    return config.edge_url or f"http://127.0.0.1:{stack.EDGE_PORT}"


def _edge(config: Settings) -> Told:
    answer = httpx.get(f"{edge_url(config)}/health", timeout=WITHIN_S)
    parts = ", ".join(f"{name} {state}" for name, state in answer.json().items())
    return ("ok", parts, "") if answer.status_code == 200 else ("broken", parts, "leadfactory db status")


def _api(config: Settings) -> DagsterApi:
    api = stack.find_dagster(config)
    if api is None:
        raise CommandError("no Dagster webserver answers")
    return api


def _webserver(config: Settings) -> Told:
    return "ok", f"answers on {_api(config).url}", ""


def _daemon(config: Settings) -> Told:
    data = _api(config).ask(
        "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatTime } } } }"
    )
    daemons = [one for one in data["instance"]["daemonHealth"]["allDaemonStatuses"] if one["required"]]
    ill = [one["daemonType"].lower() for one in daemons if not one["healthy"]]
    if ill:
        return "broken", f"no heartbeat of {', '.join(ill)}", "restart the daemon; its log says why it stopped"
    return "ok", f"{len(daemons)} daemons beat", ""


def _locations(config: Settings) -> Told:
    found = _api(config).locations()
    broken = {name: why for name, why in found.items() if why != "LOADED"}
    if broken or not found:
        told = "; ".join(f"{name}: {why.splitlines()[0]}" for name, why in broken.items()) or "none is known"
        return "broken", told, "correct what the message names, then reload the location in the UI"
    return "ok", f"{', '.join(sorted(found))} loaded", ""


def _postgres(config: Settings) -> Told:
    from leadfactory import embedded
    from leadfactory.database import Database, DatabaseUnavailable

    if config.database_url is None and not embedded.is_running(config.home):
        return "broken", "the embedded server does not run", START
    db = Database.from_settings(config)
    try:
        with db.begin() as tx:
            tx.exec_driver_sql("SELECT 1")
    except DatabaseUnavailable as error:
        return "broken", str(error), "leadfactory db status"
    finally:
        db.dispose()
    return "ok", f"answers at {db.url.host}:{db.url.port}", ""


def _lake(config: Settings) -> Told:
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(config.lake)
    if not filesystem.exists(path):
        return "warning", f"{config.lake} does not exist yet", "the nightly job `lake` makes it"
    return "ok", f"{config.lake} can be listed ({len(filesystem.ls(path, detail=False))} entries)", ""


def _warehouse(config: Settings) -> Told:
    if not config.warehouse.is_file():
        return "warning", "no marts published yet", "run the job `marts`"
    import duckdb

    with duckdb.connect(str(config.warehouse), read_only=True) as published:
        published.execute("SELECT 1")
    return "ok", f"{config.warehouse} opens", ""


def _watcher(address: Callable[[Settings], str], path: str, remedy: str) -> Callable[[Settings], Told]:
    """One of those who watch: they are no part of `leadfactory dev`, and production does without none of them."""

    def check(config: Settings) -> Told:
        url = address(config)
        try:
            answer = httpx.get(url + path, timeout=WITHIN_S / 2)
        except httpx.HTTPError:
            return "broken" if config.env == "production" else "warning", f"does not answer at {url}", remedy
        if answer.status_code != 200:
            return "broken", f"answers {answer.status_code} at {url}", remedy
        return "ok", f"answers at {url}", ""

    return check


CHECKS: dict[str, Callable[[Settings], Told]] = {
    "Postgres": _postgres,
    "edge": _edge,
    "webserver": _webserver,
    "daemon": _daemon,
    "code locations": _locations,
    "lake": _lake,
    "warehouse": _warehouse,
    "Prometheus": _watcher(
        lambda c: c.prometheus_url, "/-/healthy", "prometheus --config.file=monitoring/prometheus.yml"
    ),
    "Alertmanager": _watcher(
        lambda c: c.alertmanager_url, "/-/healthy", "prometheus-alertmanager --config.file=monitoring/alertmanager.yml"
    ),
    "escalating": _watcher(lambda c: c.escalating_url, "/health", "python -m leadfactory.monitoring.escalating"),
    "Grafana": _watcher(lambda c: c.grafana_url, "/api/health", "start Grafana with monitoring/grafana"),
}
