"""`leadfactory logs`: what the processes of this machine wrote, filtered; one file of $LEADFACTORY_HOME/logs at a time."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from cli.output import CommandError, console, errors

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOOK_AGAIN_S = 0.5
_PLAIN_LEVEL = re.compile(r"\b(DEBUG|INFO|LOG|NOTICE|WARNING|ERROR|FATAL|PANIC|CRITICAL)\b")
_SAME = {"LOG": "INFO", "NOTICE": "INFO", "FATAL": "CRITICAL", "PANIC": "CRITICAL"}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        epilog="Examples: leadfactory logs --level WARNING   ·   leadfactory logs pipeline --room d03_assessment --tail 50   ·   "
        "leadfactory logs --lead BUSINESS_ID --json   ·   leadfactory logs postgresql --follow"
    )(logs)


def logs(
    service: Annotated[
        str, typer.Argument(help="app, pipeline, security, sendgrid_events, postgresql, or a process such as edge or dagster.")
    ] = "app",
    level: Annotated[str | None, typer.Option(help="Only lines of this level or above: INFO, WARNING, ERROR …")] = None,
    room: Annotated[str | None, typer.Option(help="Only lines of this room, such as d03_assessment.")] = None,
    campaign_day: Annotated[str | None, typer.Option(help="Only lines of this campaign-day, as campaign|YYYY-MM-DD.")] = None,
    lead: Annotated[str | None, typer.Option(help="Only lines about this business, by its id.")] = None,
    run: Annotated[str | None, typer.Option(help="Only lines of this run, by its id.")] = None,
    tail: Annotated[int, typer.Option(min=1, help="At most this many of the newest lines that fit.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on printing what is written; Ctrl-C ends it.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the lines as they are stored, one JSON object each.")] = False,
) -> None:  # fmt: skip
    """Show what was logged, the newest lines last; filters take structured lines by their fields."""
    from leadfactory.logs import FILES
    from leadfactory.settings import settings

    home = settings().home
    if service in FILES and not (home / "logs" / f"{service}.log").is_file() and not follow:
        errors.print(f"nothing was written to {home / 'logs' / f'{service}.log'} yet")
        return
    file = path(home, service)
    wanted = fits(level=level, room=room, campaign_day=campaign_day, lead=lead, run_id=run)
    with contextlib.ExitStack() as open_files:
        source = open_files.enter_context(file.open(errors="replace"))
        newest = collections.deque((line for line in _stored(file, source) if wanted(line)), maxlen=tail)
        for line in newest:
            _show(line, raw=json)
        if follow:
            for line in _following(file, source, open_files):
                if wanted(line):
                    _show(line, raw=json)


def path(home: Path, service: str) -> Path:
    """The file of a service.

    Raises:
        CommandError: there is none; the message lists those there are.
    """
    if service == "postgresql":
        found = sorted((home / "postgres" / "log").glob("postgresql-*.log"), key=lambda each: each.stat().st_mtime)
        if found:
            return found[-1]
    file = home / "logs" / f"{service}.log"
    if re.fullmatch(r"[a-z_-]+", service) and file.is_file():
        return file
    there = sorted(each.stem for each in (home / "logs").glob("*.log"))
    raise CommandError(
        f"service={service!r} has no log under {home / 'logs'}: there are {', '.join(there) or 'none yet'}"
    )


def fits(*, level: str | None, **fields: str | None) -> Callable[[str], bool]:
    """A test of one line: its level at least ``level``, and each field that is asked for as it is asked.

    Raises:
        CommandError: for a level that does not exist.
    """
    if level is not None and level.upper() not in LEVELS:
        raise CommandError(f"level={level!r} is none of {', '.join(LEVELS)}")
    least = LEVELS.index(level.upper()) if level else 0
    asked = {name: value for name, value in fields.items() if value is not None}

    def fit(line: str) -> bool:
        told = parsed(line)
        if told is None:  # a line of a program that knows no fields: its level is a word in it
            found = _PLAIN_LEVEL.search(line)
            known = _SAME.get(found[1], found[1]) if found else "INFO"
            return not asked and LEVELS.index(known) >= least
        return LEVELS.index(told.get("level", "INFO")) >= least and all(told.get(k) == v for k, v in asked.items())

    return fit


def parsed(line: str) -> dict[str, Any] | None:
    """A structured line; None of any other."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def _stored(file: Path, source: TextIO) -> Iterator[str]:
    """All lines, the rotated files' first; ``source``, which is ``file`` opened, is left where they end."""
    older = sorted(file.parent.glob(f"{file.name}.[0-9]*"), key=lambda each: -int(each.suffix[1:]))
    if file.name.startswith("postgresql-"):  # the server begins a file a day, and the one of the same weekday anew
        older = sorted(file.parent.glob("postgresql-*.log"), key=lambda each: each.stat().st_mtime)
    for each in older:
        with each.open(errors="replace") as lines:
            if not os.path.samestat(os.fstat(lines.fileno()), os.fstat(source.fileno())):  # moved aside just now
                yield from (line.rstrip("\n") for line in lines)
    while line := source.readline():
        yield line.rstrip("\n")


def _following(file: Path, source: TextIO, open_files: contextlib.ExitStack) -> Iterator[str]:
    """What is written after the place where ``source`` stands, through any rotation of ``file``."""
    part = ""
    while True:
        moved = file.is_file() and not os.path.samestat(file.stat(), os.fstat(source.fileno()))
        part += source.readline()
        if part.endswith("\n"):
            yield part.rstrip("\n")
            part = ""
        elif moved and not part:  # nothing is written to it any more, and what was is read
            source.close()
            source = open_files.enter_context(file.open(errors="replace"))
        else:
            time.sleep(LOOK_AGAIN_S)


def _show(line: str, *, raw: bool) -> None:
    told = None if raw else parsed(line)
    if told is None:
        console.print(line)
        return
    head = ("at", "level", "event", "process", "logger", "trace")
    facts = " ".join(f"{name}={told[name]}" for name in told if name not in head)
    text = f"{told.get('at', '')} {told.get('level', ''):<8} {told['event']}  {facts}".rstrip()
    console.print(text + (f"\n{told['trace']}" if "trace" in told else ""))
