"""`leadfactory reload-config`: every configuration file is checked, then all running processes take it over."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import CommandError, as_json, console

SERVICES = ("all",)


def register(app: typer.Typer) -> None:
    """Adds the command to ``app``."""
    app.command(
        "reload-config",
        epilog="Examples: leadfactory reload-config   ·   leadfactory reload-config --service=all --json   ·   "
        "leadfactory reload-config --dry-run",
    )(reload_config)


def reload_config(
    service: Annotated[
        str, typer.Option(help="Only `all`: processes share one configuration, and one that lagged behind would err.")
    ] = "all",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the files and say what changed; tell nobody.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check config/ and experiments/, and let every running process take them over within seconds, without a restart.

    One wrong file and nothing is changed. Variables of the environment, config/production.yaml and the number of
    connections to a vendor are read at a process's start: `leadfactory restart` for those.
    """
    from cli.stores import actor, recording
    from leadfactory import audit_log, reloading

    if service not in SERVICES:
        raise CommandError(
            f"--service={service!r}: only `all` can be reloaded; `leadfactory restart {service}` restarts one"
        )
    checked = reloading.check()
    if checked.problems:
        raise CommandError("nothing was changed: " + "; ".join(checked.problems))
    with recording(dry_run=dry_run) as (tx, now):
        changed = reloading.changed(tx, checked)
        reload_id = reloading.announce(tx, checked, by=actor(), now=now)
        audit_log.record(
            tx,
            actor=actor(),
            action="reload_config",
            subject=f"reload {reload_id}",
            detail={"changed": changed},
            now=now,
        )
    if json:
        as_json({"reload": reload_id, "files": len(checked.files), "changed": changed, "dry_run": dry_run})
        return
    told = ", ".join(changed) or "nothing since the last reload"
    console.print(f"{len(checked.files)} files are right; changed: {told}")
    console.print(
        "dry run: nobody was told" if dry_run else f"reload {reload_id}: every process follows within seconds"
    )
