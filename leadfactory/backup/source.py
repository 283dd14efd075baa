"""The server that is backed up: its URLs as the role that may copy it, and its version."""

from __future__ import annotations

import dataclasses

import psycopg

from leadfactory.backup import programs
from leadfactory.settings import Settings, SettingsError


@dataclasses.dataclass(frozen=True)
class Source:
    """``url`` and ``dagster_url`` name the two databases; ``major`` is the version of the first one's server."""

    url: str = dataclasses.field(repr=False)
    dagster_url: str = dataclasses.field(repr=False)
    major: int
    segment_bytes: int = 16 * 2**20


def of(settings: Settings) -> Source:
    """The configured server, or the embedded one, which is started.

    Raises:
        SettingsError: an external server without LEADFACTORY_BACKUP_DATABASE_URL, or one that does not let us in.
        EmbeddedPostgresError: the embedded one does not start.
    """
    dagster = settings.dagster_database_url.get_secret_value() if settings.dagster_database_url else None
    if settings.database_url is not None:
        if settings.backup_database_url is None:
            raise SettingsError(
                "LEADFACTORY_BACKUP_DATABASE_URL is missing: a backup needs the role lf_backup, as `leadfactory db-setup` makes "
                "it, and not the application's: postgresql://lf_backup:…@host:5432/leadfactory"
            )
        url = settings.backup_database_url.get_secret_value()
        if dagster is None:
            from leadfactory.embedded import ensure_running

            dagster = ensure_running(settings.home).url("backup", "dagster")
    else:
        from leadfactory.embedded import ensure_running

        server = ensure_running(settings.home)
        url = server.url("backup")
        dagster = dagster or server.url("backup", "dagster")
    return Source(url, dagster, *_about(url))


def _about(url: str) -> tuple[int, int]:
    at, _ = programs.conninfo(url)
    try:
        with psycopg.connect(programs.libpq(url), connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'"
            ).fetchone()
            return connection.info.server_version // 10000, int(row[0]) if row else 16 * 2**20
    except psycopg.OperationalError as error:
        raise SettingsError(
            f"the server to back up does not let us in ({at}): {str(error).strip().splitlines()[0]}"
        ) from None
