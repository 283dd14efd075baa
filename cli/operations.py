"""What an operator asks of the whole: doctor and the checks it is made of, and the commands that hold, restart and reload it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import doctor_analyst, doctor_sender, pausing, performance, pools, reloading, services, system_check

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to ``app``."""
    doctors = typer.Typer(invoke_without_command=True, pretty_exceptions_enable=False)
    doctors.callback(
        epilog="Examples: leadfactory doctor   ·   leadfactory doctor --env-file .env.production   ·   leadfactory doctor sender"
    )(doctor)
    doctor_sender.register(doctors)
    doctor_analyst.register(doctors)
    app.add_typer(doctors, name="doctor")
    app.command("health-check", epilog="Examples: leadfactory health-check   ·   leadfactory health-check --json")(
        health_check
    )
    app.command("verify-integrations", epilog="Example: leadfactory verify-integrations --json")(verify_integrations)
    for each in (system_check, pausing, services, reloading, performance):
        each.register(app)
    app.add_typer(pools.app, name="pools")


def doctor(
    context: typer.Context,
    env_file: Annotated[
        Path | None, typer.Option(help="Judge this file of variables for production instead; prints no value.")
    ] = None,
    json: Json = False,
) -> None:
    """Check every dependency, what health-check, system-check and verify-integrations see, and say each remedy."""
    from cli.doctor import run

    if context.invoked_subcommand is None:
        run(json=json, env_file=env_file)


def health_check(json: Json = False) -> None:
    """Ask every process and store whether it answers; exit code 1 when one does not. Takes less than five seconds."""
    from cli.health import run

    run(json=json)


def verify_integrations(json: Json = False) -> None:
    """One call without side effects to each vendor, and the quota that is left."""
    from cli.integrations import run

    run(json=json)
