"""What each role may and may not do, on the embedded server as on one of an operator's own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from leadfactory import embedded, embedded_cluster, roles
from leadfactory.database import Database
from leadfactory.embedded import EmbeddedServer
from leadfactory.tables import metadata

refused = pytest.raises(psycopg.errors.InsufficientPrivilege)


def superuser_of(server: EmbeddedServer) -> str:
    password = (server.home / "postgres" / "superuser.password").read_text()
    return server._url(embedded_cluster.SUPERUSER, password, "postgres")


def session(server: EmbeddedServer, role: str, database: str | None = None) -> psycopg.Connection:
    return psycopg.connect(server.url(role, database), autocommit=True)


@pytest.fixture
def mart(postgres: EmbeddedServer) -> Iterator[None]:
    """A mart as a publication leaves it: filled beside, then brought in by a rename."""
    with psycopg.connect(postgres.url("owner")) as tx:
        tx.execute("CREATE TABLE marts_next.mart_daily_activity AS SELECT 1 AS sends")
        tx.execute("ALTER SCHEMA marts RENAME TO marts_old")
        tx.execute("ALTER SCHEMA marts_next RENAME TO marts")
        tx.execute("ALTER SCHEMA marts_old RENAME TO marts_next")
    yield
    with psycopg.connect(postgres.url("owner")) as tx:
        tx.execute("DROP TABLE marts.mart_daily_activity")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE leadfactory.mine (a int)",
        "ALTER TABLE leadfactory.campaigns ADD COLUMN mine int",
        "DROP TABLE leadfactory.campaigns",
        "TRUNCATE leadfactory.campaigns",
        "CREATE SCHEMA mine",
        "UPDATE leadfactory.alembic_version SET version_num = '0000'",
        "COPY leadfactory.campaigns TO PROGRAM 'cat'",
    ],
)
def test_the_application_cannot_change_the_schema(postgres: EmbeddedServer, database: Database, statement: str) -> None:
    with session(postgres, "app") as app, refused:
        app.execute(statement)


@pytest.mark.parametrize("table", ["send_transitions", "business_merges"])
@pytest.mark.parametrize("verb", ["UPDATE leadfactory.{} SET happened_at = happened_at", "DELETE FROM leadfactory.{}"])
def test_histories_can_only_grow(postgres: EmbeddedServer, database: Database, table: str, verb: str) -> None:
    statement = (
        verb.format(table) if table == "send_transitions" else verb.format(table).replace("happened_at", "merged_at")
    )
    with session(postgres, "app") as app, refused:
        app.execute(statement)


def test_the_application_can_add_to_histories(postgres: EmbeddedServer, database: Database) -> None:
    with session(postgres, "app") as app:
        app.execute(
            "INSERT INTO leadfactory.send_transitions (send_id, to_state, happened_at) VALUES (gen_random_uuid(), 'planned', now())"
        )
        assert app.execute("SELECT count(*) FROM leadfactory.send_transitions").fetchone() == (1,)


def test_the_application_cannot_lift_a_suppression(postgres: EmbeddedServer, database: Database) -> None:
    with session(postgres, "app") as app, refused:
        app.execute("DELETE FROM leadfactory.suppressions")


def test_the_application_reads_and_writes_every_table(postgres: EmbeddedServer, database: Database) -> None:
    query = """SELECT string_agg(c.relname, ', ') FROM pg_class c WHERE c.relnamespace = 'leadfactory'::regnamespace
               AND c.relkind = 'r' AND c.relname NOT IN ('alembic_version', 'audit_chain')
               AND NOT (has_table_privilege('lf_app', c.oid, 'SELECT') AND has_table_privilege('lf_app', c.oid, 'INSERT'))"""
    with session(postgres, "owner") as owner:
        assert owner.execute(query).fetchone() == (None,)


@pytest.mark.parametrize("table", sorted(table.name for table in metadata.sorted_tables))
def test_an_analyst_reads_no_table_of_the_factory(postgres: EmbeddedServer, database: Database, table: str) -> None:
    with session(postgres, "analyst") as analyst, refused:
        analyst.execute(f"SELECT FROM leadfactory.{table}")


def test_an_analyst_reads_marts_after_their_publication(postgres: EmbeddedServer, mart: None) -> None:
    with session(postgres, "analyst") as analyst:
        assert analyst.execute("SELECT sends FROM marts.mart_daily_activity").fetchone() == (1,)


def test_an_analyst_writes_nothing(postgres: EmbeddedServer, mart: None) -> None:
    with session(postgres, "analyst") as analyst, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        analyst.execute("DELETE FROM marts.mart_daily_activity")
    with session(postgres, "analyst") as analyst, refused:
        analyst.execute("SET default_transaction_read_only = off")
        analyst.execute("DELETE FROM marts.mart_daily_activity")


def test_the_backup_role_reads_everything_and_may_stream(postgres: EmbeddedServer, database: Database) -> None:
    with session(postgres, "backup") as backup:
        assert backup.execute("SELECT count(*) FROM leadfactory.campaigns").fetchone() == (0,)
        assert backup.execute("SELECT rolreplication FROM pg_roles WHERE rolname = current_user").fetchone() == (True,)
        with refused:
            backup.execute("DELETE FROM leadfactory.campaigns")


@pytest.mark.parametrize(
    ("role", "database_name"), [("app", "dagster"), ("dagster", "leadfactory"), ("analyst", "dagster")]
)
def test_a_role_enters_its_own_database_only(postgres: EmbeddedServer, role: str, database_name: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        session(postgres, role, database_name)


def test_vendor_content_is_never_logged(postgres: EmbeddedServer, database: Database) -> None:
    query = "SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'"
    with session(postgres, "owner") as owner:
        assert owner.execute(query).fetchall() == [("vendor_content",)]


def test_applying_again_creates_nothing(postgres: EmbeddedServer) -> None:
    assert roles.apply(superuser_of(postgres), postgres.passwords) == []


def test_an_admin_who_is_no_superuser_can_set_up_a_server(home: Path) -> None:
    server = embedded.ensure_running(home, fast=True)
    passwords = {name: secrets.token_urlsafe(12) for name in roles.LOGINS}
    with psycopg.connect(superuser_of(server), autocommit=True) as root:
        root.execute("DROP DATABASE leadfactory")
        root.execute("DROP DATABASE dagster")
        root.execute("DROP ROLE lf_owner, lf_app, lf_analyst, lf_backup, lf_dagster")
        root.execute("CREATE ROLE admin LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD 'admin'")
        root.execute("GRANT pg_read_all_data TO admin WITH ADMIN OPTION")
    created = roles.apply(server._url("admin", "admin", "postgres"), passwords)
    assert created == [*(f"role {name}" for name in roles.LOGINS), "database leadfactory", "database dagster"]
    app = EmbeddedServer(home, server.port, passwords).url("app")
    with psycopg.connect(app, autocommit=True) as tx, refused:
        tx.execute("CREATE TABLE leadfactory.mine (a int)")


def test_the_application_may_ask_as_an_analyst_and_then_sees_marts_only(
    postgres: EmbeddedServer, database: Database, mart: None
) -> None:
    with session(postgres, "app") as app:
        app.execute("SET ROLE lf_analyst")
        assert app.execute("SELECT sends FROM marts.mart_daily_activity").fetchone() == (1,)
        with refused:
            app.execute("SELECT 1 FROM leadfactory.campaigns")
