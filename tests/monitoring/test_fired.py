"""Every alert, fired end to end: real rows, a real edge with two workers, Debian's Prometheus and Alertmanager, a receiver."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from leadfactory.settings import ROOT
from tests.leads import TUESDAY
from tests.monitoring import debian
from tests.monitoring.faults import Faults
from tests.postgres import settings_for_tests
from tests.states import superuser_url

pytestmark = pytest.mark.timeout(240)
# A test may not fill the machine's disk or memory: these thresholds are lowered to what every machine uses.
MACHINE = {"leadfactory_disk_used_ratio > 0.85": "leadfactory_disk_used_ratio > 0.0001",
           "leadfactory_disk_used_ratio > 0.90": "leadfactory_disk_used_ratio > 0.0001",
           "leadfactory_memory_used_ratio > 0.85": "leadfactory_memory_used_ratio > 0.0001"}  # fmt: skip
LATER = {"DatabaseDown", "EdgeDown", "FiguresFailed"}  # they hide what the others look at


class Cable:
    """A TCP connection between edge and database that can be cut."""

    def __init__(self, to: tuple[str, int]) -> None:
        self._to, self._open = to, []  # type: ignore[var-annotated]
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._server.accept()
                there = socket.create_connection(self._to)
                self._open += [here, there]
                for a, b in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    @staticmethod
    def _carry(a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for end in (a, b):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Nothing passes any more."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Receiver:
    """Takes Alertmanager's posts."""

    def __init__(self) -> None:
        told = self.told = {}  # type: ignore[var-annotated]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                told.update({(each["labels"]["alertname"], each["status"]): each for each in body["alerts"]})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def firing(self) -> set[str]:
        return {name for name, status in self.told if status == "firing"}


@contextlib.contextmanager
def running(argv: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink:
        process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **environment}, stdout=sink, stderr=sink, start_new_session=True)  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(what: Callable[[], Any], within_s: float, told: Callable[[], object]) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        if time.monotonic() > deadline:
            pytest.fail(str(told()))
        time.sleep(0.5)


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2).status_code == 200
    return False


def rules(folder: Path) -> set[str]:
    """Our rules without their patience; the alerts' names."""
    text = (ROOT / "monitoring" / "alerts.yaml").read_text()
    for written, lowered in MACHINE.items():
        assert written in text
        text = text.replace(written, lowered)
    (folder / "alerts.yaml").write_text(re.sub(r"(?m)^(\s+)for: \w+$", r"\1for: 0s", text))
    return set(re.findall(r"alert: (\w+)", text))


def configured(folder: Path, *, edge: int, manager: int, receiver: int) -> None:
    """Our configuration of both programs, at these ports and in a hurry."""
    prometheus = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())
    prometheus["global"] = {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"}
    prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{manager}"]
    prometheus["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{edge}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(prometheus))
    alertmanager = yaml.safe_load((ROOT / "monitoring" / "alertmanager.yml").read_text())
    alertmanager["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    alertmanager["receivers"][0]["webhook_configs"][0]["url"] = f"http://127.0.0.1:{receiver}/alerts"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager))


def test_every_alert_arrives_at_a_receiver(database, owner_database, postgres, tmp_path):
    debian.need()
    names, receiver, cable = rules(tmp_path), Receiver(), Cable((database.url.host, database.url.port))
    edge, prometheus, manager = free_port(), free_port(), free_port()
    configured(tmp_path, edge=edge, manager=manager, receiver=receiver.port)
    url = f"http://127.0.0.1:{edge}"
    environment = {
        "LEADFACTORY_HOME": str(tmp_path), "LEADFACTORY_ENV": "test", "LEADFACTORY_CLOCK": TUESDAY.isoformat(),
        "LEADFACTORY_DATABASE_URL": database.url.set(drivername="postgresql", port=cable.port).render_as_string(hide_password=False),
        "STRIPE_WEBHOOK_SECRET": "whsec_a", "LEADFACTORY_PUBLIC_URL": url,
    }  # fmt: skip
    faults = Faults(database, owner_database, superuser_url(postgres, "leadfactory"), settings_for_tests(tmp_path), url)
    assert set(faults.rows()) | LATER | {"DiskSpace", "DiskFull", "MemoryHigh"} == names
    python = [sys.executable, "-m", "edge", "--port", str(edge), "--workers", "2"]
    with (
        running(python, tmp_path / "edge.log", **environment) as served,
        running(["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
                 f"--web.listen-address=127.0.0.1:{prometheus}"], tmp_path / "prometheus.log"),
        running(["prometheus-alertmanager", f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/am",
                 f"--web.listen-address=127.0.0.1:{manager}", "--cluster.listen-address="], tmp_path / "alertmanager.log"),
    ):  # fmt: skip
        until(lambda: answers(f"{url}/health"), 60, lambda: (tmp_path / "edge.log").read_text())
        httpx.get(f"{url}/u/none")  # a counter that is seen for the first time has not risen yet
        for cause in faults.rows().values():
            cause()
        until(
            lambda: receiver.firing() >= names - LATER,
            60,
            lambda: f"not told: {sorted(names - LATER - receiver.firing())}",
        )
        told = receiver.told["RunFailed", "firing"]
        assert told["annotations"]["run"] == "r-1"
        assert "humanize" not in json.dumps([each["annotations"] for each in receiver.told.values()])
        _requests_add_up(url)
        faults.figures()
        try:
            until(lambda: "FiguresFailed" in receiver.firing(), 30, receiver.firing)
        finally:
            faults.mend_figures()
        cable.cut()
        until(lambda: "DatabaseDown" in receiver.firing(), 40, receiver.firing)
        os.killpg(served.pid, signal.SIGKILL)
        until(lambda: "EdgeDown" in receiver.firing(), 40, receiver.firing)
    assert receiver.firing() == names


def _requests_add_up(url: str) -> None:
    """Whichever of the two workers answers, it tells the requests of both."""
    counted = []
    for _ in range(6):
        with httpx.Client() as another:  # a connection of its own, which either worker may take
            text = another.get(f"{url}/metrics", timeout=10).text
        counted.append(
            float(re.search(r'edge_requests_total\{route="webhooks.sendgrid",status="401"\} (\S+)', text)[1])
        )  # type: ignore[index]
    assert set(counted) == {52.0}
