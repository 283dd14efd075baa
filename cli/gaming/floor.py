"""Where a game day is played: a home of its own with a database, the vendor sandbox, an edge and Prometheus, made to be broken."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from cli import processes, stack
from cli.demo import DEMO_CLOCK
from cli.gaming.load import Key
from cli.gaming.watch import Watch, over
from cli.output import CommandError
from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database
from leadfactory.embedded_files import free_port
from leadfactory.settings import ROOT, Settings, settings

MARK = "gameday"  # the file that says that a folder may be removed
Say = Callable[[str], None]


@dataclasses.dataclass
class Floor:
    """What the scenes break and mend."""

    config: Settings
    edge: processes.Process
    edge_url: str
    watch: Watch
    key: Key
    say: Say

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """The system of record, as the application enters it."""
        db = Database.from_settings(self.config)
        try:
            yield db
        finally:
            db.dispose()

    def launch(self, db: Database, unit: CampaignDay, place: str, quota: int) -> None:
        """A campaign on restaurants in one ZIP code of its own, launched; its recipients are simulated."""
        from leadfactory.d01_targeting import campaigns

        now = self.config.clock.now()
        with db.begin() as tx:
            campaigns.seed(
                tx, vertical="restaurant", places=[campaigns.PlaceSpec("zip", place)], quota=quota, name=unit.campaign, now=now
            )  # fmt: skip
            campaigns.configure(
                tx, unit.campaign, consent_basis="simulated", sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz",
                postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=5_000, top_share=1.0,
            )  # fmt: skip
            campaigns.launch(tx, unit.campaign, now)

    def kill_edge(self) -> None:
        """SIGKILL to the edge and all its workers."""
        os.killpg(self.edge.popen.pid, signal.SIGKILL)
        self.edge.popen.wait(10)

    def start_edge(self) -> None:
        """As a service manager would start it again."""
        self.edge.restart()
        processes.wait_until(self.edge, lambda: stack.answers(f"{self.edge_url}/health"), within_s=60)

    def vendors(self, switch: str, **said: object) -> None:
        """Turns one of the sandbox's switches."""
        httpx.post(f"{self.config.sandbox_url}/_admin/{switch}", json=said, timeout=30).raise_for_status()

    def calm(self) -> None:
        """Switches all faults of vendors off."""
        httpx.delete(f"{self.config.sandbox_url}/_admin/faults", timeout=30).raise_for_status()


@contextlib.contextmanager
def floor(home: Path, say: Say) -> Iterator[Floor]:
    """Everything up, and down again.

    Raises:
        CommandError: production, live vendors, a database of somebody's own, or a folder that no game day made.
    """
    _clear(home)
    with _environment(home), stack.holding_home(home):
        (home / MARK).touch()
        config = settings()
        _refuse(config)
        key, port = Key(), free_port()
        try:
            with stack.database(say), stack.sandbox(say, any_port=True), _edge(port, key) as edge:
                url = f"http://127.0.0.1:{port}"
                with over(home / "prometheus", home / "logs" / "prometheus.log", free_port(), port) as watch:
                    say("Prometheus looks at the edge" if watch.why_blind is None else watch.why_blind)
                    yield Floor(settings(), edge, url, watch, key, say)
        finally:
            from leadfactory import embedded

            with contextlib.suppress(embedded.EmbeddedPostgresError):
                embedded.stop(home)


def refuse_production() -> None:
    """Raises CommandError where the game day would be no game."""
    if os.environ.get("LEADFACTORY_ENV") == "production" or settings().env == "production":
        raise CommandError("LEADFACTORY_ENV=production: a game day kills what it runs on; play it in development")


def until(happened: Callable[[], object], within_s: float, what: str) -> float:
    """Seconds until ``happened``.

    Raises:
        CommandError: it did not.
    """
    began = time.monotonic()
    while not happened():
        if time.monotonic() - began > within_s:
            raise CommandError(f"{what} did not happen within {within_s:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - began


def _refuse(config: Settings) -> None:
    if not config.uses_sandbox:
        raise CommandError("a game day plays with the vendor sandbox: unset the vendors' API keys and base URLs first")
    if config.database_url is not None:
        raise CommandError(
            "LEADFACTORY_DATABASE_URL names a server that is not ours to kill: take it out of the environment's file"
        )


def _clear(home: Path) -> None:
    """What an earlier game day left, and nothing else."""
    from leadfactory import embedded

    if home.exists() and any(home.iterdir()):
        if not (home / MARK).is_file():
            raise CommandError(f"{home} was not made by a game day: delete it yourself, or give another --home")
        embedded.stop(home)
        shutil.rmtree(home)


def _environment(home: Path) -> contextlib.AbstractContextManager[None]:
    """This process's variables are the game day's while the block runs."""
    return stack.variables(
        lambda name: name.endswith("DATABASE_URL") or name in {"WEBSITE_CA_FILE", "DAGSTER_HOME"},
        LEADFACTORY_HOME=str(home), LEADFACTORY_CLOCK=DEMO_CLOCK, LEADFACTORY_SANDBOX_URL=f"http://127.0.0.1:{free_port()}",
        LEADFACTORY_BACKUP_URL=str(home / "backups"), LEADFACTORY_LAKE_URL=str(home / "lake"), LEADFACTORY_BLOB_URL=str(home / "blobs"),
    )  # fmt: skip


@contextlib.contextmanager
def _edge(port: int, key: Key) -> Iterator[processes.Process]:
    config = stack.configure(LEADFACTORY_PUBLIC_URL=f"http://127.0.0.1:{port}")
    process = start_edge(config, port, key, dict(os.environ))
    with processes.stopping([process]):
        processes.wait_until(process, lambda: stack.answers(f"http://127.0.0.1:{port}/health"), within_s=60)
        yield process


def start_edge(config: Settings, port: int, key: Key, environment: dict[str, str]) -> processes.Process:
    """An edge that knows our signing key."""
    argv = [sys.executable, "-m", "edge", "--port", str(port)]
    env = environment | {
        "SENDGRID_WEBHOOK_PUBLIC_KEY": key.public,
        "STRIPE_WEBHOOK_SECRET": stack.SANDBOX_STRIPE_SECRET,
    }
    return processes.start("edge", argv, env=env, log=config.home / "logs" / "edge.log", cwd=ROOT)
