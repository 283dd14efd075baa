"""Where stages are killed: a database and a home for each attempt, copied from how they stood before the stage."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import hashlib
import json
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import psycopg

from leadfactory import embedded, stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.tables import metadata
from sandbox.process import SandboxProcess
from tests.crash.forks import Ended, Forks
from tests.states import States, copy_database

CLOCK = "2026-10-06T15:00:00+00:00"  # a Tuesday, 11:00 in New York: every send window is open
UNIT = CampaignDay("restaurant-nyc", dt.date(2026, 10, 6))
LEADS = 4
REQUESTS_A_SITE = 4  # robots.txt, the home page and the first questions: each more is four points that kill alike
PLACE = campaigns.PlaceSpec("zip", "10001")
Rows = dict[str, list[dict[str, Any]]]
# An hour passes for the database's clock, which dates attempts, leases and claims: what died is then known to be dead.
_AN_HOUR_LATER = (
    "UPDATE vendor_calls SET started_at = started_at - interval '1 hour' WHERE status = 'started'",
    "UPDATE vendor_leases SET leased_at = leased_at - interval '1 hour', expires_at = expires_at - interval '1 hour'",
    "UPDATE email_sends SET claim_expires_at = claim_expires_at - interval '1 hour' WHERE state = 'claimed'",
    "UPDATE report_deliveries SET claim_expires_at = claim_expires_at - interval '1 hour' WHERE state = 'claimed'",
)
_AT_WORK = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
NOTICED_WITHIN_S = 30


@dataclasses.dataclass(frozen=True)
class Outside:
    """What the vendors saw since the attempt began: mails by our send id, and requests by vendor."""

    mails: list[str]
    requests: dict[str, int]


class Lane:
    """One attempt at a time: a database, a home, a sandbox and a parent of processes of its own."""

    def __init__(
        self, name: str, server: embedded.EmbeddedServer, sandbox: SandboxProcess, forks: Forks, folder: Path, *, like: Lane | None = None,
    ) -> None:  # fmt: skip
        self._name, self._server, self._sandbox, self._forks = f"crash_{name}", server, sandbox, forks
        self.home = folder / name
        self.home.mkdir()
        if like is not None:
            like.leave()
        copy_database(server, "leadfactory" if like is None else like._name, self._name)
        self._states: States | None = None
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        if like is None:
            self._kept().empty()  # another suite may have left rows
        self._before = Outside([], {})
        self._vendors = httpx.Client(base_url=sandbox.base_url)
        self._vendors.post("/_admin/options", json={"sendgrid_per_minute": 10**6}).raise_for_status()

    def begin(self, state: str) -> None:
        """Everything as it was kept as ``state``, nobody at work; the vendors have seen nothing."""
        self._kept().end_sessions(*([] if self._connection is None else [self._connection.info.backend_pid]))
        self._kept().restore(state)
        shutil.rmtree(self.home)
        shutil.copytree(self.home.parent / f"at_{state}", self.home)
        self._before = self._seen()

    def keep(self, state: str) -> None:
        """Keeps how everything stands, to begin from it; a lane that is made like this one later has it too."""
        self._kept().keep(state)
        shutil.rmtree(self.home.parent / f"at_{state}", ignore_errors=True)
        shutil.copytree(self.home, self.home.parent / f"at_{state}")

    def launch(self) -> None:
        """The campaign, as an operator would launch it."""
        db, now = Database(self._server.url("app", self._name)), dt.datetime.fromisoformat(CLOCK)
        with db.begin() as tx:
            campaigns.seed(tx, vertical="restaurant", places=[PLACE], quota=LEADS, name=UNIT.campaign, now=now)
            campaigns.configure(
                tx, UNIT.campaign, consent_basis="simulated", sender_email="ana@mail.leadfactory.example",
                sender_name="Ana Ruiz", postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801",
                budget_cents=5_000, top_share=1.0,
            )  # fmt: skip
            campaigns.launch(tx, UNIT.campaign, now)
        db.dispose()

    def run(self, name: str, *, kill_at: int | None = None) -> Ended:
        """Runs a stage of the campaign-day in a process of its own."""
        crash = {} if kill_at is None else {stage.CRASH_AT: str(kill_at)}
        return self._forks.run(self.environment | crash, name, UNIT.key)

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this lane needs to know."""
        return {
            "LEADFACTORY_ENV": "test",
            "LEADFACTORY_HOME": str(self.home),
            "LEADFACTORY_CLOCK": CLOCK,
            "LEADFACTORY_SANDBOX_URL": self._sandbox.base_url,
            "LEADFACTORY_DATABASE_URL": self._server.url("app", self._name),
            "WEBSITE_CA_FILE": str(self._sandbox.ca_file),
            "WEBSITE_MOST_REQUESTS": str(REQUESTS_A_SITE),
        }

    def slow(self, vendor: str, ms: int) -> None:
        """Makes the lane's ``vendor`` answer so much later."""
        self._vendors.post("/_admin/latency", json={"vendor": vendor, "ms": ms}).raise_for_status()

    def under_way(self, asset: str) -> bool:
        """Whether a call of ``asset`` has begun and not ended."""
        return bool(self._query(f"SELECT call_id FROM vendor_calls WHERE asset = '{asset}' AND status = 'started'"))

    def an_hour_later(self) -> None:
        """The database's clock seems to have gone on: leases and claims of dead processes are over."""
        for statement in _AN_HOUR_LATER:
            self._query(statement)

    def left_alone(self) -> None:
        """Waits until the server has noticed that the killed process is gone: on a busy machine that is not at once."""
        deadline = time.monotonic() + NOTICED_WITHIN_S
        while self._query(_AT_WORK):
            assert time.monotonic() < deadline, "sessions of a killed process are still open"
            time.sleep(0.01)

    def rows(self) -> Rows:
        """Every row of every table."""
        return {table.name: self._query(f"SELECT * FROM {table.name}") for table in metadata.sorted_tables}

    def begun(self) -> set[uuid.UUID]:
        """The sends that the journal says were under way: called for, and not answered."""
        marks: dict[str, str] = {}
        for path in sorted((self.home / "journal").glob("*.jsonl")):
            for line in map(json.loads, filter(None, path.read_text().split("\n"))):
                marks[line["send_id"]] = line.get("is", "called")
        return {uuid.UUID(send_id) for send_id, mark in marks.items() if mark == "called"}

    def calls(self) -> set[uuid.UUID]:
        """The calls that the ledger knows."""
        return {row["call_id"] for row in self._query("SELECT call_id FROM vendor_calls")}

    def files(self) -> dict[str, str]:
        """Path → SHA-256 of every file in the lake, the lock file apart."""
        lake = self.home / "lake"
        return {
            str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(lake.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def outside(self) -> Outside:
        """What the vendors saw since ``begin``."""
        seen = self._seen()
        asked = {vendor: count - self._before.requests.get(vendor, 0) for vendor, count in seen.requests.items()}
        return Outside(
            seen.mails[len(self._before.mails) :], {vendor: count for vendor, count in asked.items() if count}
        )

    def _seen(self) -> Outside:
        mails = self._vendors.get("/_truth/sendgrid", params={"kind": "mail"}).json()
        requests: dict[str, int] = {}
        for line, count in self._vendors.get("/_truth/_requests").json().items():
            vendor = line.split(" ", 1)[0]
            requests[vendor] = requests.get(vendor, 0) + count
        return Outside([mail["custom_args"]["send_id"] for mail in mails], requests)

    def reap(self) -> None:
        """What the next process that opens the ledger does for those that died."""
        db = Database(self._server.url("app", self._name))

        async def open_and_close() -> None:
            async with Gateway(db, clock=Clock.from_spec(CLOCK), settings=Settings()).running():
                pass

        asyncio.run(open_and_close())
        db.dispose()

    def end(self) -> None:
        """Leaves the database, which goes with its server."""
        self.leave()
        self._vendors.close()

    def leave(self) -> None:
        """Closes this process's connections to the database."""
        for open_one in (self._connection, self._states):
            if open_one is not None:
                open_one.close()
        self._connection = self._states = None

    def _kept(self) -> States:
        if self._states is None:
            self._states = States(self._server, self._name)
        return self._states

    def _query(self, statement: str) -> list[dict[str, Any]]:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._server.url("app", self._name), autocommit=True, row_factory=psycopg.rows.dict_row,
                options="-csearch_path=leadfactory -ctimezone=UTC",
            )  # fmt: skip
        cursor = self._connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
