"""Dagster's own processes as figures, told by a real webserver: daemons by their heartbeats, code locations, and its own death."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from leadfactory.embedded_files import free_port
from leadfactory.monitoring import orchestration
from leadfactory.monitoring.figures import Scene
from tests.postgres import settings_for_tests

pytestmark = pytest.mark.timeout(180)
BEATEN_S = 300
WHOLE = "import dagster as dg\n\n\n@dg.schedule(cron_schedule='0 2 * * *', job_name='none')\ndef nightly():\n    return {}\n\n\n@dg.job\ndef none():\n    pass\n\n\ndefs = dg.Definitions(jobs=[none], schedules=[nightly])\n"
BEAT = f"""import time
from dagster import DagsterInstance
from dagster._daemon.types import DaemonHeartbeat
DagsterInstance.get().add_daemon_heartbeat(DaemonHeartbeat(time.time() - {BEATEN_S}, "SCHEDULER", "one", []))
"""
Told = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """Dagster's webserver over a home without a daemon, a code location that loads and one that does not."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "whole.py").write_text(WHOLE)
    (home / "broken.py").write_text("raise ImportError('a typo')\n")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = os.environ | {"DAGSTER_HOME": str(home)}
    subprocess.run([sys.executable, "-c", BEAT], env=environment, check=True, timeout=60)
    port = free_port()
    argv = ["dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-f", "whole.py", "-f", "broken.py"]
    program = [sys.executable, "-m", "dagster_webserver", *argv[1:]]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(program, cwd=home, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while not _answers(f"http://127.0.0.1:{port}"):
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.2)
        (home / "dagster.url").write_text(f"http://127.0.0.1:{port}\n")
        yield home, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/server_info", timeout=2).status_code == 200
    return False


def told(home: Path) -> Told:
    """Figure → its one label's value → value."""
    settings = settings_for_tests(home)
    found = orchestration.figures(Scene(settings.clock.now(), settings))
    return {each.name: {"".join(labels.values()): value for labels, value in each.samples} for each in found}


def test_dagsters_processes_are_figures_until_the_webserver_is_dead(
    webserver: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    home, process = webserver
    alive = told(home)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    assert alive["dagster_webserver_up"] == {"": 1}
    assert alive["dagster_location_loaded"] == {"whole.py": 1, "broken.py": 0}
    assert alive["dagster_heartbeat_age_seconds"]["scheduler"] == pytest.approx(BEATEN_S, abs=120)
    assert alive["dagster_heartbeat_age_seconds"]["sensor"] == math.inf
    assert told(home) == {
        "dagster_webserver_up": {"": 0},
        "dagster_heartbeat_age_seconds": {},
        "dagster_location_loaded": {},
    }


def test_it_is_asked_where_the_variable_says_else_where_this_home_says(tmp_path: Path) -> None:
    (tmp_path / "dagster.url").write_text("http://127.0.0.1:4001\n")
    named = settings_for_tests(tmp_path, LEADFACTORY_WEBSERVER_URL="http://webserver:3333/dagster/")
    assert orchestration.address(named) == "http://webserver:3333/dagster"
    assert orchestration.address(settings_for_tests(tmp_path)) == "http://127.0.0.1:4001"
    assert orchestration.address(settings_for_tests(tmp_path / "other")) is None
