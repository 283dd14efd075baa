"""What a simulated history happens in: one process with a database, the vendors, a clock, and lives that end at a crash point."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import gc
import inspect
import shutil
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from leadfactory import crash_points, embedded, flow, stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import gateway as gateways
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory.locks import campaign_day_lock
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from sandbox.clock import Clock as SandboxClock
from sandbox.server import Server
from sandbox.state import Sandbox
from sandbox.world.seeded import SeededWorld
from tests.states import States, copy_database

START = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)  # a Tuesday, 11:00 in New York: every send window is open
UNIT = CampaignDay("restaurant-nyc", START.date())
LEADS = 2
CHAIN = (*stage.NIGHT, "sending")
# An hour passes for the database's clock, which dates attempts, leases, claims and breakers.
HOUR = """
    UPDATE vendor_calls SET started_at = started_at - interval '1 hour' WHERE status = 'started';
    UPDATE vendor_leases SET leased_at = leased_at - interval '1 hour', expires_at = expires_at - interval '1 hour';
    UPDATE email_sends SET claim_expires_at = claim_expires_at - interval '1 hour' WHERE state = 'claimed';
    UPDATE vendor_breakers SET opened_at = opened_at - interval '1 hour', retry_at = retry_at - interval '1 hour',
        probe_expires_at = probe_expires_at - interval '1 hour';
    UPDATE vendor_quotas SET blocked_until = NULL;
"""


class Killed(BaseException):
    """The process died here: nothing of it runs on."""


@dataclasses.dataclass
class Death:
    """Kills one life at its n-th crash point; from then on that life can neither commit nor call."""

    at: int | None
    passed: int = 0
    dead: bool = False
    loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, point: str) -> None:
        self.passed += 1
        if self.dead or self.passed == self.at:
            self.dead = True
            if self.loop is not None:
                self.loop.call_soon_threadsafe(self.loop.stop)
            raise Killed(point)


class World:
    """One database, one home, all vendors in a thread of this process; ``begin(k)`` puts everything as it stood before stage k."""

    def __init__(self, server: embedded.EmbeddedServer, name: str, folder: Path) -> None:
        self.name, self.home = f"simulation_{name}", folder / "home"
        folder.mkdir(exist_ok=True)
        copy_database(server, "leadfactory", self.name)
        self._states = States(server, self.name)
        self.url = server.url("app", self.name)
        self.db = Database(self.url)
        sa.event.listen(self.db.engine, "connect", _keep_plans)
        self.sandbox = Sandbox(SeededWorld("simulation"), clock=SandboxClock(START), seed="simulation")
        self._serve(folder / "ca.pem")
        self.now = START
        flow.in_turn(2)
        self._config: Settings | None = None
        self._policies = _soon(Policies.for_settings(self._settings()))
        self._prepare()

    # -- states -------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        with self.db.begin() as tx:
            campaigns.seed(
                tx,
                vertical="restaurant",
                places=[campaigns.PlaceSpec("zip", "10001")],
                quota=LEADS,
                name=UNIT.campaign,
                now=START,
            )
            campaigns.configure(
                tx, UNIT.campaign, consent_basis="simulated", sender_email="ana@mail.leadfactory.example",
                sender_name="Ana Ruiz", postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801",
                budget_cents=5_000, top_share=1.0,
            )  # fmt: skip
            campaigns.launch(tx, UNIT.campaign, START)
        for number, name in enumerate(CHAIN):
            self._keep(number)
            self.live(name)
        self._keep(len(CHAIN))
        gc.collect()
        gc.freeze()  # what is loaded by now stays: collecting after a death looks at that life only
        gc.disable()  # rubbish goes after a death and between two histories, not a thousand times in the middle of one

    def _keep(self, number: int) -> None:
        self._states.keep(str(number))
        shutil.copytree(self.home, self.home.parent / f"at_{number}", dirs_exist_ok=True)

    def begin(self, number: int) -> None:
        """Everything as it stood before stage ``number`` of the chain; the vendors have seen nothing."""
        self._states.restore(str(number))
        gc.collect()
        gc.freeze()
        shutil.rmtree(self.home)
        shutil.copytree(self.home.parent / f"at_{number}", self.home)
        self.sandbox.restart(self.sandbox.world, self.sandbox.seed)
        self.sandbox.options["sendgrid_per_minute"] = 10**6
        self.set_clock(START)

    def set_clock(self, now: dt.datetime) -> None:
        """The injected clock and the vendors' own."""
        self.now = now
        self.sandbox.clock = SandboxClock(now)

    def an_hour(self) -> None:
        """The database's clock goes on: what a dead process held is over."""
        self._states.admin.execute(HOUR)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What the superuser's connection reads."""
        cursor = self._states.admin.execute(query)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    # -- lives --------------------------------------------------------------------------------------------------------

    def live(self, name: str, *, kill_at: int | None = None) -> StageReport | None:
        """Runs one stage in a life of its own; None when it was killed."""
        config = self._settings()
        made = Gateway(self.db, clock=Clock(start=self.now), settings=config, policies=self._policies)
        gateways._gateways[(id(config), None)] = made  # this life's own, over the pool that all share
        death, loop = Death(kill_at), asyncio.new_event_loop()
        crash_points.listen(death)
        try:
            group, work = stage.STAGES[name]
            with campaign_day_lock(self.db, UNIT, group):
                report: Any = work(UNIT, self.db, config.clock, config, flow.quiet)
                if inspect.isawaitable(report):
                    death.loop = loop
                    report = loop.run_until_complete(stage._awaited(report))
            return report  # type: ignore[no-any-return]
        except Killed:
            return None
        except RuntimeError as error:
            if not death.dead or "Event loop stopped" not in str(error):
                raise
            return None
        finally:
            if death.dead:
                self._bury(made, loop)
            loop.close()
            gateways._gateways.pop((id(config), None), None)
            crash_points.listen(None)

    def reap(self) -> None:
        """What the next process that opens the ledger does for those that died."""
        config = self._settings()

        async def open_and_close() -> None:
            async with Gateway(self.db, clock=config.clock, settings=config, policies=self._policies).running():
                pass

        asyncio.run(open_and_close())

    def _settings(self) -> Settings:
        if self._config is None:
            self._config = Settings(
                env="test", home=self.home, sandbox_url=f"http://127.0.0.1:{self.server.port}", database_url=self.url,
                website_ca_file=self._ca_file, website_most_requests=3,
            )  # fmt: skip
        return self._config.model_copy(update={"clock_spec": self.now.isoformat()})

    def _bury(self, made: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        loop.set_exception_handler(lambda *_: None)
        for bound in made._bound.values():
            if bound.writer._conn is not None:
                bound.writer._conn.pgconn.finish()  # as a dead process's connection: the server ends its session
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        made._bound.clear()
        unraisable, sys.unraisablehook = sys.unraisablehook, lambda _: None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a coroutine that the dead life never awaited
            gc.collect()  # what the dead life still held ends here: the loop is not running, and each commit of it is a crash point
        sys.unraisablehook = unraisable

    # -- vendors ------------------------------------------------------------------------------------------------------

    def _serve(self, ca_file: Path) -> None:
        self._ca_file = ca_file
        self.server = Server(self.sandbox, host="127.0.0.1", port=0, ca_file=ca_file)
        ready = threading.Event()

        def serve() -> None:
            loop = asyncio.new_event_loop()
            loop.run_until_complete(self.server.start())
            ready.set()
            loop.run_forever()

        threading.Thread(target=serve, daemon=True, name="vendors").start()
        if not ready.wait(20):
            raise RuntimeError("the sandbox did not start within 20 s")

    def asked(self) -> Counter[str]:
        """Requests that reached each vendor since ``begin``."""
        found: Counter[str] = Counter()
        for line, count in self.sandbox.truth.requests.items():
            found[line.split(" ", 1)[0]] += count
        return found

    def mails(self) -> Counter[str]:
        """Our send id → mails that left."""
        return Counter(entry["custom_args"]["send_id"] for entry in self.sandbox.truth.of("sendgrid", "mail"))


def _keep_plans(connection: Any, _: object) -> None:
    """Of the statements that all lives make over these connections: planning them costs more than running them."""
    connection.prepare_threshold, connection.prepared_max = 0, 1_000
    with connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")
    connection.commit()


def _soon(policies: Policies) -> Policies:
    """The real policies, whose pauses between attempts are milliseconds."""
    soon = {"base_s": 0.001, "cap_s": 0.002}
    vendors = {
        name: policy.model_copy(update={"retry": policy.retry.model_copy(update=soon)})
        for name, policy in policies.vendors.items()
    }
    return policies.model_copy(update={"vendors": vendors})


@contextlib.contextmanager
def worlds(server: embedded.EmbeddedServer, name: str, folder: Path) -> Iterator[World]:
    """A world, whose database goes with it."""
    world = World(server, name, folder)
    yield world
    world.db.dispose()
