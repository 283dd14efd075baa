"""Every operator's command that changes something leaves a row in the audit log, whether or not its author thought of it.

A command that notes its change in its own transaction, with the ids that it changed, is not noted again; one of LONG is noted before
it begins, so that it is told of even when it is killed. Commands of READS change nothing. What is not listed is noted when it ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

# They look, and change nothing but what every start does (migrations, the embedded server).
READS = frozenset(
    {
        "doctor", "health-check", "system-check", "verify-integrations", "plan", "explain", "campaign-days", "sends", "quota",
        "rate-limits", "breaker list", "cache stats", "drafts list", "drafts show", "exclusions list", "experiments list",
        "experiments show", "halts list", "inbox show", "inbox status", "inbox list", "inbox refusals", "purchases list", "purchases show",
        "purchases reconcile", "report preview", "scoring backtest", "targets list", "api-key list", "audit-log", "db status",
        "db activity", "db shell", "slow-queries", "db-tune", "analyze-indexes", "capacity-report", "cost-report", "doctor analyst", "doctor sender", "metrics campaign", "metrics daily", "metrics experiment", "export-data", "warehouse status", "warehouse docs", "pauses", "delivered-share", "todays-purchases", "fence status", "wal-archive", "verify-backup", "dashboards list", "fence show", "verify-data-integrity", "data-corruption-report", "purchases evidence", "businesses show", "logs", "ps",
        "metrics", "sql", "performance-report", "night", "pools list",
        "gameday",  # what it changes is a factory of its own
    }
)  # fmt: skip
# With this option one of READS changes something.
CHANGED_BY = {"db activity": "--terminate"}
LONG = frozenset(
    {
        "demo",
        "launch-campaign",
        "erase-person",
        "import-businesses",
        "restore-database",
        "replay-transactions",
        "simulate",
    }
)
MISTYPED = 2
_SLUG = re.compile(r"[a-z0-9][a-z0-9_|:=-]{0,63}")
_MANY_DIGITS = re.compile(r"\d{7}")


def commands() -> dict[str, Any]:
    """Every command of the program by its path, ``api-key create``."""
    import typer

    from cli.main import app

    found: dict[str, Any] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        if hasattr(command, "commands"):
            for name, child in command.commands.items():
                walk(child, (*path, name))
        else:
            found[" ".join(path)] = command

    walk(typer.main.get_command(app), ())
    return found


def called(arguments: Sequence[str]) -> str | None:
    """The path of the command that these arguments call; None for help, a dry run, or no command at all."""
    if {"--help", "--dry-run"} & set(arguments) or not arguments:
        return None
    for length in range(min(3, len(arguments)), 0, -1):
        path = " ".join(arguments[:length])
        if path in _paths():
            return path
    return None


@contextlib.contextmanager
def recorded(arguments: Sequence[str]) -> Iterator[None]:
    """Runs the command that the block calls, and notes it: when it begins if it is one of LONG; when it ends unless it reads, or
    has noted its change itself; and always when it fails."""
    path = called(arguments)
    if path is None or _reads(path, arguments):
        yield
        return
    from leadfactory import audit_log

    had = audit_log.noted()
    if path in LONG:
        _note(path, arguments, "command_begun", None)
    code = 1
    try:
        yield
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
    finally:
        own = audit_log.noted() > had
        action = "command" if code == 0 else "command_failed"
        if (code or not own) and code != MISTYPED and not _note(path, arguments, action, code) and code == 0:
            print(
                f"note: {path} is not in the audit log, for there is no database or it does not answer", file=sys.stderr
            )


def _reads(path: str, arguments: Sequence[str]) -> bool:
    changing = CHANGED_BY.get(path)
    return path in READS and not (changing and any(each.startswith(changing) for each in arguments))


def told(arguments: Sequence[str]) -> str:
    """The arguments as the log may keep them: names of options, ids and slugs; of everything else that something was there."""
    return " ".join(_told(each) for each in arguments)


def _told(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    if option and not equals:
        return option
    return f"{option}{equals}{value if _harmless(value) else '…'}"


def _harmless(value: str) -> bool:
    try:
        return bool(uuid.UUID(value))
    except ValueError:
        return bool(_SLUG.fullmatch(value)) and not _MANY_DIGITS.search(value)


@functools.lru_cache(maxsize=1)
def _paths() -> frozenset[str]:
    return frozenset(commands())


def _note(path: str, arguments: Sequence[str], action: str, code: int | None) -> bool:
    import sqlalchemy as sa

    from cli.stores import actor
    from leadfactory import audit_log, embedded
    from leadfactory.database import Database, DatabaseUnavailable
    from leadfactory.settings import settings

    if settings().database_url is None and not (embedded.folder(settings().home) / "data").is_dir():
        return False  # a server of our own is not made for the note alone: there may be one of somebody else's
    detail = {"arguments": told(arguments[len(path.split()) :]), "pid": os.getpid()}
    try:
        db = Database.from_settings(settings())
        try:
            with db.begin() as tx:
                audit_log.record(
                    tx, actor=actor(), action=action, subject=path, now=settings().clock.now(),
                    detail=detail if code is None else detail | {"code": code},
                )  # fmt: skip
        finally:
            db.dispose()
    except (DatabaseUnavailable, sa.exc.SQLAlchemyError, OSError, ValueError, RuntimeError):
        return False
    return True
