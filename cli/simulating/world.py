"""Where a simulated quarter happens: a home of its own, the real database, vendors and edge, and a clock that is moved by hand.

The factory's rooms and the edge run in this process, so that one clock serves both; the vendors are a process of their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydantic
import sqlalchemy as sa

from cli import processes, stack
from cli.output import CommandError
from leadfactory.clock import Clock
from leadfactory.d00_gateway.policies import Policies
from leadfactory.database import Database
from leadfactory.settings import Settings, settings

QUIET_WITHIN_S = 120
# What the database's clock dates lies where the factory's clock stood; what waits for it waits no longer than that clock moved.
_DATED = """
    UPDATE vendor_calls SET started_at = started_at + make_interval(secs => :shift), settled_at = settled_at + make_interval(secs => :shift)
    WHERE vendor = :vendor AND started_at >= :since AND status <> 'started'"""
_WAITED = """
    UPDATE vendor_breakers SET opened_at = opened_at - make_interval(secs => :moved), retry_at = retry_at - make_interval(secs => :moved),
        probe_expires_at = probe_expires_at - make_interval(secs => :moved) WHERE state <> 'closed'"""


@dataclasses.dataclass(frozen=True, eq=False)
class HandClock(Clock):
    """A clock that stands where it was put last."""

    moments: list[dt.datetime] = dataclasses.field(default_factory=list)

    def now(self) -> dt.datetime:
        """The moment it was put to."""
        return self.moments[0]


class _Simulated(Settings):
    """The settings of every room in this process; their clock is the hand's."""

    _hand: HandClock = pydantic.PrivateAttr()

    @property
    def clock(self) -> Clock:
        """The factory's clock."""
        return self._hand


@dataclasses.dataclass
class World:
    """One simulated factory; ``move`` puts all clocks to a moment and waits until everybody has done what was due by then."""

    config: Settings
    db: Database
    admin: httpx.Client
    hand: HandClock
    dated_until: dt.datetime
    vendors: tuple[str, ...]

    @property
    def now(self) -> dt.datetime:
        """The simulated moment."""
        return self.hand.now()

    def move(self, to: dt.datetime) -> None:
        """Dates what happened since the last move, then moves.

        Raises:
            CommandError: when recipients or webhooks are not done in time.
        """
        moved = to - self.now
        with self.db.begin() as tx:
            real = tx.scalar(sa.text("SELECT clock_timestamp()"))
            shift = {"shift": (self.now - real).total_seconds(), "since": self.dated_until}
            for vendor in self.vendors:
                tx.execute(sa.text(_DATED), shift | {"vendor": vendor})
            tx.execute(sa.text(_WAITED), {"moved": moved.total_seconds()})
            self.dated_until = real
        self.hand.moments[0] = to
        os.environ["LEADFACTORY_CLOCK"] = to.isoformat()
        settings.cache_clear()
        self.ask("clock", now=to.isoformat())
        self.settle()

    def settle(self) -> None:
        """Waits until recipients have done what is due, and vendors have told of it.

        Raises:
            CommandError: when they are not done in time.
        """
        deadline, left = time.monotonic() + QUIET_WITHIN_S, {}
        while time.monotonic() < deadline:
            left = self.admin.get("/_admin/due").raise_for_status().json()
            if not any(left.values()):
                return
            time.sleep(0.02)
        raise CommandError(f"on {self.now:%Y-%m-%d %H:%M} still to be done after {QUIET_WITHIN_S} s: {left}")

    def ask(self, switch: str, **said: Any) -> Any:
        """Turns one of the sandbox's switches."""
        return self.admin.post(f"/_admin/{switch}", json=said).raise_for_status()

    def calm(self) -> None:
        """Switches all faults off."""
        self.admin.delete("/_admin/faults").raise_for_status()


@contextlib.contextmanager
def world(home: Path, seed: str, start: dt.datetime) -> Iterator[World]:
    """Everything up, and down again; the database of ``home`` stays for whoever looks at it.

    Raises:
        CommandError: production, live vendors, a port that is taken, or a home that is not empty.
    """
    with _environment(home, start), stack.holding_home(home):
        _refuse_production()
        with stack.database(lambda line: None), _vendors(home, seed, start):
            names = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
            config = _Simulated()
            config._hand = HandClock(start=start, moments=[start])
            if not config.uses_sandbox:
                raise CommandError("a simulation runs on the vendor sandbox: unset the vendors' API keys and base URLs")
            keys = {names[name]: value for name, value in stack.sandbox_keys(config).items()}
            for name, value in keys.items():
                current = type(getattr(config, name))
                setattr(config, name, current(value))
            yield from _peopled(config)


def _peopled(config: _Simulated) -> Iterator[World]:
    db = Database.from_settings(config)
    try:
        _refuse_used(db)
        with _edge(config, db), httpx.Client(base_url=config.sandbox_url, timeout=30) as admin:
            with db.begin() as tx:
                since = tx.scalar(sa.text("SELECT clock_timestamp()"))
            made = World(config, db, admin, config._hand, since, tuple(Policies.for_settings(config).vendors))
            hooks = {
                f"{vendor}_webhook_url": f"{config.public_url}/webhooks/{vendor}" for vendor in ("sendgrid", "stripe")
            }
            made.ask(
                "options", **hooks, stripe_webhook_secret=config.stripe_webhook_secret.get_secret_value(),
                sendgrid_inbound_url=f"{config.public_url}/webhooks/inbound", sendgrid_per_minute=10**6,
            )  # fmt: skip
            yield made
    finally:
        db.dispose()


def _environment(home: Path, start: dt.datetime) -> contextlib.AbstractContextManager[None]:
    """This process's variables are the simulation's while the block runs."""
    return stack.variables(
        LEADFACTORY_HOME=str(home), LEADFACTORY_CLOCK=start.isoformat(), LEADFACTORY_FIRST_DAY=start.date().isoformat(),
        LEADFACTORY_PUBLIC_URL=f"http://127.0.0.1:{processes.free_port(stack.EDGE_PORT + 80)}",
        WEBSITE_MOST_REQUESTS=os.environ.get("WEBSITE_MOST_REQUESTS", "4"),
    )  # fmt: skip


def _refuse_production() -> None:
    if os.environ.get("LEADFACTORY_ENV") == "production" or settings().env == "production":
        raise CommandError(
            "LEADFACTORY_ENV=production: a simulation writes invented mail and money; run it in development"
        )


def _refuse_used(db: Database) -> None:
    with db.begin() as tx:
        campaign = tx.scalar(sa.text("SELECT campaign FROM campaigns LIMIT 1"))
    if campaign is not None:
        raise CommandError(
            f"the database of this home already holds campaigns ({campaign}): a simulation starts empty; "
            "give --home another folder, or --anew to begin again"
        )


@contextlib.contextmanager
def _vendors(home: Path, seed: str, start: dt.datetime) -> Iterator[None]:
    from sandbox import process

    with process.start(seed=seed, clock=start.isoformat(), ca_file=_ca_file(home)) as running:
        os.environ |= {"LEADFACTORY_SANDBOX_URL": running.base_url, "WEBSITE_CA_FILE": str(running.ca_file)}
        settings.cache_clear()
        yield


def _ca_file(home: Path) -> Path:
    folder = home / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "ca.pem"


@contextlib.contextmanager
def _edge(config: Settings, db: Database) -> Iterator[None]:
    """The edge in a thread of this process, under the same clock."""
    import uvicorn

    from edge.app import create_app

    port = int(config.public_url.rpartition(":")[2])
    served = uvicorn.Server(
        uvicorn.Config(create_app(config, db=db), host="127.0.0.1", port=port, access_log=False, log_level="error")
    )
    thread = threading.Thread(target=served.run, name="edge", daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not served.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise CommandError(f"the edge did not start on port {port}: free the port and try again")
        time.sleep(0.05)
    try:
        yield
    finally:
        served.should_exit = True
        thread.join(20)
