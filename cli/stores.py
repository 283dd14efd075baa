"""The migrated system of record for a command: to write in, or to read from in a transaction that is taken back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any


def database() -> Any:
    """The system of record with its schema at head.

    Raises:
        DatabaseUnavailable: it does not answer, or may not be migrated.
    """
    from leadfactory import migrate
    from leadfactory.database import Database
    from leadfactory.settings import settings

    migrate.upgrade(settings())
    found = Database.from_settings(settings())
    tell_of_pauses(found)
    return found


def tell_of_pauses(db: Any) -> None:
    """Says on standard error what an operator holds back, so that nobody wonders why nothing happens."""
    from cli.output import errors, paint
    from leadfactory import pauses

    with db.engine.connect() as tx:
        held = pauses.banner(tx)
    if held:
        errors.print(paint("bold yellow", "PAUSED"), held)


@contextlib.contextmanager
def reading() -> Iterator[Any]:
    """A transaction that is rolled back at the end."""
    found = database()
    try:
        with found.engine.connect() as tx, tx.begin() as transaction:
            yield tx
            if transaction.is_active:
                transaction.rollback()
    finally:
        found.dispose()


@contextlib.contextmanager
def reading_aside() -> Iterator[Any]:
    """The same, from the replica of LEADFACTORY_REPLICA_URL while it is near: for long looks back that need not see the last second."""
    from leadfactory.replica import Nearest
    from leadfactory.settings import settings

    found = database()
    near = Nearest.of(settings(), found)
    try:
        with near.reading() as tx:
            yield tx
    finally:
        near.dispose()
        found.dispose()


@contextlib.contextmanager
def recording(*, dry_run: bool = False) -> Iterator[tuple[Any, Any]]:
    """A transaction of an operator's change, and its moment on the factory's clock; a dry run is taken back at the end."""
    from leadfactory.settings import settings

    found = database()
    try:
        with found.begin() as tx:
            yield tx, settings().clock.now()
            if dry_run:
                tx.rollback()
    finally:
        found.dispose()


def actor() -> str:
    """What the audit log calls whoever runs this command: the name he is logged in by."""
    import getpass

    try:
        return f"operator {getpass.getuser()}"
    except (KeyError, OSError):  # a container may run under a user id without a name
        return f"operator uid {os.getuid()}"
