"""Dagster's daemon is killed while a night runs and another run waits: the night goes on, and what waits begins when it is back."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cli import processes, stack
from cli.dagster_api import FINAL, DagsterApi
from cli.gaming import watch
from cli.gaming.floor import Floor, until
from cli.gaming.scenes import Played
from leadfactory.campaign_day import CampaignDay
from leadfactory.embedded_files import free_port
from leadfactory.settings import ROOT

ALERT = "DaemonDown"
RUNS_WITHIN_S = 300.0
WORKSPACE = "load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: factory}}\n"


def daemon_kill(floor: Floor) -> Played:
    """SIGKILL to the daemon under a campaign-day, and again a daemon: both runs end well, on the same rows as ever."""
    told = Played("daemon-kill")
    unit = CampaignDay("restaurant-daemon", floor.config.clock.today())
    with floor.database() as db:
        floor.launch(db, unit, "10002", quota=12)
        with _dagster(floor) as (api, daemon):
            api.register_campaign(unit.campaign)
            night = api.launch("campaign_day", unit=unit)
            until(lambda: api.run(night).status == "STARTED", 120, "the night's start")
            floor.watch.wait_until_gone(ALERT)  # a daemon that has just begun has not beaten yet
            began = time.monotonic()
            os.killpg(daemon.popen.pid, signal.SIGKILL)
            waits = api.launch("vendor_terms")
            time.sleep(8)  # longer than the daemon takes to look at the queue
            if api.run(waits).status in FINAL:
                told.lost.append("a run began without a daemon: it was not dead")
            floor.watch.wait_for(ALERT, within_s=watch.UNBEATEN_S + 30)
            told.broken_s = time.monotonic() - began
            began = time.monotonic()
            daemon.restart()
            until(
                lambda: {api.run(each).status for each in (night, waits)} <= FINAL,
                RUNS_WITHIN_S,
                "the end of both runs",
            )
            told.mended_s = time.monotonic() - began
            for name, run in (("the night", night), ("what waited", waits)):
                if api.run(run).status != "SUCCESS":
                    told.lost.append(f"{name} (run {run}) failed: {api.why_failed(run)}")
        with db.begin() as tx:
            from leadfactory.d10_analytics.funnel import stage_counts

            counts = stage_counts(tx, unit)
        told.kept = ", ".join(f"{rows} {name.replace('_', ' ')}" for name, (rows, _) in counts.items() if rows)
        if not counts.get("email_drafts", (0, 0))[0]:
            told.lost.append("the night made no draft")
    return told


@contextlib.contextmanager
def _dagster(floor: Floor) -> Iterator[tuple[DagsterApi, processes.Process]]:
    """Code location, webserver and daemon as processes of their own, as in production."""
    from resources.dagster_home import prepare

    home, beside = floor.config.home, Path(sys.executable)
    env = dict(os.environ) | prepare(floor.config)
    code, web = free_port(), free_port()
    workspace = home / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(port=code))

    def start(name: str, program: str, *arguments: str) -> processes.Process:
        argv = [str(beside.with_name(program)), *arguments]
        return processes.start(name, argv, env=env, log=home / "logs" / f"{name}.log", cwd=ROOT)

    started = [
        start("code-location", "dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(code), "-m", "leadfactory_assets.definitions",
              "--location-name", "factory")
    ]  # fmt: skip
    with processes.stopping(started):
        processes.wait_until(started[0], lambda: not processes.port_is_free(code), within_s=120)
        started.append(start("webserver", "dagster-webserver", "-h", "127.0.0.1", "-p", str(web), "-w", str(workspace)))
        api = DagsterApi(f"http://127.0.0.1:{web}")
        processes.wait_until(started[1], lambda: stack.answers(f"{api.url}/server_info"), within_s=120)
        until(lambda: api.locations().get("factory") == "LOADED", 120, "the code location's load")
        stack.apply_pools(api)
        daemon = start("daemon", "dagster-daemon", "run", "-w", str(workspace))
        started.append(daemon)
        address = home / "dagster.url"  # where the edge's figures ask
        address.write_text(api.url)
        try:
            yield api, daemon
        finally:
            address.unlink()
