"""`leadfactory ps` and `restart`: the processes that `leadfactory dev` runs on this machine.

The stack writes a card for each of its processes into ``run/`` under the home; ``restart`` leaves a word beside a card, and the
stack, which alone may replace its children, does it within a second.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json as jsons
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, paint

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
RESTART_WITHIN_S = 90.0
POSTGRES = "postgres"


@dataclasses.dataclass(frozen=True)
class Card:
    """A process of the stack as its card tells it."""

    service: str
    pid: int
    started_at: float
    log: str

    @classmethod
    def read(cls, path: Path) -> Card:
        """The card at ``path``."""
        return cls(**jsons.loads(path.read_text()))


def register(app: typer.Typer) -> None:
    """Adds the commands to ``app``."""
    app.command(epilog="Examples: leadfactory ps   ·   leadfactory ps --json")(ps)
    app.command(epilog="Examples: leadfactory restart edge   ·   leadfactory restart dagster")(restart)


def ps(json: Json = False) -> None:
    """List the processes of `leadfactory dev` with state, age, CPU and memory; exit code 1 when one is down or none runs.

    With Docker: docker compose -f docker-compose.production.yml ps
    """
    from leadfactory.settings import settings

    rows = [_state(card) for card in cards(settings().home)]
    rows += _postgres()
    if json:
        as_json(rows)
    else:
        table = Table("service", "state", "pid", "since", "CPU", "memory", "log")
        for row in rows:
            colour = "green" if row["state"] == "running" else "red"
            table.add_row(
                row["service"], paint(colour, row["state"]), str(row["pid"]), row["since"] or "–",
                f"{row['cpu_percent']:.0f} %", f"{row['memory_mib']:.0f} MiB", row["log"],
            )  # fmt: skip
        console.print(table if rows else "nothing runs on this home: start it with `leadfactory dev`")
    if not rows or any(row["state"] != "running" for row in rows):
        raise typer.Exit(1)


def restart(
    service: Annotated[
        str, typer.Argument(help="A service that `leadfactory ps` lists: edge, dagster, sandbox or postgres.")
    ],
    json: Json = False,
) -> None:
    """Stop one process of `leadfactory dev` gracefully and start it again; the others go on.

    With Docker: docker compose -f docker-compose.production.yml restart SERVICE
    """
    from leadfactory.settings import settings

    home = settings().home
    if service == POSTGRES:
        figures = _restart_postgres()
    else:
        known = {card.service: card for card in cards(home)}
        if service not in known:
            raise CommandError(
                f"no process {service!r} runs on {home}: `leadfactory ps` lists {', '.join([*sorted(known), POSTGRES])}"
            )
        figures = _ask(home, known[service])
    if json:
        as_json(figures)
    else:
        console.print(f"{service} runs again as pid {figures['pid']} after {figures['seconds']:.1f} s")


def cards(home: Path) -> list[Card]:
    """The cards of the stack on ``home``, by service."""
    return [Card.read(path) for path in sorted((home / "run").glob("*.json"))]


def _state(card: Card) -> dict[str, Any]:
    import psutil

    row: dict[str, Any] = {"service": card.service, "state": "down", "pid": card.pid, "since": None, "cpu_percent": 0.0, "memory_mib": 0.0, "log": card.log}  # fmt: skip
    try:
        process = psutil.Process(card.pid)
        family = [process, *process.children(recursive=True)]
        row["since"] = f"{dt.datetime.fromtimestamp(process.create_time(), dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
        row["state"] = "down" if process.status() == psutil.STATUS_ZOMBIE else "running"
        for each in family:
            try:
                row["cpu_percent"] += each.cpu_percent(interval=0.05)
                row["memory_mib"] += each.memory_info().rss / 2**20
            except psutil.Error:
                continue
    except psutil.Error:
        pass
    return row


def _postgres() -> list[dict[str, Any]]:
    from leadfactory import embedded
    from leadfactory.settings import settings

    config = settings()
    if config.database_url is not None or not config.home.is_dir() or not embedded.is_running(config.home):
        return []
    found = embedded.status(config.home)
    return [_state(Card(POSTGRES, found.pid or 0, 0.0, str(found.log)))]


def _restart_postgres() -> dict[str, Any]:
    from leadfactory import embedded
    from leadfactory.settings import settings

    config = settings()
    if config.database_url is not None:
        raise CommandError("LEADFACTORY_DATABASE_URL names a server that is not ours: restart it where it runs")
    began = time.monotonic()
    embedded.stop(config.home)
    embedded.ensure_running(config.home)
    return {"service": POSTGRES, "pid": embedded.status(config.home).pid, "seconds": time.monotonic() - began}


def _ask(home: Path, card: Card) -> dict[str, Any]:
    word = home / "run" / f"{card.service}.restart"
    began = time.monotonic()
    word.touch()
    try:
        while time.monotonic() - began < RESTART_WITHIN_S:
            now = next((each for each in cards(home) if each.service == card.service), None)
            if now is not None and now.pid != card.pid and not word.exists():
                return {"service": card.service, "pid": now.pid, "seconds": time.monotonic() - began}
            time.sleep(0.2)
    finally:
        word.unlink(missing_ok=True)
    raise CommandError(
        f"{card.service} was not restarted within {RESTART_WITHIN_S:.0f} s: is the `leadfactory dev` that started it still there? its log is {card.log}"
    )
