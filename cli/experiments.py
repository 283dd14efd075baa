"""`leadfactory experiments …` and `load-experiments`: what is tested, what it says today, and who may start a weak test."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, paint

if TYPE_CHECKING:
    import sqlalchemy as sa

    from leadfactory.d11_experiments.readout import Readout

app = typer.Typer(no_args_is_help=True, help="Experiments: what runs, what it says today, a plot of how it got there.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


@app.command("list", epilog="Example: leadfactory experiments list --json")
def list_all(json: Json = False) -> None:
    """List the loaded experiments: state, arms, weeks needed at today's volume, decision."""
    from cli.campaigns import system_of_record
    from leadfactory.settings import settings

    with system_of_record() as db, db.begin() as tx:
        rows = [_summary(tx, row, settings().clock.now()) for row in _versions(tx)]
        rows += [_of_holdout(tx, row, settings().clock.now())[0] for row in _holdouts(tx)]
    if json:
        return as_json(rows)
    table = Table("experiment", "state", "arms", "metric", "it takes", "says")
    for row in rows:
        arms = ", ".join(f"{name} {weight / 100:g} %" for name, weight in row["arms"].items())
        table.add_row(
            f"{row['experiment']} v{row['version']}",
            row["state"],
            arms,
            row["metric"],
            row["forecast"],
            row["sentence"] or "–",
        )
    console.print(table if rows else "No experiment is loaded: leadfactory load-experiments")
    return None


@app.command(
    epilog="Examples: leadfactory experiments show subject_line_test   ·   "
    "leadfactory experiments show subject_line_test --plot=subject.png   ·   leadfactory experiments show global_holdout"
)
def show(
    name: Annotated[str, typer.Argument(help="The experiment, as in experiments/production.yaml.")],
    plot: Annotated[
        Path | None, typer.Option(help="Also draw the ratio of rates over time: a .png, .svg or .pdf file.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what an experiment says now: rates with intervals that hold at every look, the split, the decision."""
    from cli.campaigns import system_of_record
    from leadfactory.d11_experiments import counting, definitions, drawing
    from leadfactory.d11_experiments import readout as reading
    from leadfactory.settings import settings

    now = settings().clock.now()
    if name == definitions.GLOBAL:
        return _show_holdout(plot, json=json)
    with system_of_record() as db, db.begin() as tx:
        row = next((row for row in _versions(tx) if row.experiment == name), None)
        if row is None:
            known = ", ".join(sorted({row.experiment for row in _versions(tx)})) or "none: leadfactory load-experiments"
            raise CommandError(f"no experiment is called {name!r}; loaded: {known}")
        plan = definitions.stored(row).plan
        days = counting.by_day(tx, name, row.version, now)
        summary = _summary(tx, row, now)
    history = reading.history(plan, days)
    newest = next(reversed(history.values()), reading.read_out(plan, {}))
    sequence = {arm: drawing.lines(plan, history, arm) for arm in plan.arms if arm != plan.control and history}
    if plot is not None:
        if not history:
            raise CommandError(f"--plot={plot}: nobody was exposed to {name} yet, there is nothing to draw")
        draw(name, plan, history, plot)
    if json:
        return as_json(
            summary
            | {"arms": [_plain(arm) for arm in newest.arms], "days": len(history), "plot": plot and str(plot)}
            | {"sequence": sequence}
        )
    _print(summary, newest)
    for arm, lines in sequence.items():
        console.print(f"{arm} against {plan.control}, a quarter to four times the rate:")
        console.print("\n".join(f"  {line}" for line in lines))
    if plot is not None:
        console.print(f"plot: {plot}")
    return None


def draw(name: str, plan: Any, history: Any, plot: Path) -> None:
    """Writes the picture.

    Raises:
        CommandError: with the way out, when the file cannot be written or names no picture format.
    """
    from leadfactory.d11_experiments import drawing

    try:
        drawing.draw(name, plan, history, plot)
    except ValueError as error:
        raise CommandError(f"--plot={plot}: {error}") from None
    except OSError as error:
        raise CommandError(
            f"--plot={plot} cannot be written ({error.strerror}): name a file in a folder that exists"
        ) from None


def register(main: typer.Typer) -> None:
    """Puts the group and ``load-experiments`` into the main command."""
    main.add_typer(app, name="experiments")
    main.command(
        "load-experiments",
        epilog="Examples: leadfactory load-experiments --dry-run   ·   leadfactory load-experiments --accept-weak price_point_test",
    )(load)


def load(
    accept_weak: Annotated[
        list[str] | None,
        typer.Option(help="Start this draft although it takes more than 26 weeks; your name is kept with it."),
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="The same as without: a load can be repeated at any time.")
    ] = False,
    file: Annotated[Path | None, typer.Option(help="Another file; experiments/production.yaml when left out.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and say how long each test takes.")
    ] = False,
    json: Json = False,
) -> None:
    """Check experiments/production.yaml and load it: new versions are added, states follow, a running version never changes."""
    from cli.campaigns import system_of_record
    from leadfactory.d11_experiments import definitions, effects, launches
    from leadfactory.settings import settings

    del reload  # the seed runbook's word; every load replaces what the file says
    whole, now = definitions.read_file(file or definitions.PATH), settings().clock.now()
    found = whole.experiments
    for name, experiment in found.items():
        effects.check(name, experiment)
    with system_of_record() as db:
        try:
            with db.begin() as tx:
                definitions.load(tx, found, now)
                for name in accept_weak or ():
                    launches.accept_weak(tx, name, getpass.getuser(), now)
                definitions.load(tx, found, now)
                definitions.load_holdout(tx, whole.global_holdout, now)
                rows = [_summary(tx, row, now) for row in _versions(tx)]
                if dry_run:
                    tx.rollback()
        except (definitions.ExperimentChanged, launches.NotAccepted) as error:
            raise CommandError(str(error)) from None
    if json:
        return as_json({"dry_run": dry_run, "experiments": rows, "global_holdout": _held_out(whole)})
    for row in rows:
        console.print(f"{row['experiment']} v{row['version']}: {row['state']}; {row['forecast']}")
        if row["state"] == "draft" and row["weak"]:
            console.print(f"  more than 26 weeks: leadfactory load-experiments --accept-weak {row['experiment']}")
    if whole.global_holdout is not None:
        console.print(
            f"global holdout v{whole.global_holdout.version}: {whole.global_holdout.holdout_bp / 100:g} % are never mailed"
        )
    console.print("Nothing was written (--dry-run)." if dry_run else f"{len(rows)} versions loaded.")
    return None


def _held_out(whole: Any) -> dict[str, Any] | None:
    return None if whole.global_holdout is None else whole.global_holdout.model_dump(exclude={"salt"})


def _versions(tx: sa.Connection) -> list[sa.Row[Any]]:
    """The newest version of each experiment that has a design."""
    import sqlalchemy as sa

    from leadfactory.d11_experiments.tables import experiments as t

    rows = tx.execute(sa.select(t).where(t.c.design.is_not(None)).order_by(t.c.experiment, t.c.version.desc())).all()
    return list({row.experiment: row for row in reversed(rows)}.values())


def _summary(tx: sa.Connection, row: sa.Row[Any], now: Any) -> dict[str, Any]:
    import sqlalchemy as sa

    from leadfactory.d11_experiments import definitions, launches
    from leadfactory.d11_experiments.tables import experiment_readouts as t

    experiment = definitions.stored(row)
    told = launches.forecast(tx, experiment, now)
    newest = tx.execute(
        sa.select(t.c.decision, t.c.winner, t.c.sentence, t.c.read_on)
        .where(t.c.experiment == row.experiment, t.c.version == row.version)
        .order_by(t.c.read_on.desc())
        .limit(1)
    ).one_or_none()
    return {
        "experiment": row.experiment, "version": row.version, "state": row.state, "arms": dict(experiment.arms),
        "holdout_bp": row.holdout_bp, "metric": experiment.design.metric, "needed": told.needed, "weeks": told.weeks,
        "weak": told.weak, "forecast": told.sentence(), "accepted_weak_by": row.accepted_weak_by, "paused_arms": list(row.paused_arms),
        "decision": newest and newest.decision, "winner": newest and newest.winner,
        "sentence": newest and newest.sentence, "read_on": newest and newest.read_on,
    }  # fmt: skip


def _holdouts(tx: sa.Connection) -> list[sa.Row[Any]]:
    """The newest version of the global holdout, if there ever was one."""
    import sqlalchemy as sa

    from leadfactory.d11_experiments.definitions import GLOBAL
    from leadfactory.d11_experiments.tables import experiments as t

    return list(tx.execute(sa.select(t).where(t.c.experiment == GLOBAL).order_by(t.c.version.desc()).limit(1)))


def _of_holdout(tx: sa.Connection, row: sa.Row[Any], now: Any) -> tuple[dict[str, Any], Readout]:
    """What the holdout says now, in the words of the other experiments, and its read-out."""
    from leadfactory.d11_experiments import holding_out

    history = holding_out.history(tx, row.experiment, row.version, now)
    newest = next(reversed(history.values()), holding_out.read_out({}, row.holdout_bp))
    summary = {
        "experiment": row.experiment, "version": row.version, "state": row.state, "arms": {**row.arms, "holdout": row.holdout_bp},
        "holdout_bp": row.holdout_bp, "metric": holding_out.METRIC, "needed": None, "weeks": None, "weak": False,
        "forecast": "runs for as long as it is in the file", "accepted_weak_by": None, "paused_arms": [],
        "decision": newest.decision, "winner": newest.winner, "sentence": newest.sentence, "read_on": next(reversed(history), None),
        "difference": _plain(holding_out.difference(*newest.arms)),
    }  # fmt: skip
    return summary, newest


def _show_holdout(plot: Path | None, *, json: bool) -> None:
    from cli.campaigns import system_of_record
    from leadfactory.settings import settings

    if plot is not None:
        raise CommandError("--plot draws the arms of a test; the global holdout has two rates: leave --plot out")
    with system_of_record() as db, db.begin() as tx:
        rows = _holdouts(tx)
        if not rows:
            raise CommandError("no business is held out: set global_holdout in experiments/production.yaml and load it")
        summary, newest = _of_holdout(tx, rows[0], settings().clock.now())
    if json:
        return as_json(summary | {"arms": [_plain(arm) for arm in newest.arms]})
    _print(summary, newest)
    return None


def _plain(arm: Any) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(arm)


def _print(summary: dict[str, Any], newest: Readout) -> None:
    console.print(
        paint("bold", summary["experiment"]), f"v{summary['version']}: {summary['state']}; {summary['forecast']}"
    )
    table = Table("arm", "exposed", summary["metric"], "rate", "ratio to the control", "e-value")
    for arm in newest.arms:
        rate = "–" if arm.rate is None else f"{arm.rate:.2%} ({arm.rate_low:.2%} to {arm.rate_high:.2%})"
        low = "0" if arm.ratio_low is None else f"{arm.ratio_low:.2f}"
        high = "?" if arm.ratio_high is None else f"{arm.ratio_high:.2f}"
        ratio = "–" if arm.ratio is None else f"{arm.ratio:.2f} ({low} to {high})"
        table.add_row(arm.arm, str(arm.exposed), str(arm.events), rate, ratio, _e_value(arm.log_e))
    console.print(table)
    console.print(paint("bold", f"{newest.decision}:"), newest.sentence)


def _e_value(log_e: float | None) -> str:
    import math

    return "–" if log_e is None else f"{math.exp(min(log_e, 50)):.3g}"
