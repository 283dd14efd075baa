"""`leadfactory gameday`: breaks a factory of its own, scene after scene, mends it as the runbook says, and counts what was lost."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import CommandError, as_json, console, paint

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.gaming.floor import Floor
    from cli.gaming.scenes import Played

NAMES = (
    "vendor-outage",
    "database-restart",
    "full-disk",
    "daemon-kill",
    "edge-kill",
    "corrupt-warehouse",
    "restore",
)
MOST_NAMED = 5
FOLDER = "gameday"  # under LEADFACTORY_HOME, so that nothing real is mixed with it
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Adds the command to ``app``."""
    app.command(
        epilog="Examples: leadfactory gameday   ·   leadfactory gameday --only=edge-kill --only=restore   ·   leadfactory gameday --json"
    )(gameday)


def gameday(
    only: Annotated[
        list[str] | None, typer.Option(help="One scene; can be repeated: " + ", ".join(NAMES) + ".")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Where to play; the folder `gameday` under LEADFACTORY_HOME when left out.")
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Say what would be played and start nothing.")] = False,
    json: Json = False,
) -> None:
    """Play the disasters of the runbook on a factory of its own: what was lost (must be nothing), how long each took, which alert
    fired. Exit code 1 when anything was lost. Development only; your own database, processes and mail are never touched."""
    from cli.gaming import floor as floors
    from leadfactory.settings import settings

    floors.refuse_production()
    unknown = set(only or ()) - set(NAMES)
    if unknown:
        raise CommandError(f"--only={min(unknown)!r} is no scene: choose from {', '.join(NAMES)}")
    chosen = [name for name in NAMES if not only or name in only]
    folder = (home or settings().home / FOLDER).absolute()
    if only_list:
        _rehearsed(chosen, folder, json=json)
        return
    say = (lambda line: None) if json else (lambda line: console.print(paint("green", "✓"), line))
    began = time.monotonic()
    with floors.floor(folder, say) as floor:
        blind = floor.watch.why_blind
        told = [_played(floor, name, number, len(chosen), silent=json) for number, name in enumerate(chosen, 1)]
    lost = sum(len(each.lost) for each in told)
    figures = {
        "scenes": [dataclasses.asdict(each) for each in told], "lost": lost, "seconds": round(time.monotonic() - began, 1),
        "home": str(folder), "no_alerts_because": blind,
    }  # fmt: skip
    (folder / "gameday.json").write_text(jsonlib.dumps(figures, indent=2) + "\n")
    if json:
        as_json(figures)
    else:
        _show(told, figures)
    if lost:
        raise typer.Exit(1)


def scenes() -> dict[str, Callable[[Floor], Played]]:
    """Every scene by its name."""
    from cli.gaming import daemon, full_disk
    from cli.gaming.scenes import SCENES

    return SCENES | {"full-disk": full_disk.full_disk, "daemon-kill": daemon.daemon_kill}


def _played(floor: Floor, name: str, number: int, of: int, *, silent: bool) -> Played:
    from cli.gaming.scenes import CouldNot, Played

    scene = scenes()[name]
    if not silent:
        console.print(paint("bold", f"{number} of {of}"), f"{name}: {(scene.__doc__ or '').splitlines()[0]}")
    began = time.monotonic()
    floor.watch.begin()
    try:
        told = scene(floor)
        floor.watch.look()
        told.alerts = list(floor.watch.seen)
    except CouldNot as error:
        told = Played(name, could_not=str(error))
    told.seconds = time.monotonic() - began
    floor.watch.wait_until_quiet()
    return told


def _rehearsed(chosen: list[str], folder: Path, *, json: bool) -> None:
    told = {name: (scenes()[name].__doc__ or "").splitlines()[0] for name in chosen}
    if json:
        as_json({"scenes": told, "home": str(folder)})
        return
    for name, what in told.items():
        console.print(paint("bold", f"{name:<18}"), what)
    console.print(f"would be played in {folder}")


def _show(told: list[Played], figures: dict[str, object]) -> None:
    for each in told:
        if each.could_not is not None:
            console.print(paint("bold", f"{each.scene:<18}"), paint("yellow", "not played:"), each.could_not)
            continue
        verdict = paint("red", f"{len(each.lost)} lost:") if each.lost else paint("green", "nothing lost:")
        spans = (
            f"broken for {_seconds(each.broken_s)}, mended in {_seconds(each.mended_s)}, {each.seconds:.1f} s in all"
        )
        console.print(paint("bold", f"{each.scene:<18}"), verdict, str(each.kept))
        console.print(f"{'':<18} {spans}; alerts: {', '.join(each.alerts) or 'none'}")
        for one in each.lost[:MOST_NAMED]:
            console.print(f"{'':<18}", paint("red", "lost:"), str(one))
    if figures["no_alerts_because"]:
        console.print(paint("yellow", figures["no_alerts_because"]))
    console.print(f"took {figures['seconds']} s; logs and figures are under {figures['home']}")


def _seconds(span: float | None) -> str:
    return "–" if span is None else f"{span:.1f} s"
