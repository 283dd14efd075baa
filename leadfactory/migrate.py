"""Brings the schema to head: at start-up of every command, and with plain ``alembic upgrade head``."""

from __future__ import annotations

import functools
import logging
import re

import psycopg
import sqlalchemy as sa
import yaml
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from leadfactory.database import SCHEMA, DatabaseUnavailable, secured
from leadfactory.settings import ROOT, Settings

log = logging.getLogger(__name__)
# The comment of the version's table, for older programs.
CARRIES = "revision {version} carries the code of revision {revision} and later"
_CARRIED = re.compile(CARRIES.format(version=r"(\w+)", revision=r"(\w+)"))
_COMMENT = f"SELECT obj_description('{SCHEMA}.alembic_version'::regclass)"


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
    ordered = list(_known())
    target = sa.engine.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(target, poolclass=sa.pool.NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            known = connection.scalar(
                sa.text("SELECT to_regclass(:table) IS NOT NULL"), {"table": f"{SCHEMA}.alembic_version"}
            )
            version = connection.scalar(sa.text(f"SELECT version_num FROM {SCHEMA}.alembic_version")) if known else None  # noqa: S608
            newer = version is not None and version not in ordered
            if newer and _is_carried(connection, str(version), ordered[-1]):
                log.info("the schema is newer (revision %s) and carries this version", version)
                return []
    except sa.exc.OperationalError as error:
        raise DatabaseUnavailable(
            f"the database at {target.host}:{target.port}/{target.database} does not answer "
            f"({str(error.orig).strip().splitlines()[0]}): start it, or unset LEADFACTORY_DATABASE_URL to use the embedded one"
        ) from None
    if version is None:
        return ordered
    if newer:
        raise DatabaseUnavailable(
            f"the database at {target.host}:{target.port}/{target.database} is at revision {version!r}, which this version "
            "does not know, and it does not say that it carries this one: install the newer LeadFactory that migrated it"
        )
    return ordered[ordered.index(version) + 1 :]


def head() -> str | None:
    """The revision that this version of the program knows as the newest."""
    return _known()[-1] if _known() else None


@functools.lru_cache(maxsize=1)
def _known() -> tuple[str, ...]:
    """The revisions of this version of the program, oldest first."""
    return tuple(script.revision for script in ScriptDirectory(str(ROOT / "migrations")).walk_revisions())[::-1]


def fits(tx: sa.Connection) -> bool:
    """Whether the schema is this version's, or a newer one that carries it: between a migration and the last replaced process, and
    after a rollback, old code works on a new schema."""
    version, own = tx.scalar(sa.text(f"SELECT version_num FROM {SCHEMA}.alembic_version")), head()  # noqa: S608 - a constant
    if version == own or version is None or own is None:
        return version == own
    return version not in _known() and _is_carried(tx, version, own)


def tell_what_it_carries(connection: sa.Connection) -> None:
    """Writes into the database which older programs run on its schema, as migrations/carries.yaml says."""
    revision = yaml.safe_load((ROOT / "migrations" / "carries.yaml").read_text())["code_from"]
    version = connection.scalar(sa.text(f"SELECT version_num FROM {SCHEMA}.alembic_version"))  # noqa: S608 - a constant
    if version is not None:
        words = CARRIES.format(version=version, revision=revision)
        connection.execute(sa.text(f"COMMENT ON TABLE {SCHEMA}.alembic_version IS '{words}'"))


def _is_carried(connection: sa.Connection, version: str, own: str) -> bool:
    """Whether the migration that made ``version`` said that code of revision ``own`` runs on it."""
    said = _CARRIED.fullmatch(connection.scalar(sa.text(_COMMENT)) or "")
    return said is not None and said[1] == version and own >= said[2]
