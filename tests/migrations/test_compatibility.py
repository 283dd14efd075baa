"""Old code on a new schema: what the previous version uses is there as it was, nothing new refuses its rows, and it starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from leadfactory import migrate
from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.embedded import EmbeddedServer
from leadfactory.settings import ROOT
from tests.migrations import previous_version, steps
from tests.migrations.conftest import REVISIONS, to
from tests.postgres import settings_for_tests

CARRIED = previous_version.carried()
PREVIOUS = json.loads(previous_version.FILE.read_text())
VERSIONS = ROOT / "migrations" / "versions"
SINCE = [path for path in sorted(VERSIONS.glob("[0-9]*.py")) if path.stem > CARRIED["code_from"]]


def _unknown(server: EmbeddedServer, said: str | None) -> None:
    """The database as a newer version left it, which says of itself what it carries."""
    with psycopg.connect(server.url("owner")) as tx:
        tx.execute("UPDATE leadfactory.alembic_version SET version_num = '9999'")
        tx.execute(f"COMMENT ON TABLE leadfactory.alembic_version IS {'NULL' if said is None else repr(said)}")  # type: ignore[arg-type]


def against(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """What of the schema ``now`` the code that knew it as ``before`` stumbles over."""
    found = []
    for table, columns in before["tables"].items():
        there = now["tables"].get(table, {})
        for name, (kind, nullable, has_default) in columns.items():
            if name not in there:
                found.append(f"{table}.{name} is gone")
            elif there[name][0] != kind:
                found.append(f"{table}.{name} is {there[name][0]} and was {kind}")
            elif nullable and not there[name][1]:
                found.append(f"{table}.{name} may no longer be empty")
            elif has_default and not there[name][2]:
                found.append(f"{table}.{name} lost its default")
        found += [
            f"{table}.{name} is new and must be given"
            for name, (_, nullable, has_default) in there.items()
            if name not in columns and not nullable and not has_default
        ]
        rules = {key: text for key, text in now["rules"].items() if key.split(".")[0] == table}
        found += [f"{key} is new or changed: {text}" for key, text in rules.items() if before["rules"].get(key) != text]
    return found


def test_what_the_previous_version_knows_was_read_at_the_revision_that_is_promised() -> None:
    assert PREVIOUS["revision"] == CARRIED["code_from"]
    assert CARRIED["code_from"] in REVISIONS


def test_the_previous_versions_columns_are_there_and_nothing_new_refuses_its_rows(empty: EmbeddedServer) -> None:
    to(empty, "head")
    accepted = " ".join(CARRIED["accepted"].values())
    assert [
        each
        for each in against(previous_version.read(empty.url("owner")), PREVIOUS)
        if each.split(" ")[0] not in accepted
    ] == []


def test_every_statement_shape_of_the_previous_version_is_understood(empty: EmbeddedServer) -> None:
    to(empty, "head")
    with psycopg.connect(empty.url("owner"), options="-csearch_path=leadfactory") as tx:
        for number, (table, columns) in enumerate(PREVIOUS["tables"].items()):
            names = ", ".join(f'"{name}"' for name in columns)
            values = ", ".join(f"CAST(${at} AS {kind})" for at, (kind, _, _) in enumerate(columns.values(), 1))
            tx.execute(f"PREPARE put_{number} AS INSERT INTO {table} ({names}) VALUES ({values})".encode())
            tx.execute(f"PREPARE get_{number} AS SELECT {names} FROM {table}".encode())


@pytest.mark.parametrize(
    ("change", "stumbled"),
    [
        ("ALTER TABLE campaigns DROP COLUMN sender_name", "campaigns.sender_name is gone"),
        ("ALTER TABLE campaigns RENAME COLUMN vertical TO kind", "campaigns.vertical is gone"),
        ("ALTER TABLE campaigns ALTER daily_quota TYPE bigint", "campaigns.daily_quota is int8 and was int4"),
        ("ALTER TABLE campaigns ADD colour text NOT NULL", "campaigns.colour is new and must be given"),
        ("ALTER TABLE campaigns ALTER sender_name SET NOT NULL", "campaigns.sender_name may no longer be empty"),
        ("ALTER TABLE campaigns ADD CONSTRAINT few CHECK (daily_quota < 10)", "campaigns.few is new or changed: CHECK ((daily_quota < 10))"),
        ("CREATE UNIQUE INDEX once ON campaigns (vertical)", "campaigns.once is new or changed: CREATE UNIQUE INDEX once ON leadfactory.campaigns USING btree (vertical)"),
    ],
    ids=["dropped", "renamed", "another type", "not null without default", "no longer empty", "a check", "unique"],
)  # fmt: skip
def test_a_schema_that_breaks_the_previous_version_is_noticed(
    empty: EmbeddedServer, change: str, stumbled: str
) -> None:
    to(empty, CARRIED["code_from"])
    with psycopg.connect(empty.url("owner"), options="-csearch_path=leadfactory") as tx:
        tx.execute(change.encode())
    assert stumbled in against(previous_version.read(empty.url("owner")), PREVIOUS)


def test_no_migration_since_takes_anything_from_under_running_code() -> None:
    assert [each for path in SINCE if path.name[:4] not in CARRIED["accepted"] for each in steps.refused(path)] == []


def test_an_accepted_step_is_of_a_migration_that_there_is_and_has_its_reason() -> None:
    numbers = {path.name[:4] for path in SINCE}
    assert all(number in numbers and len(reason) > 30 for number, reason in CARRIED["accepted"].items())


@pytest.mark.parametrize(
    "step",
    [
        'op.drop_column("campaigns", "sender_name")',
        'op.drop_table("campaigns")',
        'op.rename_table("campaigns", "plans")',
        'op.alter_column("campaigns", "vertical", new_column_name="kind")',
        'op.alter_column("campaigns", "vertical", nullable=False)',
        'op.alter_column("campaigns", "daily_quota", type_=sa.BigInteger())',
        'op.add_column("campaigns", sa.Column("colour", sa.Text(), nullable=False))',
        'op.create_check_constraint("few", "campaigns", "daily_quota < 10")',
        'op.execute("ALTER TABLE campaigns ALTER COLUMN vertical SET NOT NULL")',
        "op.execute(GONE)",
    ],
)
def test_a_step_that_breaks_running_code_is_refused(tmp_path: Path, step: str) -> None:
    path = tmp_path / "0099_breaks.py"
    path.write_text(f'GONE = "DROP TABLE campaigns"\n\ndef upgrade():\n    {step}\n\ndef downgrade():\n    pass\n')
    assert [each.split(":")[1] for each in steps.refused(path)] == ["4"]


def test_a_step_that_adds_is_not_refused_and_the_way_back_may_take_it_away(tmp_path: Path) -> None:
    path = tmp_path / "0099_adds.py"
    path.write_text(
        'def upgrade():\n    op.add_column("a", sa.Column("b", sa.Text(), nullable=True))\n'
        '    op.add_column("a", sa.Column("c", sa.Text(), nullable=False, server_default=""))\n    op.create_table("d")\n\n'
        'def downgrade():\n    op.drop_column("a", "b")\n'
    )
    assert steps.refused(path) == []


def test_a_migration_writes_into_the_database_which_code_it_carries(empty: EmbeddedServer) -> None:
    to(empty, "head")
    with psycopg.connect(empty.url("owner")) as tx:
        said = tx.execute("SELECT obj_description('leadfactory.alembic_version'::regclass)").fetchone()
    assert said == (migrate.CARRIES.format(version=REVISIONS[-1], revision=CARRIED["code_from"]),)


def test_a_program_starts_on_a_newer_schema_that_carries_it(empty: EmbeddedServer) -> None:
    to(empty, "head")
    _unknown(empty, migrate.CARRIES.format(version="9999", revision=REVISIONS[-1]))
    assert migrate.upgrade(settings_for_tests(empty.home)) == []
    db = Database(empty.url("app"), pool_size=1)
    with db.begin() as tx:
        assert migrate.fits(tx)
    db.dispose()


@pytest.mark.parametrize(
    "said",
    [
        None,
        "revision 9999 carries the code of revision 9998 and later",
        "revision 9998 carries the code of revision 0001 and later",
        "else",
    ],
)
def test_a_program_refuses_a_newer_schema_that_does_not_carry_it(empty: EmbeddedServer, said: str | None) -> None:
    to(empty, "head")
    _unknown(empty, said)
    with pytest.raises(DatabaseUnavailable, match="does not say that it carries this one"):
        migrate.upgrade(settings_for_tests(empty.home))
    db = Database(empty.url("app"), pool_size=1)
    with db.begin() as tx:
        assert not migrate.fits(tx)
        tx.execute(sa.text("SELECT 1"))
    db.dispose()


def test_an_older_schema_does_not_fit(empty: EmbeddedServer) -> None:
    to(empty, "head")
    with psycopg.connect(empty.url("owner")) as tx:
        tx.execute(f"UPDATE leadfactory.alembic_version SET version_num = '{REVISIONS[-2]}'")
    db = Database(empty.url("app"), pool_size=1)
    with db.begin() as tx:
        assert not migrate.fits(tx)
    db.dispose()


def test_the_way_back_of_the_newest_revision_is_never_needed_by_a_rollback(empty: EmbeddedServer) -> None:
    """The previous version's revision is older than head only through steps that it is carried over."""
    to(empty, CARRIED["code_from"])
    command.upgrade(migrate.configuration(empty.url("owner")), "head")
    assert against(previous_version.read(empty.url("owner")), PREVIOUS) == []
