"""`leadfactory simulate`: a quarter of business in minutes, through the real rooms, for dashboards, documentation and tests."""

from __future__ import annotations

import datetime as dt
import json as jsonlib
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import CommandError, as_json, console, dollars

if TYPE_CHECKING:
    from cli.simulating.figures import Figures
    from cli.simulating.script import Quarter
    from leadfactory.settings import Settings

FOLDER = "simulation"  # under LEADFACTORY_HOME, so that nothing real is mixed with it
MARK = "simulated.json"


def register(main: typer.Typer) -> None:
    """Puts the command into the main one."""
    main.command(
        epilog="Examples: leadfactory simulate --days 90   ·   leadfactory simulate --days 7 --seed other --home /tmp/week --json"
    )(simulate)


def simulate(
    days: Annotated[int, typer.Option(min=1, max=365, help="Days to play; 90 are a quarter.")] = 90,
    seed: Annotated[
        str, typer.Option(help="The world of businesses and people; the same one plays the same quarter.")
    ] = "demo",
    home: Annotated[
        Path | None,
        typer.Option(help="Where to keep it; the folder `simulation` under LEADFACTORY_HOME when left out."),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Delete an earlier simulation in that folder first.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Play a quarter of business against the vendor sandbox: letters, answers, sales, an outage, a bounce spike, refunds; then
    export the lake, build the marts and check that the figures are believable. Never in production."""
    from cli.simulating import script
    from leadfactory.settings import settings

    if os.environ.get("LEADFACTORY_ENV") == "production":
        raise CommandError(
            "LEADFACTORY_ENV=production: a simulation writes invented mail and money; run it in development"
        )
    folder = (home or settings().home / FOLDER).absolute()
    if anew:
        _delete(folder)
    quarter = script.read()
    began = time.monotonic()
    figures, happened = _play(folder, quarter, days, seed, silent=json)
    told = _told(figures, happened, quarter, days, seed, folder, time.monotonic() - began)
    (folder / MARK).write_text(jsonlib.dumps(told, indent=2) + "\n")
    if json:
        as_json(told)
    else:
        _show(told, figures)
    if told["doubts"]:
        raise CommandError("nobody would believe this quarter: " + "; ".join(told["doubts"]))


def _delete(folder: Path) -> None:
    """An earlier simulation's folder, and nothing else.

    Raises:
        CommandError: when the folder holds something that no simulation made.
    """
    from leadfactory import embedded

    if not folder.exists():
        return
    if not (folder / MARK).is_file() and not (folder / "sandbox").is_dir():
        raise CommandError(f"--anew: {folder} was not made by a simulation; delete it yourself or give another --home")
    embedded.stop(folder)
    shutil.rmtree(folder)


def _play(folder: Path, quarter: Quarter, days: int, seed: str, *, silent: bool) -> tuple[Figures, dict[str, int]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from cli.simulating import figures
    from cli.simulating.days import Player
    from cli.simulating.world import world

    start = dt.datetime.combine(quarter.starts_on, dt.time(1), tzinfo=dt.UTC)
    bar = Progress(
        TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console, disable=silent,
    )  # fmt: skip
    with bar, world(folder, seed, start) as made:
        task = bar.add_task("starting", total=days)
        player = Player(made, quarter)
        player.prepare()
        player.play(days, lambda number, day: bar.update(task, completed=number - 1, description=day))
        bar.update(task, completed=days, description="lake and marts")
        _publish(made.db, made.config, _owner(made.config))
        with made.db.begin() as tx:
            counted = figures.count(tx)
        return counted, {name: count for name, count in player.happened.items() if count}


def _owner(config: Settings) -> str | None:
    """Who may publish marts in Postgres: the embedded server's owner; on a server of somebody's own, that is not ours to know."""
    from leadfactory import migrate

    return migrate.owner_url(config) if config.database_url is None else None


def _publish(db: Any, config: Settings, into: str | None) -> None:
    """What the two nightly jobs do after the last day."""
    from leadfactory.d10_analytics import export, warehouse

    export.export_lake(db=db, clock=config.clock, settings=config)
    warehouse.build_marts(config, into=into)


def _told(
    figures: Figures, happened: dict[str, int], quarter: Quarter, days: int, seed: str, folder: Path, seconds: float
) -> dict[str, Any]:
    from cli.simulating.figures import WHOLE, doubts

    return {
        "days": days, "seed": seed, "from": quarter.starts_on.isoformat(), "home": str(folder), "counts": figures.counts,
        "letters_by_weekday": figures.by_weekday, "first_letters_by_weekday": figures.first_by_weekday,
        "shares": {name: round(figures.share(name), 5) for name in WHOLE},
        "happened": happened, "doubts": doubts(figures, quarter.believable, days / 7), "seconds": round(seconds, 1),
    }  # fmt: skip


def _show(told: dict[str, Any], figures: Figures) -> None:
    from cli.output import Table
    from cli.simulating.figures import WEEKDAYS, WHOLE

    table = Table(title=f"{told['days']} simulated days from {told['from']}", title_justify="left", show_header=False)
    for name, value in told["counts"].items():
        if not name.endswith(("_cents", "_microusd")):
            share = f"{figures.share(name):.2%} of the {WHOLE[name]}" if name in told["shares"] else ""
            table.add_row(name.replace("_", " "), f"{value:,}", share)
    cents = {name: told["counts"][name] * 10_000 for name in ("paid_cents", "refunded_cents")}
    table.add_row("paid, refunded", f"{dollars(cents['paid_cents'])}, {dollars(cents['refunded_cents'])}", "")
    table.add_row("vendor cost", dollars(told["counts"]["cost_microusd"]), "at list prices; the sandbox bills nothing")
    for of in ("letters", "first letters"):
        by_day = told[f"{of.replace(' ', '_')}_by_weekday"]
        table.add_row(f"{of} by weekday", " ".join(f"{d} {n}" for d, n in zip(WEEKDAYS, by_day, strict=True)), "")
    for name, count in told["happened"].items():
        table.add_row(name, str(count), "")
    console.print(table)
    console.print(
        f"took {told['seconds']} s; everything is under {told['home']}.\n"
        f"Look at it: LEADFACTORY_HOME={told['home']} leadfactory dev, then http://localhost:8000/dashboards"
    )
