"""The schema's way to head: from nothing, from the revision before with its rows, by whoever starts first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError

from leadfactory import migrate
from leadfactory.database import DatabaseUnavailable
from leadfactory.embedded import EmbeddedServer
from leadfactory.settings import ROOT
from leadfactory.tables import metadata
from tests.migrations.conftest import REVISIONS, to
from tests.postgres import settings_for_tests

CAMPAIGN = """INSERT INTO leadfactory.campaigns (campaign, vertical, daily_quota, starts_on, created_at)
              VALUES ('restaurant-nyc', 'restaurant', 100, '2026-10-06', '2026-10-06 15:00+00')"""
CONTENT = """INSERT INTO leadfactory.vendor_content (vendor, content_key, content, fetched_at, expires_at)
             VALUES ('yelp', '\\x00', '{}', now(), now() + interval '1 day')"""


def rows(server: EmbeddedServer, query: str, role: str = "owner") -> list[tuple]:
    with psycopg.connect(server.url(role)) as tx:
        return tx.execute(query).fetchall()


def tables_of(server: EmbeddedServer) -> set[str]:
    return {row[0] for row in rows(server, "SELECT tablename FROM pg_tables WHERE schemaname = 'leadfactory'")}


def test_an_empty_database_comes_to_head_and_says_what_was_applied(empty: EmbeddedServer) -> None:
    config = settings_for_tests(empty.home)
    assert migrate.pending(config) == REVISIONS
    assert migrate.upgrade(config) == REVISIONS
    assert migrate.pending(config) == []
    assert tables_of(empty) == {table.name for table in metadata.sorted_tables} | {"alembic_version"}


def test_at_head_an_upgrade_only_looks(empty: EmbeddedServer) -> None:
    to(empty, "head")
    assert migrate.upgrade(settings_for_tests(empty.home)) == []


def test_the_migrations_make_what_the_rooms_declare(empty: EmbeddedServer) -> None:
    to(empty, "head")
    command.check(migrate.configuration(empty.url("owner")))


def test_a_column_without_a_migration_is_noticed(empty: EmbeddedServer) -> None:
    to(empty, "head")
    with psycopg.connect(empty.url("owner")) as tx:
        tx.execute("ALTER TABLE leadfactory.campaigns DROP COLUMN sender_name")
    with pytest.raises(CommandError, match="sender_name"):
        command.check(migrate.configuration(empty.url("owner")))


def test_a_database_of_the_previous_revision_keeps_its_rows(empty: EmbeddedServer) -> None:
    to(empty, "0001")
    with psycopg.connect(empty.url("app")) as tx:
        tx.execute(CAMPAIGN)
        tx.execute(CONTENT)
    config = settings_for_tests(empty.home)
    assert migrate.pending(config) == REVISIONS[1:]
    assert migrate.upgrade(config) == REVISIONS[1:]
    assert rows(empty, "SELECT campaign, state FROM leadfactory.campaigns") == [("restaurant-nyc", "draft_only")]
    assert rows(empty, "SELECT vendor FROM leadfactory.vendor_content") == [("yelp",)]


def test_new_tables_are_open_to_the_application_and_histories_stay_closed(empty: EmbeddedServer) -> None:
    to(empty, "0001")
    to(empty, "head")
    with psycopg.connect(empty.url("app"), autocommit=True) as app:
        app.execute("INSERT INTO leadfactory.key_fingerprints VALUES ('suppression', 'f', now())")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("DELETE FROM leadfactory.send_transitions")


def test_the_way_back_leaves_the_previous_revision(empty: EmbeddedServer) -> None:
    to(empty, "head")
    command.downgrade(migrate.configuration(empty.url("owner")), "0001")
    assert not tables_of(empty) & {"run_outcomes", "key_fingerprints", "lake_manifest"}
    assert migrate.pending(settings_for_tests(empty.home)) == REVISIONS[1:]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT relpersistence FROM pg_class WHERE relname = 'vendor_content' AND relkind = 'r'", [("u",)]),
        ("SELECT attstattarget FROM pg_attribute WHERE attrelid = 'leadfactory.vendor_content'::regclass AND attname = 'content'", [(0,)]),
        ("SELECT indnullsnotdistinct FROM pg_index WHERE indexrelid = 'leadfactory.uq_quality_verdicts_judged_once'::regclass", [(True,)]),
        ("SELECT obj_description('leadfactory.campaigns'::regclass)", [(metadata.tables["leadfactory.campaigns"].comment,)]),
        ("SELECT tableowner FROM pg_tables WHERE schemaname = 'leadfactory' GROUP BY 1", [("lf_owner",)]),
    ],
    ids=["vendor content is unlogged", "no statistics sample it", "a verdict without subject is one", "comments", "one owner"],
)  # fmt: skip
def test_what_comparing_does_not_see(empty: EmbeddedServer, query: str, found: list[tuple]) -> None:
    to(empty, "head")
    assert rows(empty, query) == found


def test_two_migrations_at_once_make_one_schema(empty: EmbeddedServer) -> None:
    code = "import sys; from alembic import command; from leadfactory import migrate\n"
    code += "command.upgrade(migrate.configuration(sys.argv[1]), 'head')"
    both = [subprocess.Popen([sys.executable, "-c", code, empty.url("owner")]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert rows(empty, "SELECT version_num FROM leadfactory.alembic_version") == [(REVISIONS[-1],)]


def test_a_failed_revision_leaves_nothing_behind(empty: EmbeddedServer) -> None:
    with psycopg.connect(empty.url("owner")) as tx:
        tx.execute("CREATE TABLE leadfactory.vendor_quotas (in_the_way int)")
    with pytest.raises(sa.exc.ProgrammingError, match="already exists"):
        migrate.upgrade(settings_for_tests(empty.home))
    assert tables_of(empty) == {"vendor_quotas"}


def test_a_role_that_may_not_migrate_is_told_who_may(empty: EmbeddedServer) -> None:
    config = settings_for_tests(empty.home, LEADFACTORY_DATABASE_URL=empty.url("app"))
    with pytest.raises(
        DatabaseUnavailable, match=rf"lf_app may not change .* lacks {', '.join(REVISIONS)}: run `alembic upgrade head`"
    ):
        migrate.upgrade(config)


def test_a_database_of_a_newer_version_is_refused(empty: EmbeddedServer) -> None:
    to(empty, "head")
    with psycopg.connect(empty.url("owner")) as tx:
        tx.execute("UPDATE leadfactory.alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseUnavailable, match=r"revision '9999', which this version does not know"):
        migrate.upgrade(settings_for_tests(empty.home))


def test_plain_alembic_finds_or_starts_the_embedded_server(empty: EmbeddedServer) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT, env={**environment, "LEADFACTORY_HOME": str(empty.home)}, check=True,
    )  # fmt: skip
    assert migrate.pending(settings_for_tests(empty.home)) == []


def test_no_server_is_a_clear_error() -> None:
    config = settings_for_tests(Path("unused"), LEADFACTORY_DATABASE_URL="postgresql://lf:x@127.0.0.1:9/none")
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:9/none does not answer"):
        migrate.upgrade(config)
