"""How commands that care for the server reach it: as the application, as the tables' owner, or outside a transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cli.output import CommandError, Table, console

if TYPE_CHECKING:
    import sqlalchemy as sa


@contextlib.contextmanager
def connected(*, owner: bool = False) -> Iterator[sa.Connection]:
    from leadfactory import migrate
    from leadfactory.database import Database
    from leadfactory.settings import settings

    db = Database(migrate.owner_url(settings())) if owner else Database.from_settings(settings())
    try:
        with db.begin() as tx:
            yield tx
    finally:
        db.dispose()


@contextlib.contextmanager
def autocommitting() -> Iterator[sa.Connection]:
    from leadfactory import migrate
    from leadfactory.database import Database
    from leadfactory.database_care import maintenance
    from leadfactory.settings import settings

    db = Database(migrate.owner_url(settings()))
    try:
        with db.engine.connect() as connection:
            if (owner := maintenance.foreign_owner(connection)) is not None:
                raise CommandError(
                    f"the tables belong to {owner} and {db.url.username} may not care for them: run this once with "
                    f"LEADFACTORY_DATABASE_URL of {owner}"
                )
            connection.rollback()
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
    finally:
        db.dispose()


@contextlib.contextmanager
def progress(total: int, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    from rich.progress import Progress

    with Progress(console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda name: bar.update(task, advance=1, description=name)


def table_of(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column)
    return table
