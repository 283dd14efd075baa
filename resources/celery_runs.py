"""Runs on more than one machine: whole campaign-day runs as Celery tasks over Redis (``LEADFACTORY_RUN_LAUNCHER=celery``).

A run is one task, executed in the worker's own process; the executor stays in-process. The stock launcher believes a task that was
once started until its result comes, so the run of a worker that was killed would hold its campaign-day for hours. Ours asks the
workers themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery
from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.make_app import make_app
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task
from kombu.exceptions import OperationalError

from leadfactory import pauses
from leadfactory.settings import Settings, settings
from resources.run_launcher import held

QUEUE = "dagster"
ASKED_S = (2.0, 5.0)  # how long workers may take to say what they do; the second time for those that were slow
CONFIG = {
    "worker_prefetch_multiplier": 1,  # a run that waits in a busy worker's pocket is one that an idle worker does not get
    "task_default_queue": QUEUE,
    "task_track_started": True,
    "task_acks_late": False,  # a run of a worker that died is for run monitoring: redelivered, it would meet its own traces
    "broker_transport_options": {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
    "broker_connection_retry_on_startup": True,
    "result_expires": 7 * 24 * 3600,
}


def app_of(config: Settings) -> Celery:
    """The Celery application of the launcher and of the workers."""
    broker = config.broker_url.get_secret_value()
    return make_app({"broker": broker, "backend": broker, "config_source": CONFIG, "task_default_queue": QUEUE})


def worker_app() -> Celery:
    """What a worker serves: runs, new ones and resumed ones."""
    app = app_of(settings())
    create_execute_job_task(app)
    create_resume_job_task(app)
    return app


class LeadFactoryCeleryLauncher(CeleryRunLauncher):
    """CeleryRunLauncher that takes its broker from our settings and whose run monitoring sees a lost worker."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        broker = settings().broker_url.get_secret_value()
        super().__init__(QUEUE, broker=broker, backend=broker, config_source=dict(CONFIG), inst_data=inst_data)

    @classmethod
    def config_type(cls) -> Any:
        """Nothing: dagster.yaml holds no secret."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> LeadFactoryCeleryLauncher:
        """As dagster.yaml names it."""
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hands the run to the workers; while all is paused it is cancelled instead and says why."""
        pause = held(context.dagster_run)
        if pause is None:
            super().launch_run(context)
        else:
            self._instance.report_run_canceled(context.dagster_run, message=f"not started: {pauses.Paused(pause)}")

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """What the result backend knows, and of a run that should be under way whether a worker says that it has it."""
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is None:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, "it was not handed to the broker")
        try:
            told = super().check_run_worker_health(run)
            if told.status in {WorkerStatus.SUCCESS, WorkerStatus.FAILED}:
                return told
            if any(self._under_way(task_id, wait) for wait in ASKED_S):
                return CheckRunHealthResult(WorkerStatus.RUNNING)
        except (OperationalError, OSError) as error:  # the broker is away: nothing is known, and nothing is concluded
            return CheckRunHealthResult(
                WorkerStatus.UNKNOWN, f"the broker does not answer ({error.__class__.__name__})"
            )
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "no worker has it")

    def _under_way(self, task_id: str, wait: float) -> bool:
        asked = self.celery.control.inspect(timeout=wait)
        held = [*(asked.active() or {}).values(), *(asked.reserved() or {}).values()]
        return any(task["id"] == task_id for tasks in held for task in tasks)
