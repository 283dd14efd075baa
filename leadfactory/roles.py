"""Databases, roles and grants, the same on the embedded and on an external server. Can be applied again at any time.

lf_owner owns the schemas and migrates; lf_app reads and writes rows; lf_analyst reads marts; lf_backup dumps and streams;
lf_dagster owns Dagster's own database. None of them is a superuser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg
import sqlalchemy as sa
from psycopg import sql

from leadfactory.database import SCHEMA

LOGINS = ("lf_owner", "lf_app", "lf_analyst", "lf_backup", "lf_dagster")
CARE = ("pg_monitor", "pg_signal_backend")  # to see and end sessions
DATABASES = {"leadfactory": "lf_owner", "dagster": "lf_dagster"}
MART_SCHEMAS = (
    "marts",
    "marts_next",
)  # both exist from the start, so that their grants survive the renames of a publication
ROW_RIGHTS = {"TABLES": "SELECT, INSERT, UPDATE, DELETE", "SEQUENCES": "USAGE, SELECT"}
WITHHELD = {
    "send_transitions": "UPDATE, DELETE",  # append-only
    "business_merges": "UPDATE, DELETE",  # append-only
    "suppressions": "DELETE",  # nobody is un-suppressed by a bug
    "config_reloads": "UPDATE, DELETE",  # append-only
    "pauses": "DELETE",  # who held what back, and who let it go on, stays told
    "send_fences": "DELETE",  # who let mail leave after a restore stays told
    "suppression_polls": "UPDATE, DELETE",  # append-only
    "halts": "DELETE",  # who let what go on stays told
    "sequence_stops": "DELETE",  # a conversation that ended is not taken up again
    "audit_log": "UPDATE, DELETE",  # append-only
    "audit_chain": "INSERT, UPDATE, DELETE",  # a trigger alone writes it
    "audit_digests": "UPDATE, DELETE",  # append-only
    "api_keys": "DELETE",  # who could do what stays told
    "draft_reviews": "UPDATE, DELETE",  # append-only
    "report_accesses": "UPDATE, DELETE",  # append-only
    "payment_events": "UPDATE, DELETE",  # append-only
    "money_entries": "UPDATE, DELETE",  # append-only
    "price_book": "UPDATE, DELETE",  # what a business was told holds for life
    "archived_responses": "UPDATE, DELETE",  # append-only
    "alembic_version": "INSERT, UPDATE, DELETE",
}


def apply(admin_url: str, passwords: Mapping[str, str]) -> list[str]:
    """Creates what is missing and returns what was created, one line each.

    Args:
        admin_url: on database ``postgres``, as a superuser or a role with CREATEROLE, CREATEDB and REPLICATION that may
            grant pg_read_all_data; lf_owner gets the roles of CARE where this one may grant them.
        passwords: role → password; set at every call, so that a rotated one holds.

    Raises:
        KeyError: for a role without a password.
        psycopg.Error: when the server refuses.
    """
    created = []
    with psycopg.connect(admin_url, autocommit=True) as admin:
        have = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles")}
        for name in LOGINS:
            verb = "ALTER" if name in have else "CREATE"
            options = " REPLICATION" if name == "lf_backup" else ""
            admin.execute(
                sql.SQL(verb + " ROLE {} LOGIN" + options + " PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(passwords[name])
                )
            )
            if name not in have:
                created.append(f"role {name}")
        admin.execute("GRANT lf_owner, lf_dagster TO CURRENT_USER")  # an admin who is no superuser makes things theirs
        admin.execute("GRANT pg_read_all_data TO lf_backup")
        for care in CARE:  # without them other roles' sessions stay hidden from `leadfactory db activity`
            may = admin.execute("SELECT pg_has_role(current_user, %s, 'MEMBER WITH ADMIN OPTION')", (care,)).fetchone()
            if may and may[0]:
                admin.execute(sql.SQL("GRANT {} TO lf_owner").format(sql.Identifier(care)))
        admin.execute("ALTER ROLE lf_analyst SET default_transaction_read_only = on")
        # the edge asks for dashboards with these rights alone; it inherits none of them otherwise
        admin.execute("GRANT lf_analyst TO lf_app WITH INHERIT FALSE, SET TRUE")
        databases = {row[0] for row in admin.execute("SELECT datname FROM pg_database")}
        for name, owner in DATABASES.items():
            if name not in databases:
                admin.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                        sql.Identifier(name), sql.Identifier(owner)
                    )
                )
                created.append(f"database {name}")
            admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        admin.execute("GRANT CONNECT ON DATABASE leadfactory TO lf_app, lf_analyst, lf_backup")
        admin.execute("GRANT CONNECT ON DATABASE dagster TO lf_backup")
    with psycopg.connect(psycopg.conninfo.make_conninfo(admin_url, dbname="leadfactory"), autocommit=True) as admin:
        admin.execute("SET ROLE lf_owner")
        for statement in _schema_grants():
            admin.execute(statement)
    return created


def withhold(tx: sa.Connection) -> None:
    """Takes from the application's role what no code may do to a table: run by every migration, as the tables' owner."""
    if not tx.scalar(sa.text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lf_app')")):
        return  # a server with a single role, such as a developer's own
    for table, rights in WITHHELD.items():
        if tx.scalar(sa.text("SELECT to_regclass(:table)"), {"table": f"{SCHEMA}.{table}"}) is not None:
            tx.execute(sa.text(f"REVOKE {rights} ON {SCHEMA}.{table} FROM lf_app"))


def _schema_grants() -> Iterator[sql.Composed]:
    schema = sql.Identifier(SCHEMA)
    yield sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO lf_app").format(schema)
    for kind, rights in ROW_RIGHTS.items():
        yield sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT " + rights + " ON " + kind + " TO lf_app").format(
            schema
        )
    for name in MART_SCHEMAS:
        marts = sql.Identifier(name)
        yield sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(marts)
        yield sql.SQL("GRANT USAGE ON SCHEMA {} TO lf_app, lf_analyst").format(marts)
        yield sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO lf_app, lf_analyst").format(
            marts
        )
