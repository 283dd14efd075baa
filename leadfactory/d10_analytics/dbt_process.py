"""``python -m leadfactory.d10_analytics.dbt_process``: dbt's own command line, started in half of the time."""

from __future__ import annotations

from pathlib import Path

from leadfactory.importing import GRAMMAR, standing_in

PARSED = (
    "partial_parse.msgpack"  # what dbt made of a project: it goes on from there while profile and project are the same
)


def hand_on(parsed: Path, target: Path) -> None:
    """Gives what a parse into ``parsed`` left to those who build in ``target``, if they have nothing of their own."""
    if not (target / PARSED).exists():
        target.mkdir(parents=True, exist_ok=True)
        (parsed / PARSED).replace(target / PARSED)


def main() -> None:
    """Runs dbt with this process's arguments; ends as dbt ends."""
    with standing_in({GRAMMAR: None}):
        from dbt.cli.main import cli
    cli()


if __name__ == "__main__":
    main()
