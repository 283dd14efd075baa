"""Alembic's environment: the owner's connection to the configured or the embedded server, schema ``leadfactory`` only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from leadfactory import roles
from leadfactory.database import SCHEMA
from leadfactory.migrate import owner_url, tell_what_it_carries
from leadfactory.settings import settings
from leadfactory.tables import metadata

MIGRATION_LOCK = 0x1EADFAC7  # one migration at a time, whoever starts it

# Whoever may act as the owner does, so that everything belongs to one role.
AS_OWNER = """SELECT set_config('role', rolname, true) FROM pg_roles
              WHERE rolname = 'lf_owner' AND pg_has_role(current_user, oid, 'SET')"""


def ours(name: str | None, kind: str, parents: object) -> bool:
    """Other schemas of the database are not ours to compare."""
    return kind != "schema" or name == SCHEMA


def run() -> None:
    """Migrates online, in one transaction, under an advisory lock."""
    url = context.config.attributes.get("url") or owner_url(settings())
    engine = sa.create_engine(sa.engine.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.execute(sa.text(AS_OWNER))
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        context.configure(
            connection=connection,
            target_metadata=metadata,
            version_table_schema=SCHEMA,
            include_schemas=True,
            include_name=ours,
            compare_server_default=True,
        )
        context.run_migrations()
        tell_what_it_carries(connection)
        roles.withhold(connection)


if context.is_offline_mode():
    raise SystemExit("migrations run online only: grants and locks need a server")
run()
