"""`python -m leadfactory.monitoring.escalating`: takes Alertmanager's posts and tells people, level after level while an alert fires;
and the review of a night when it is over.

It must work when the database does not: what fires and who knows is kept in a file under the home, and the table `alerts` follows
when it can. A message that no channel took is tried again at the next turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import http.server
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from leadfactory import logs
from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.monitoring import contacts, notifying, reviewing, wording
from leadfactory.monitoring.escalation import Escalation, Firing, Message, heard
from leadfactory.monitoring.tables import alerts
from leadfactory.settings import Settings, settings

PORT, TURN_S, LARGEST = 9095, 5.0, 2**20
REVIEW_EVERY = 12  # turns
log = logging.getLogger(__name__)


class Desk:
    """The alerts of one home: hears, decides, tells, remembers. ``now`` is the wall's time."""

    def __init__(self, config: Settings, now: Callable[[], dt.datetime]) -> None:
        self._settings, self._now = config, now
        self._file = config.home / "alerts" / "firing.json"
        self._known = contacts.contacts(config.contacts_file)
        self._escalation = Escalation(self._known, _remembered(self._file))
        self._lock = threading.Lock()
        self._unwritten: dict[tuple[str, dt.datetime], dict[str, Any]] = {}
        self._db: Database | None = None

    def hear(self, told: list[Firing]) -> None:
        """Takes in a post; kept on disk before the answer, so that none is lost."""
        with self._lock:
            self._escalation.hear(told)
            self._keep()

    def turn(self) -> Message | None:
        """Tells what is due, once; what was told."""
        with self._lock:
            now = self._now()
            message = self._escalation.due(now)
            if message is not None:
                people = (self._known.people[role] for role in message.roles)
                text = wording.text(message, self._known, self._settings, now)
                addresses = [person.mail for person in people if person.reachable]
                try:
                    notifying.tell(self._settings, wording.subject(message), text, addresses)
                except notifying.NobodyTold as error:
                    log.error("nobody could be told (%s); it is tried again:\n%s", error, text)
                    return None
                self._escalation.told(message, now)
                self._keep()
            self._write()
            return message

    def review(self) -> list[str]:
        """Sends the night's review when the night is over; the channels that took it."""
        try:
            return reviewing.tell_when_over(self._database(), self._settings, self._now())
        except (DatabaseUnavailable, SQLAlchemyError, notifying.NobodyTold) as error:
            log.warning("the night's review is tried again: %s", type(error).__name__)
            return []

    def _database(self) -> Database:
        if self._db is None:
            self._db = Database.from_settings(self._settings)
        return self._db

    def _keep(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".new")
        kept = [dataclasses.asdict(alert) for alert in self._escalation.alerts.values()]
        beside.write_text(json.dumps(kept, default=str))
        beside.replace(self._file)
        for alert in self._escalation.alerts.values():
            self._unwritten[alert.fingerprint, alert.since] = _row(alert)

    def _write(self) -> None:
        if not self._unwritten:
            return
        try:
            with self._database().begin() as tx:
                for row in self._unwritten.values():
                    keep = {name: row[name] for name in ("levels_told", "ended_at", "summary")}
                    tx.execute(insert(alerts).values(**row).on_conflict_do_update(index_elements=["fingerprint", "started_at"], set_=keep))  # fmt: skip
            self._unwritten.clear()
        except (DatabaseUnavailable, SQLAlchemyError) as error:
            log.warning("the table of alerts follows later: %s", type(error).__name__)


def server(desk: Desk, host: str, port: int) -> http.server.ThreadingHTTPServer:
    """Takes ``POST /alerts`` of Alertmanager and answers ``GET /health``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            """Alertmanager's post; anything else is refused."""
            size = self.headers.get("content-length", "")
            if self.path != "/alerts" or not size.isdecimal() or int(size) > LARGEST:
                return self._answer(404 if self.path != "/alerts" else 413)
            try:
                desk.hear(heard(json.loads(self.rfile.read(int(size)))))
            except ValueError as error:
                log.warning("a post was refused: %s", error)
                return self._answer(400)
            return self._answer(200)

        def do_GET(self) -> None:
            """Whether this process lives."""
            self._answer(200 if self.path == "/health" else 404)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Its own log says what matters."""

    return http.server.ThreadingHTTPServer((host, port), Handler)


def main() -> None:
    """Runs until it is told to stop."""
    parser = argparse.ArgumentParser(prog="escalating", description="Tells people what Alertmanager posts.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container that only Alertmanager reaches")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--turn-seconds", type=float, default=TURN_S, help="how often it looks at what is due")
    chosen = parser.parse_args()
    config = settings()
    logs.configure("escalating", config)
    desk = Desk(config, lambda: dt.datetime.now(dt.UTC))
    serving = server(desk, chosen.host, chosen.port)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    stop = threading.Event()
    turns = 0
    while not stop.wait(chosen.turn_seconds):
        try:
            desk.turn()
            if turns % REVIEW_EVERY == 0:
                desk.review()
            turns += 1
        except Exception:
            log.exception("a turn failed; the next one tries again")


def _row(alert: Firing) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint, "started_at": alert.since, "name": alert.name,
        "severity": "critical" if alert.severity == "critical" else "warning", "labels": alert.labels,
        "summary": alert.annotations.get("summary", ""), "run_id": alert.annotations.get("run"),
        "levels_told": alert.reached, "ended_at": alert.ended_at,
    }  # fmt: skip


def _remembered(file: Path) -> list[Firing]:
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        log.error("%s cannot be read (%s): what fires is heard of again within ten minutes", file, error)
        return []
    moments = ("since", "ended_at")
    return [
        Firing(**{**one, **{name: one[name] and dt.datetime.fromisoformat(one[name]) for name in moments}})
        for one in found
    ]


if __name__ == "__main__":
    main()
