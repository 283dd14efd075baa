"""Brings the schema to head: at start-up of every command, and with plain ``alembic upgrade head``."""

from __future__ import annotations

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from leadfactory.database import SCHEMA, DatabaseUnavailable, secured
from leadfactory.settings import ROOT, Settings


def owner_url(settings: Settings) -> str:
    """The URL that may change the schema: LEADFACTORY_DATABASE_URL, or the embedded server's owner."""
    if settings.database_url is not None:
        return secured(settings.database_url.get_secret_value()).render_as_string(hide_password=False)
    from leadfactory.embedded import ensure_running

    return ensure_running(settings.home).url("owner")


def configuration(url: str) -> Config:
    """Alembic's configuration for ``url``."""
    config = Config(str(ROOT / "alembic.ini"))
    config.attributes["url"] = url
    return config


def pending(settings: Settings) -> list[str]:
    """Revisions that the database lacks, oldest first.

    Raises:
        DatabaseUnavailable: when it does not answer.
    """
    return pending_at(owner_url(settings))


def upgrade(settings: Settings) -> list[str]:
    """Applies what is missing, in one transaction; the revisions applied, oldest first. At head it only looks.

    Raises:
        DatabaseUnavailable: when the database does not answer, or its role may not change the schema.
    """
    return upgrade_at(owner_url(settings))


def upgrade_at(url: str) -> list[str]:
    """The same on the database at ``url``, which names a role that may change the schema.

    Raises:
        DatabaseUnavailable: as ``upgrade``.
    """
    missing = pending_at(url)
    if missing:
        try:
            command.upgrade(configuration(url), "head")
        except sa.exc.ProgrammingError as error:
            if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
                raise
            at = sa.engine.make_url(url)
            raise DatabaseUnavailable(
                f"{at.username} may not change the schema of {at.database} at {at.host}:{at.port}, which lacks "
                f"{', '.join(missing)}: run `alembic upgrade head` once with LEADFACTORY_DATABASE_URL of its owner"
            ) from None
    return missing


def pending_at(url: str) -> list[str]:
    """Revisions that the database at ``url`` lacks, oldest first.

    Raises:
        DatabaseUnavailable: when it does not answer, or a newer LeadFactory migrated it.
    """
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    ordered = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    target = sa.engine.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(target, poolclass=sa.pool.NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            known = connection.scalar(
                sa.text("SELECT to_regclass(:table) IS NOT NULL"), {"table": f"{SCHEMA}.alembic_version"}
            )
            version = connection.scalar(sa.text(f"SELECT version_num FROM {SCHEMA}.alembic_version")) if known else None  # noqa: S608
    except sa.exc.OperationalError as error:
        raise DatabaseUnavailable(
            f"the database at {target.host}:{target.port}/{target.database} does not answer "
            f"({str(error.orig).strip().splitlines()[0]}): start it, or unset LEADFACTORY_DATABASE_URL to use the embedded one"
        ) from None
    if version is None:
        return ordered
    if version not in ordered:
        raise DatabaseUnavailable(
            f"the database at {target.host}:{target.port}/{target.database} is at revision {version!r}, which this version "
            "does not know: install the newer LeadFactory that migrated it"
        )
    return ordered[ordered.index(version) + 1 :]


def head() -> str | None:
    """The revision that this version of the program knows as the newest."""
    return ScriptDirectory(str(ROOT / "migrations")).get_current_head()
