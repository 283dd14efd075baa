"""A Dagster instance with a code server of its own, without webserver and daemon: what the daemon would do is asked for."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import psycopg
from dagster._core.definitions.selector import JobSubsetSelector
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from leadfactory.settings import settings
from leadfactory_assets.policies import key
from resources.dagster_home import prepare
from tests.crash.scene import UNIT

LOCATION, REPOSITORY, JOB = "factory", "__repository__", "__ASSET_JOB"
PATIENCE_S = 90
HOLDERS = """SELECT substring(application_name FROM '^pid (\\d+) ')::int FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'pid %'"""


class Stack:
    """Launches runs of single assets, finds their processes, and lets run monitoring look after them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._workspace = _workspace(instance)
        instance.add_dynamic_partitions("campaign", [UNIT.campaign])

    def launch(self, asset: str, **config: Any) -> str:
        """Starts a run of one asset on the campaign-day, without checks; the run's id."""
        run_config = {"ops": {f"leadfactory__{asset}": {"config": config}}} if config else {}
        context = self._workspace.create_request_context()
        location = context.get_code_location(LOCATION)
        selector = JobSubsetSelector(LOCATION, REPOSITORY, JOB, None, [key(asset)], [])
        job = location.get_job(selector)
        plan = location.get_execution_plan(job, run_config, None, None, self.instance).execution_plan_snapshot
        run = self.instance.create_run(
            job_name=JOB, run_id=None, run_config=run_config, resolved_op_selection=job.resolved_op_selection,
            step_keys_to_execute=plan.step_keys_to_execute, op_selection=None, status=None, root_run_id=None,
            parent_run_id=None, tags=_tags(), job_snapshot=job.job_snapshot, execution_plan_snapshot=plan,
            parent_job_snapshot=job.parent_job_snapshot, remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(), asset_selection=frozenset([key(asset)]),
            asset_check_selection=frozenset(), asset_graph=location.get_repository(REPOSITORY).asset_graph,
        )  # fmt: skip
        self.instance.launch_run(run.run_id, context)
        return run.run_id

    def worker(self, url: str) -> int:
        """The process that holds the campaign-day's lock in the database at ``url``."""
        with psycopg.connect(url, autocommit=True) as session:
            (found,) = session.execute(HOLDERS).fetchall()
        return int(found[0])

    def kill_code_server(self) -> None:
        """SIGKILL to the code server and all that it started; a new one takes its place, as after a reboot."""
        family = _family()
        assert family
        _kill(family)

    def monitor(self, run_id: str) -> str:
        """Iterations of the daemon's run monitoring until the run is over, with no other help; its last status."""
        log = logging.getLogger("run monitoring")
        deadline = time.monotonic() + PATIENCE_S
        while not self._run(run_id).is_finished and time.monotonic() < deadline:
            assert list(filter(None, execute_run_monitoring_iteration(self._workspace, log))) == []
            time.sleep(0.2)
        return str(self._run(run_id).status.value)

    def ended(self, run_id: str) -> str:
        """Waits for a run that nobody kills; its last status."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._run(run_id).is_finished and time.monotonic() < deadline:
            time.sleep(0.2)
        return str(self._run(run_id).status.value)

    def renew(self) -> None:
        """A new code server."""
        self.close()
        self._workspace = _workspace(self.instance)

    def close(self) -> None:
        """Ends the code server and what it started: a run that outlived a failed test would write into the next one's tables."""
        family = _family()
        self._workspace.__exit__(None, None, None)
        _kill(family)

    def _run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run


@contextlib.contextmanager
def running(environment: dict[str, str], dagster_url: str) -> Iterator[Stack]:
    """A stack whose processes see ``environment``; this process sees it meanwhile too."""
    before = dict(os.environ)
    os.environ |= environment | {"DAGSTER_DATABASE_URL": dagster_url}
    settings.cache_clear()
    os.environ |= prepare(settings())
    Path(os.environ["DAGSTER_HOME"]).mkdir(parents=True, exist_ok=True)
    try:
        with dg.DagsterInstance.get() as instance:
            stack = Stack(instance)
            try:
                yield stack
            finally:
                stack.close()
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()


def _workspace(instance: dg.DagsterInstance) -> WorkspaceProcessContext:
    target = ModuleTarget("leadfactory_assets.definitions", None, None, LOCATION)
    return WorkspaceProcessContext(instance, target).__enter__()


def _family() -> list[psutil.Process]:
    """The code servers of this process and all that they started."""
    servers = [each for each in psutil.Process().children() if "grpc" in " ".join(_argv(each))]
    return [each for server in servers for each in (server, *_offspring(server))]


def _kill(family: list[psutil.Process]) -> None:
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(family, timeout=10)


def _argv(process: psutil.Process) -> list[str]:
    """The command line; none of a process that has ended, whether or not somebody has asked for its status yet."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one too
        return []


def _offspring(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _tags() -> dict[str, str]:
    return {
        "dagster/partition": UNIT.key,
        "dagster/partition/campaign": UNIT.campaign,
        "dagster/partition/date": UNIT.day.isoformat(),
    }
