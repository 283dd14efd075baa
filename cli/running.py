"""How a command runs: noted in the audit log when it changes something; expected errors are one line on standard error."""

from __future__ import annotations

import sys

import typer

from cli import recording
from cli.output import CommandError, errors, paint


def run(app: typer.Typer) -> None:
    """Runs the command of the process's arguments; exit code 1 after an expected error, 130 when it was stopped."""
    with recording.recorded(sys.argv[1:]):
        _run(app)


def _run(app: typer.Typer) -> None:
    from leadfactory.d00_gateway.errors import VendorError
    from leadfactory.database import DatabaseUnavailable
    from leadfactory.embedded_files import EmbeddedPostgresError
    from leadfactory.flow import Stopped
    from leadfactory.locks import CampaignDayBusy
    from leadfactory.settings import SettingsError

    try:
        app()
    except (
        CommandError, DatabaseUnavailable, EmbeddedPostgresError, CampaignDayBusy, SettingsError, VendorError, Stopped,
        ValueError, LookupError,
    ) as error:  # fmt: skip
        errors.print(paint("bold red", "error:"), _plain(error))
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)


def _plain(error: BaseException) -> str:
    text = error.args[0] if isinstance(error, LookupError) and error.args else str(error)
    return str(text)
