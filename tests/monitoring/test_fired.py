"""Every alert, fired end to end: real rows, a real edge with two workers, Debian's Prometheus and Alertmanager, the process that tells
people, and a Slack-compatible webhook at the other end."""

from __future__ import annotations

import contextlib
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
import sqlalchemy as sa
import yaml

from leadfactory.database import Database
from leadfactory.monitoring.tables import alerts
from leadfactory.settings import ROOT
from tests.leads import TUESDAY
from tests.monitoring import debian
from tests.monitoring.faults import Faults, Webserver
from tests.monitoring.test_escalation import Sink, free_port, sink  # noqa: F401 (fixture)
from tests.postgres import settings_for_tests
from tests.states import superuser_url

pytestmark = pytest.mark.timeout(240)
# A test may not fill the machine's disk or memory: these thresholds are lowered to what every machine uses.
MACHINE = {"leadfactory_disk_used_ratio > 0.85": "leadfactory_disk_used_ratio > 0.0001",
           "leadfactory_disk_used_ratio > 0.90": "leadfactory_disk_used_ratio > 0.0001",
           "leadfactory_memory_used_ratio > 0.85": "leadfactory_memory_used_ratio > 0.0001"}  # fmt: skip
LATER = {"DatabaseDown", "EdgeDown", "FiguresFailed", "WebserverDown"}  # they hide what the others look at


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


@contextlib.contextmanager
def running(argv: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as written:
        process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **environment}, stdout=written, stderr=written, start_new_session=True)  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


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
    prometheus["global"] = {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "2s"}
    prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{manager}"]
    prometheus["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{edge}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(prometheus))
    alertmanager = yaml.safe_load((ROOT / "monitoring" / "alertmanager.yml").read_text())
    alertmanager["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    alertmanager["receivers"][0]["webhook_configs"][0]["url"] = f"http://127.0.0.1:{receiver}/alerts"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager))


def test_every_alert_reaches_people(database, owner_database, postgres, tmp_path, sink):  # noqa: F811
    debian.need()
    webserver = Webserver()
    names, cable = rules(tmp_path), Cable((database.url.host, database.url.port))
    edge, prometheus, manager, escalating = free_port(), free_port(), free_port(), free_port()
    configured(tmp_path, edge=edge, manager=manager, receiver=escalating)
    url = f"http://127.0.0.1:{edge}"
    environment = {
        "LEADFACTORY_HOME": str(tmp_path), "LEADFACTORY_ENV": "test", "LEADFACTORY_CLOCK": TUESDAY.isoformat(),
        "LEADFACTORY_DATABASE_URL": database.url.set(drivername="postgresql", port=cable.port).render_as_string(hide_password=False),
        "STRIPE_WEBHOOK_SECRET": "whsec_a", "LEADFACTORY_WEBSERVER_URL": webserver.url,
        "LEADFACTORY_PUBLIC_URL": url,
        "LEADFACTORY_ALERT_WEBHOOK_URL": sink.webhook, "LEADFACTORY_CONTACTS": str(patient(tmp_path)),
    }  # fmt: skip
    faults = Faults(database, owner_database, superuser_url(postgres, "leadfactory"), settings_for_tests(tmp_path), url)
    assert set(faults.rows()) | LATER | {"DiskSpace", "DiskFull", "MemoryHigh"} == names
    python = [sys.executable, "-m", "edge", "--port", str(edge), "--workers", "2"]
    with (
        running(python, tmp_path / "edge.log", **environment) as served,
        running([sys.executable, "-m", "leadfactory.monitoring.escalating", "--port", str(escalating), "--turn-seconds", "1"],
                tmp_path / "escalating.log", **environment),
        running(["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
                 f"--web.listen-address=127.0.0.1:{prometheus}"], tmp_path / "prometheus.log"),
        running(["prometheus-alertmanager", f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/am",
                 f"--web.listen-address=127.0.0.1:{manager}", "--cluster.listen-address="], tmp_path / "alertmanager.log"),
    ):  # fmt: skip
        until(lambda: answers(f"{url}/health"), 60, lambda: (tmp_path / "edge.log").read_text())
        httpx.get(f"{url}/u/none")  # a counter that is seen for the first time has not risen yet
        counted = f"http://127.0.0.1:{prometheus}/api/v1/query?query=leadfactory_edge_request_seconds_count"
        until(
            lambda: "unsubscribe.show" in httpx.get(counted).text, 60, lambda: (tmp_path / "prometheus.log").read_text()
        )
        for cause in faults.rows().values():
            cause()
        until(
            lambda: told_of(sink) >= names - LATER,
            60,
            lambda: f"not told: {sorted(names - LATER - told_of(sink))}",
        )
        said = "\n".join(sink.said)
        assert "http://localhost:3333/runs/r-1" in said
        assert "docs/alerts.md#high-bounce-rate" in said
        assert "support@stripe.com" in said
        _requests_add_up(url)
        faults.figures()
        try:
            until(lambda: "FiguresFailed" in told_of(sink), 30, lambda: told_of(sink))
        finally:
            faults.mend_figures()
        webserver.die()
        until(lambda: "WebserverDown" in told_of(sink) & kept(database), 30, lambda: told_of(sink))
        cable.cut()
        until(lambda: "DatabaseDown" in told_of(sink), 40, lambda: told_of(sink))
        os.killpg(served.pid, signal.SIGKILL)
        until(lambda: "EdgeDown" in told_of(sink), 40, lambda: told_of(sink))
    assert told_of(sink) == names

    assert kept(database) >= names - {
        "DatabaseDown",
        "EdgeDown",
    }  # of the last two the table heard when the test was over


def kept(database: Database) -> set[str]:
    """The alerts that the table has heard of."""
    with database.begin() as tx:
        return set(tx.scalars(sa.select(alerts.c.name)))


def patient(folder: Path) -> Path:
    """Our contacts, who take any number of messages."""
    path = folder / "contacts.yaml"
    text = (ROOT / "config" / "contacts.yaml").read_text()
    path.write_text(text.replace("messages_per_ten_minutes: 6", "messages_per_ten_minutes: 1000"))
    return path


def told_of(sink: Sink) -> set[str]:  # noqa: F811
    """The alerts that the messages name."""
    return {name for text in sink.said for name in re.findall(r"(?m)^(?:CRITICAL|warning): (\w+) \(level", text)}


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
