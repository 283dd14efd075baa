"""The real Prometheus over the game day's edge, with our rules: which alert fires, and when.

The rules are the committed ones without their patience: `for` is 0 s, and a breaker or a pipeline that stands counts after seconds.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from cli import processes
from leadfactory.settings import ROOT

NO_PROMETHEUS = "Prometheus is not installed, so no alert could fire: apt-get install prometheus (make prometheus)"
# A game day lasts minutes: these rules wait for longer than that.
UNBEATEN_S = 45  # Dagster's daemon beats every 30 s
HURRIED = {
    "leadfactory_vendor_breaker_open_seconds > 900": "leadfactory_vendor_breaker_open_seconds > 1",
    "leadfactory_dagster_heartbeat_age_seconds > 180": f"leadfactory_dagster_heartbeat_age_seconds > {UNBEATEN_S}",
}
SETTLED_S = 4.0  # what fires on a factory that is new, such as a missing backup, fires by then
CONFIG = """global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: leadfactory
    file_sd_configs: [{{files: [{targets}], refresh_interval: 1s}}]
"""


class Watch:
    """What fires; without Prometheus nothing is seen, and ``why_blind`` says so."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self._folder, self._url = folder, url
        self.why_blind = None if url else NO_PROMETHEUS
        self._before: set[str] = set()
        self.seen: list[str] = []

    def at(self, *ports: int) -> None:
        """Which edges are scraped from now on."""
        targets = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        beside = self._folder / "targets.new"
        beside.write_text(json.dumps(targets))
        beside.replace(self._folder / "targets.json")

    def begin(self) -> None:
        """A scene begins: what fires already is not its."""
        self._before, self.seen = self.firing(), []

    def look(self) -> None:
        """Notes what fires and did not before the scene."""
        self.seen += sorted(self.firing() - self._before - set(self.seen))

    def wait_for(self, name: str, within_s: float = 30.0) -> None:
        """Returns when ``name`` fires, or the time is over."""
        deadline = time.monotonic() + within_s
        while self._url and name not in self.seen and time.monotonic() < deadline:
            self.look()
            time.sleep(0.2)

    def wait_until_gone(self, name: str, within_s: float = 60.0) -> None:
        """Returns when ``name`` does not fire, or the time is over."""
        deadline = time.monotonic() + within_s
        while self._url and name in self.firing() and time.monotonic() < deadline:
            time.sleep(0.2)

    def wait_until_quiet(self, within_s: float = 10.0) -> None:
        """Returns when all that the scene fired has gone out, or the time is over: what looks back an hour stays longer."""
        deadline = time.monotonic() + within_s
        while self._url and self.firing() & set(self.seen) and time.monotonic() < deadline:
            time.sleep(0.2)

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        if self._url is None:
            return set()
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
            told = httpx.get(f"{self._url}/api/v1/alerts", timeout=5).json()["data"]["alerts"]
            return {each["labels"]["alertname"] for each in told if each["state"] == "firing"}
        return set()


def rules() -> str:
    """The committed rules, hurried.

    Raises:
        ValueError: a rule that is hurried here is written otherwise now.
    """
    text = (ROOT / "monitoring" / "alerts.yaml").read_text()
    for written, hurried in HURRIED.items():
        if written not in text:
            raise ValueError(f"monitoring/alerts.yaml no longer says {written!r}: mend cli/gaming/watch.py")
        text = text.replace(written, hurried)
    return re.sub(r"(?m)^(\s+)for: \w+$", r"\1for: 0s", text)


@contextlib.contextmanager
def over(folder: Path, log: Path, port: int, edge: int) -> Iterator[Watch]:
    """Prometheus on ``port``, where it is installed, looking at the edge on ``edge``."""
    program = shutil.which("prometheus")
    if program is None:
        yield Watch(folder, None)
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alerts.yaml").write_text(rules())
    watch = Watch(folder, f"http://127.0.0.1:{port}")
    watch.at(edge)
    (folder / "prometheus.yml").write_text(
        CONFIG.format(rules=json.dumps(str(folder / "alerts.yaml")), targets=json.dumps(str(folder / "targets.json")))
    )
    argv = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    argv += [f"--web.listen-address=127.0.0.1:{port}"]
    process = processes.start("Prometheus", argv, env={}, log=log, cwd=ROOT)
    with processes.stopping([process]):
        processes.wait_until(process, lambda: _scraped(f"http://127.0.0.1:{port}"), within_s=60)
        time.sleep(SETTLED_S)
        watch.begin()
        yield watch


def _scraped(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
        found = httpx.get(f"{url}/api/v1/query", params={"query": "leadfactory_database_up"}, timeout=2).json()
        return bool(found["data"]["result"])
    return False
