"""``python -m leadfactory.d10_analytics.dbt_process``: dbt's own command line, started in half of the time."""

from __future__ import annotations

from leadfactory.importing import GRAMMAR, standing_in


def main() -> None:
    """Runs dbt with this process's arguments; ends as dbt ends."""
    with standing_in({GRAMMAR: None}):
        from dbt.cli.main import cli
    cli()


if __name__ == "__main__":
    main()
