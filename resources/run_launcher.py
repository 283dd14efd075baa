"""Starts runs in processes of the code server, as stock Dagster does, and knows when such a process is gone.

The stock launcher cannot say whether a run still has a process. When the code server died together with its runs (a machine
that went down, a container that was replaced) nobody noticed before ``max_runtime_seconds``, and for so many hours the run
held its place in the queue and its campaign-day.
"""

from __future__ import annotations

import functools

import grpc
import sqlalchemy as sa
from dagster import DagsterRun, deserialize_value
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

from leadfactory import embedded, pauses
from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.settings import settings


class LeadFactoryRunLauncher(DefaultRunLauncher):
    """DefaultRunLauncher whose run monitoring sees a lost process within one poll (``run_monitoring`` in dagster.yaml)."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Starts the run's process; while all is paused it is cancelled instead, whoever asked for it, and says why."""
        pause = held(context.dagster_run)
        if pause is None:
            super().launch_run(context)
        else:
            self._instance.report_run_canceled(context.dagster_run, message=f"not started: {pauses.Paused(pause)}")

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Asks the code server that started ``run`` whether it still has its process.

        A server that is only slow says nothing against its run. Should a process outlive its server all the same, its
        advisory lock keeps every other run away from the campaign-day.
        """
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, "no code server is known to have started it")
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
        except DagsterUserCodeUnreachableError as error:
            cause = error.__cause__
            if isinstance(cause, grpc.RpcError) and cause.code() == grpc.StatusCode.UNAVAILABLE:
                return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server that started it is gone")
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server is too busy to say")
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its code server has no such process")


def held(run: DagsterRun) -> pauses.Pause | None:
    """The pause of all work that holds ``run`` back; None too when the database does not answer, which the run itself will tell."""
    if run.tags.get(pauses.GOES_ON_TAG) == pauses.GOES_ON:
        return None
    config = settings()
    if config.database_url is None and not embedded.is_running(config.home):
        return None
    try:
        with _database().begin() as tx:
            return pauses.is_paused(tx, "all")
    except (DatabaseUnavailable, sa.exc.SQLAlchemyError):
        return None


@functools.cache
def _database() -> Database:
    return Database.from_settings(settings())
