"""Webhook ingest through the edge's receiver: events a second and p99 acknowledgement, beside a raw single-row INSERT loop.

Both write to the same Postgres with its default durability. A batch is what SendGrid posts: signed, read, stored, answered over
HTTP by a real edge process. The raw loop inserts the same prepared rows one a transaction, without HTTP, signature or reading.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg

from bench import results
from cli.gaming.load import Key
from cli.processes import free_port
from leadfactory import embedded, migrate
from leadfactory.settings import ROOT, settings

BATCH, POSTS, AT_ONCE, RAW_ROWS, ROUNDS = 500, 40, 2, 2_000, 3
KINDS = ("processed", "delivered", "open", "click", "deferred")
RAW = """INSERT INTO webhook_inbox (source, event_id, kind, payload, occurred_at, send_id, received_at, stale)
         VALUES ('sendgrid', %s, %s, %s, now(), %s, now(), false) ON CONFLICT DO NOTHING"""


def events(count: int) -> list[dict[str, object]]:
    """Events as SendGrid posts them, each new."""
    return [
        {
            "email": f"owner{number}@shop{number}.example", "timestamp": 1_791_298_800 + number, "event": KINDS[number % 5],
            "sg_event_id": uuid.uuid4().hex, "sg_message_id": f"{uuid.uuid4().hex}.recvd-1", "smtp-id": "<a@b.example>",
            "category": ["restaurant-nyc", "step-1"], "send_id": str(uuid.uuid4()), "campaign_day": "restaurant-nyc|2026-10-06",
            "useragent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15", "ip": "198.51.100.77",
        }
        for number in range(count)
    ]  # fmt: skip


@contextmanager
def edge(url: str, public_key: str, home: Path) -> Iterator[str]:
    """A real edge process on a free port."""
    port = free_port(18_100)
    env = os.environ | {"LEADFACTORY_DATABASE_URL": url, "LEADFACTORY_HOME": str(home), "SENDGRID_WEBHOOK_PUBLIC_KEY": public_key}  # fmt: skip
    running = subprocess.Popen([sys.executable, "-m", "edge", "--port", str(port)], cwd=ROOT, env=env)
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                httpx.get(f"{base}/health", timeout=2).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield base
    finally:
        running.terminate()
        running.wait(20)


def ingest(base: str, key: Key) -> tuple[float, list[float]]:
    """Posts signed batches, two at a time; events a second, and the seconds until each answer."""
    posts = []
    for _ in range(POSTS):
        body = json.dumps(events(BATCH)).encode() + b"\r\n"
        posts.append((body, key.headers(body)))
    with httpx.Client(timeout=60) as http:

        def post(each: tuple[bytes, dict[str, str]]) -> float:
            began = time.perf_counter()
            answer = http.post(f"{base}/webhooks/sendgrid", content=each[0], headers=each[1]).raise_for_status().json()
            assert answer["stored"] == BATCH
            return time.perf_counter() - began

        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waits = list(pool.map(post, posts))
        return POSTS * BATCH / (time.perf_counter() - began), waits


def raw_loop(url: str) -> float:
    """Rows a second of one prepared INSERT a transaction."""
    rows = [(each["sg_event_id"], each["event"], json.dumps(each), each["send_id"]) for each in events(RAW_ROWS)]
    with psycopg.connect(url, autocommit=True) as tx:
        tx.execute("SET search_path = leadfactory")
        began = time.perf_counter()
        for row in rows:
            tx.execute(RAW, row, prepare=True)
        return RAW_ROWS / (time.perf_counter() - began)


def main() -> None:
    """Rounds of both in turn on one server; medians."""
    key = Key()
    with tempfile.TemporaryDirectory(prefix="lf-bench-") as folder:
        home = Path(folder)
        os.environ["LEADFACTORY_HOME"] = folder
        settings.cache_clear()
        server = embedded.ensure_running(home)
        try:
            migrate.upgrade(settings())
            url = server.url("app")
            ours, raw, waits = [], [], []
            with edge(url, key.public, home) as base:
                ingest(base, key)  # connections, plans and imports
                for _ in range(ROUNDS):
                    raw.append(raw_loop(url))
                    speed, waited = ingest(base, key)
                    ours.append(speed)
                    waits += waited
        finally:
            embedded.stop(home)
    batched, single = statistics.median(ours), statistics.median(raw)
    p99_ms = sorted(waits)[int(len(waits) * 0.99)] * 1_000
    print(
        f"edge: {batched:,.0f} events/s in posts of {BATCH}, {AT_ONCE} at a time; p99 acknowledgement {p99_ms:.0f} ms"
    )
    print(f"raw single-row INSERT loop: {single:,.0f} rows/s")
    results.write(
        "webhook_ingest",
        [
            {"name": "events/s of the edge : raw single-row INSERT loop", "ratio": batched / single, "goal": ">= 3"},
            {"name": "events/s of the edge : 2,000", "ratio": batched / 2_000, "goal": ">= 1"},
        ],
        events_per_s=batched, raw_rows_per_s=single, p99_acknowledgement_ms=p99_ms, rounds=[ours, raw],
    )  # fmt: skip


if __name__ == "__main__":
    main()
