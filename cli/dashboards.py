"""`leadfactory dashboards`: what Grafana shows, made from the same files as the edge's pages."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import CommandError, as_json, console, paint

app = typer.Typer(no_args_is_help=True, help="Dashboards: make Grafana's files from dashboards/*.")


@app.command(epilog="Examples: leadfactory dashboards build   ·   leadfactory dashboards build --check --json")
def build(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file would change.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make monitoring/grafana from dashboards/*.yaml and *.sql."""
    from leadfactory.dashboards import grafana
    from leadfactory.settings import ROOT

    if check:
        changed = [path for path, text in grafana.files().items() if not path.is_file() or path.read_text() != text]
        if changed:
            names = ", ".join(str(path.relative_to(ROOT)) for path in changed)
            raise CommandError(f"{names}: not as dashboards/* say; run `leadfactory dashboards build`")
    else:
        changed = grafana.build()
    told = {"files": len(grafana.files()), "written": [str(path.relative_to(ROOT)) for path in changed]}
    if json:
        as_json(told)
    else:
        console.print(f"{told['files']} files, {len(changed)} written: monitoring/grafana")


@app.command("list", epilog="Example: leadfactory dashboards list --json")
def list_all(json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the dashboards with their addresses on the edge and in Grafana, and their panels."""
    from leadfactory.dashboards.panels import NAMES, dashboard

    rows = [
        {"dashboard": name, "title": dashboard(name).title, "edge": f"/dashboards/{name}", "grafana": f"/d/{name}",
         "panels": [each.name for each in dashboard(name).panels]}
        for name in NAMES
    ]  # fmt: skip
    if json:
        as_json(rows)
        return
    for row in rows:
        told = f"{row['edge']}  (Grafana {row['grafana']}): {', '.join(row['panels'])}"
        console.print(paint("bold", row["title"]), told, sep="  ")
