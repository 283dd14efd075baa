"""Whether every process and store answers: what is down is named with its remedy, and nothing is started to find out."""

from __future__ import annotations

import http.server
import json
import threading
import time
from pathlib import Path

import pytest

from cli import health
from tests.postgres import settings_for_tests

HEALTHY = [{"daemonType": "SCHEDULER", "required": True, "healthy": True, "lastHeartbeatTime": 1.0}]
SILENT = [{"daemonType": "SENSOR", "required": True, "healthy": False, "lastHeartbeatTime": None}]


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A machine that runs other tests beside this one may be slow to answer; the limit has a test of its own."""
    monkeypatch.setattr(health, "WITHIN_S", 60.0)


@pytest.fixture
def webserver(cli_home):
    """A webserver of Dagster's shape whose answers a test sets: GraphQL by what is asked for."""
    said = {"daemons": HEALTHY, "locations": [("factory", "LOADED"), ("marts", "LOADED")]}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["content-length"])))["query"]
            if "daemonHealth" in query:
                return self._answer({"data": {"instance": {"daemonHealth": {"allDaemonStatuses": said["daemons"]}}}})
            entries = [
                {"name": name, "loadStatus": status, "locationOrLoadError": None} for name, status in said["locations"]
            ]
            return self._answer({"data": {"workspaceOrError": {"locationEntries": entries}}})

        def _answer(self, body: object) -> None:
            raw = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cli_home.mkdir(parents=True, exist_ok=True)
    said["port"] = server.server_port
    (cli_home / "dagster.url").write_text(f"http://127.0.0.1:{server.server_port}")
    yield said
    server.shutdown()
    server.server_close()


def states(told: list[dict]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in told}


def test_what_is_down_is_broken_with_a_remedy_and_what_is_not_made_yet_is_a_warning(here):
    told = here("health-check", "--json", exit_code=1)
    found = states(told)
    assert (found["Postgres"], found["webserver"], found["daemon"], found["code locations"]) == (
        "ok", "broken", "broken", "broken",
    )  # fmt: skip
    assert (found["lake"], found["warehouse"]) == ("warning", "warning")
    assert all(one["remedy"] for one in told if one["state"] != "ok")


def test_dagster_answers_with_beating_daemons_and_loaded_locations(here, webserver):
    found = states(here("health-check", "--json", exit_code=1 if not edge_is_up() else 0))
    assert (found["webserver"], found["daemon"], found["code locations"]) == ("ok", "ok", "ok")


def test_a_silent_daemon_and_a_location_that_does_not_load_are_named(here, webserver):
    webserver["daemons"] = HEALTHY + SILENT
    webserver["locations"] = [("factory", "LOADED"), ("marts", "LOADING")]
    told = {one["name"]: one for one in here("health-check", "--json", exit_code=1)}
    assert told["daemon"]["told"] == "no heartbeat of sensor"
    assert told["code locations"]["told"] == "marts: LOADING"


def test_a_database_that_does_not_answer_is_broken_within_the_time(here, monkeypatch):
    from leadfactory.settings import settings

    monkeypatch.setenv("LEADFACTORY_DATABASE_URL", "postgresql://lf_app@127.0.0.1:9/leadfactory")
    settings.cache_clear()
    told = {one["name"]: one for one in here("health-check", "--json", exit_code=1)}
    assert told["Postgres"]["state"] == "broken"
    assert "127.0.0.1:9" in told["Postgres"]["told"]


def test_who_hangs_is_not_waited_for_and_who_breaks_hides_nobody(cli_home, monkeypatch):
    over = threading.Event()

    def hangs(config):
        over.wait(60)
        return "ok", "at last", ""

    def breaks(config):
        raise RuntimeError("page 7 is damaged\nand more")

    monkeypatch.setattr(health, "WITHIN_S", 0.3)
    monkeypatch.setattr(health, "CHECKS", {"a": hangs, "b": breaks, "c": lambda config: ("ok", "well", ""), "d": hangs})
    begun = time.monotonic()
    told = {one.name: one for one in health.findings(settings_for_tests(cli_home))}
    took = time.monotonic() - begun
    left = [each for each in threading.enumerate() if each.name.startswith("health of ")]
    over.set()
    assert took < 10  # not a minute for each
    assert (told["a"].state, told["c"].state, told["d"].state) == ("broken", "ok", "broken")
    assert told["b"].told == "RuntimeError: page 7 is damaged"
    assert len(left) == 2
    assert all(each.daemon for each in left), "the process would wait for them at its end"


def test_a_damaged_warehouse_is_a_finding_and_no_end_of_the_check(here, cli_home):
    cli_home.mkdir(parents=True)
    (cli_home / "warehouse.duckdb").write_bytes(b"no database of anybody" * 400)
    told = {one["name"]: one for one in here("health-check", "--json", exit_code=1)}
    assert (told["warehouse"]["state"], told["Postgres"]["state"]) == ("broken", "ok")
    assert "recover-files" in told["warehouse"]["remedy"]


def test_the_edge_is_asked_where_the_variable_says(webserver):
    at = f"http://127.0.0.1:{webserver['port']}"
    assert health.CHECKS["edge"](settings_for_tests(Path("home"), LEADFACTORY_EDGE_URL=at))[0] == "ok"


def edge_is_up() -> bool:
    from cli import stack

    return stack.answers(f"http://127.0.0.1:{stack.EDGE_PORT}/health")


def test_who_watches_is_missed_in_production_and_pointed_out_elsewhere(webserver, monkeypatch):
    at = f"http://127.0.0.1:{webserver['port']}"
    config = settings_for_tests(
        Path("home"), LEADFACTORY_PROMETHEUS_URL=at, LEADFACTORY_ALERTMANAGER_URL="http://127.0.0.1:9"
    )
    assert health.CHECKS["Prometheus"](config)[0] == "ok"
    assert health.CHECKS["Alertmanager"](config)[0] == "warning"
    state, told, remedy = health.CHECKS["Alertmanager"](config.model_copy(update={"env": "production"}))
    assert (state, told) == ("broken", "does not answer at http://127.0.0.1:9")
    assert "alertmanager.yml" in remedy


def test_every_process_and_store_of_the_factory_is_asked():
    assert set(health.CHECKS) >= {
        "Postgres",
        "edge",
        "webserver",
        "daemon",
        "code locations",
        "lake",
        "warehouse",
        "Prometheus",
        "Alertmanager",
        "escalating",
        "Grafana",
    }
