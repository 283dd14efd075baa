"""The proxy's configuration in a real Caddy: who gets through to whom, how much of a body, and what its log keeps of a request."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from leadfactory.embedded_files import free_port
from leadfactory.inbox.reply_rules import reply_rules
from leadfactory.inbox.rules import rules

ROOT = Path(__file__).resolve().parents[2]
CADDYFILE = ROOT / "deploy" / "proxy" / "Caddyfile"
CADDY = Path(sys.executable).parent / "caddy"
UPSTREAMS = ("webserver:3333", "viewer:3333", "grafana:3000", "edge:8000")
OPERATOR, VIEWER = ("ana", "operators"), ("bo", "viewers")
TOKEN = "AbCdEfGh0123456789"


class Proxy:
    """A running Caddy and what it logged."""

    def __init__(self, url: str, log: Path) -> None:
        self.url, self._log = url, log

    def ask(self, path: str, **more: object) -> httpx.Response:
        return httpx.request(str(more.pop("method", "GET")), self.url + path, timeout=30, **more)  # type: ignore[arg-type]

    def lines(self, at_least: int) -> str:
        """The access log, once it has so many lines."""
        deadline = time.monotonic() + 10
        while len(text := self._log.read_text() if self._log.exists() else "") == 0 or text.count("\n") < at_least:
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        return text


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with its own name, how much came, and the headers."""

    def do_GET(self) -> None:
        left = size = int(self.headers.get("content-length", 0))
        while left > 0 and (read := self.rfile.read(min(left, 1 << 16))):
            left -= len(read)
        said = {"who": self.server.who, "size": size - left, "headers": dict(self.headers)}  # type: ignore[attr-defined]
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""


def environment(domain: str) -> dict[str, str]:
    """What the compose file gives the container."""
    hashes = [
        subprocess.run([CADDY, "hash-password", "--bcrypt-cost", "4", "--plaintext", secret], capture_output=True, text=True, check=True).stdout.strip()
        for _, secret in (OPERATOR, VIEWER)
    ]  # fmt: skip
    return os.environ | {"LEADFACTORY_DOMAIN": domain, "OPERATORS_USER": OPERATOR[0], "OPERATORS_PASSWORD_HASH": hashes[0],
                         "VIEWERS_USER": VIEWER[0], "VIEWERS_PASSWORD_HASH": hashes[1]}  # fmt: skip


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    text = CADDYFILE.read_text().replace("/var/log/caddy", str(folder)).replace("127.0.0.1:2019", "off")
    servers = []
    for upstream in UPSTREAMS:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        server.who = upstream.split(":")[0]  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        assert upstream in text
        text = text.replace(f"reverse_proxy {upstream}", f"reverse_proxy 127.0.0.1:{server.server_port}")
    (folder / "Caddyfile").write_text(text)
    url = f"http://127.0.0.1:{port}"
    argv = [str(CADDY), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with (folder / "out").open("wb") as out:
        home = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
        process = subprocess.Popen(argv, env=environment(url) | home, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 30
        while not _answers(url):
            assert process.poll() is None, (folder / "out").read_text()
            assert time.monotonic() < deadline, (folder / "out").read_text()
            time.sleep(0.1)
        yield Proxy(url, folder / "access.log")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        for server in servers:
            server.shutdown()
            server.server_close()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/metrics", timeout=2).status_code == 404
    return False


def test_caddy_accepts_the_file_as_it_stands_with_a_domain() -> None:
    argv = [CADDY, "validate", "--config", CADDYFILE, "--adapter", "caddyfile"]
    text = CADDYFILE.read_text()
    judged = subprocess.run(argv, env=environment("factory.example"), capture_output=True, text=True, check=False)
    assert (judged.returncode, "Valid configuration" in judged.stdout + judged.stderr) == (0, True), judged.stderr
    formatted = subprocess.run([CADDY, "fmt", "-"], input=text, capture_output=True, text=True, check=True).stdout
    assert formatted == text


@pytest.mark.parametrize(
    ("path", "who", "reached"),
    [("/dagster/runs", None, 401), ("/dagster/runs", VIEWER, 401), ("/dagster/runs", OPERATOR, "webserver"),
     ("/dagster-viewer/runs", None, 401), ("/dagster-viewer/runs", VIEWER, "viewer"), ("/dagster-viewer/runs", OPERATOR, "viewer"),
     ("/grafana/d/funnel", None, "grafana"), ("/a/token", None, "edge"), ("/metrics", None, 404), ("/metrics", OPERATOR, 404)],
)  # fmt: skip
def test_who_is_let_through_to_what(proxy: Proxy, path: str, who: tuple[str, str] | None, reached: str | int) -> None:
    answer = proxy.ask(path, auth=who)
    assert (answer.json()["who"] if answer.status_code == 200 else answer.status_code) == reached


def test_the_largest_answer_to_a_letter_passes_and_no_other_body_of_its_size(proxy: Proxy) -> None:
    largest = b" " * reply_rules().body_limit_bytes
    assert proxy.ask("/webhooks/inbound", method="POST", content=largest).json()["size"] == len(largest)
    with contextlib.suppress(httpx.TransportError):  # it may close before all is sent
        assert proxy.ask("/login", method="POST", content=largest).status_code in {413, 502}


def test_the_largest_post_of_events_passes(proxy: Proxy) -> None:
    largest = b" " * rules().body_limit_bytes
    assert proxy.ask("/webhooks/sendgrid", method="POST", content=largest).json()["size"] == len(largest)


def test_nobody_says_himself_where_he_comes_from(proxy: Proxy) -> None:
    answer = proxy.ask("/a/token", headers={"x-forwarded-for": "198.51.100.7"})
    assert {name.lower(): value for name, value in answer.json()["headers"].items()}["x-forwarded-for"] == "127.0.0.1"


def test_the_log_keeps_the_request_and_neither_token_query_cookie_nor_password(proxy: Proxy) -> None:
    before = proxy.lines(1).count("\n")
    proxy.ask(f"/u/{TOKEN}?mail=ana@shop.example", headers={"cookie": f"session={TOKEN}"}, auth=OPERATOR)
    proxy.ask(f"/r/{TOKEN}.pdf")
    proxy.ask(f"/preferences/{TOKEN}")
    proxy.ask(f"/success?session_id={TOKEN}")
    text = proxy.lines(before + 4)
    asked = [json.loads(line)["request"]["uri"] for line in text.splitlines()[before:]]
    assert asked == ["/u/…?…", "/r/….pdf", "/preferences/…", "/success?…"]
    password = base64.b64encode(":".join(OPERATOR).encode()).decode()
    assert re.findall(f"{TOKEN}|shop.example|{password}", text) == []
