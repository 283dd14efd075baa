"""Care for Postgres from the command line: what it does, what it waits for, what it lacks, and mending it beside the work."""

from __future__ import annotations

import json
import threading

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory.d00_gateway.tables import budgets
from leadfactory.database import Database
from leadfactory.database_care import indexes, statements, tuning
from leadfactory.inbox.tables import audit_log
from leadfactory.settings import settings


@pytest.fixture
def as_owner(here, owner_database: Database, monkeypatch: pytest.MonkeyPatch):
    """Commands as the role that owns the tables, as on the embedded server."""
    url = owner_database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("LEADFACTORY_DATABASE_URL", url)
    settings.cache_clear()
    return here


def fill_budgets(database: Database, rows: int) -> None:
    with database.begin() as tx:
        tx.execute(
            sa.text(
                "INSERT INTO budgets (scope, key, cap_microusd) SELECT 'campaign', 'c' || n, 1 FROM generate_series(1, :rows) n"
            ),
            {"rows": rows},
        )


def test_status_tells_version_revision_sessions_and_the_largest_tables(as_owner):
    told = as_owner("db", "status", "--json")
    assert told["version"].startswith("18")
    assert told["revision"].startswith("00")
    assert 0 < told["sessions"] < told["most_sessions"]
    assert "schema at" in as_owner("db", "status")


def test_activity_names_who_waits_for_whom_and_ending_the_holder_frees_the_waiter(as_owner, database):
    fill_budgets(database, 1)
    libpq = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    holder = psycopg.connect(libpq, application_name="holder", options="-csearch_path=leadfactory")
    waiter = psycopg.connect(libpq, application_name="waiter", options="-csearch_path=leadfactory")
    holder.execute("UPDATE budgets SET spent_microusd = 0")
    waiting = threading.Thread(target=lambda: waiter.execute("UPDATE budgets SET spent_microusd = 0"))
    waiting.start()
    waits = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waiter' AND wait_event_type = 'Lock'"
    )
    while True:
        with database.begin() as tx:
            if tx.scalar(waits):
                break
    found = as_owner("db", "activity", "--blocking", "--json")
    by_program = {one["program"]: one for one in found}
    assert by_program["waiter"]["waits_for"] == [by_program["holder"]["pid"]]
    assert by_program["holder"]["waits_for"] == []
    as_owner("db", "activity", f"--terminate={by_program['holder']['pid']}", "--yes")
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    waiter.close()
    with database.begin() as tx:
        assert tx.scalars(sa.select(audit_log.c.action)).all() == ["db_terminate"]
    assert "no session has pid 1:" in as_owner("db", "activity", "--terminate=1", "--yes", fails=True)


def test_maintenance_counts_first_then_frees_what_deleted_rows_held(as_owner, database):
    fill_budgets(database, 1000)
    with database.begin() as tx:
        tx.execute(sa.delete(budgets))
        tx.execute(sa.text("SELECT pg_stat_force_next_flush()"))
    planned = {one["name"]: one["dead_rows"] for one in as_owner("db-maintenance", "--dry-run", "--json")}
    assert planned["budgets"] >= 1000
    done = {one["name"]: one for one in as_owner("db-maintenance", "--vacuum", "--analyze", "--json")}
    assert (done["budgets"]["dead_before"], done["budgets"]["dead_after"]) == (planned["budgets"], 0)


def test_a_role_that_does_not_own_the_tables_is_told_so_instead_of_skipping_them(here):
    assert "the tables belong to lf_owner and lf_app may not" in here("db-maintenance", fails=True)


def test_indexes_are_judged_by_evidence_and_rebuilt_concurrently(as_owner, owner_database):
    with owner_database.begin() as tx:
        tx.execute(sa.text("CREATE INDEX ix_twin_a ON leadfactory.budgets (spent_microusd)"))
        tx.execute(sa.text("CREATE INDEX ix_twin_b ON leadfactory.budgets (spent_microusd)"))
    try:
        fill_budgets(owner_database, 10)
        as_owner("db-maintenance", "--analyze", "--json")
        told = as_owner("analyze-indexes", "--json")
        kinds = {(one["kind"], one["name"]) for one in told["advice"]}
        assert {("unused", "ix_twin_a"), ("duplicate", "ix_twin_b")} <= kinds
        assert not any(name == "pk_budgets" for kind, name in kinds if kind == "unused")
        done = as_owner("reindex-database", "--index=ix_twin_a", "--json")
        assert [one["index"] for one in done["rebuilt"]] == ["ix_twin_a"]
        assert "index 'nope' does not exist" in as_owner("reindex-database", "--index=nope", fails=True)
    finally:
        with owner_database.begin() as tx:
            tx.execute(sa.text("DROP INDEX leadfactory.ix_twin_a, leadfactory.ix_twin_b"))


def test_what_an_interrupted_rebuild_left_is_named_and_dropped(as_owner, owner_database):
    with owner_database.begin() as tx:
        tx.execute(sa.text("CREATE INDEX ix_budgets_left_ccnew ON leadfactory.budgets (spent_microusd)"))
    admin = sa.create_engine(owner_database.url, isolation_level="AUTOCOMMIT")
    with owner_database.begin() as tx:
        assert indexes.broken_leftovers(tx) == []
    # An interrupted CREATE INDEX CONCURRENTLY is what makes one invalid: a unique one over equal values fails at its end.
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP INDEX leadfactory.ix_budgets_left_ccnew")
        fill_budgets(owner_database, 2)
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(
                "CREATE UNIQUE INDEX CONCURRENTLY ix_budgets_left_ccnew ON leadfactory.budgets (cap_microusd)"
            )
    admin.dispose()
    told = as_owner("analyze-indexes", "--json")
    assert ("broken", "ix_budgets_left_ccnew") in {(one["kind"], one["name"]) for one in told["advice"]}
    done = as_owner("reindex-database", "--index=pk_budgets", "--json")
    assert done["dropped"] == ["ix_budgets_left_ccnew"]
    with owner_database.begin() as tx:
        assert indexes.broken_leftovers(tx) == []


def test_slow_statements_of_the_log_are_added_up_without_their_values(tmp_path):
    log = tmp_path / "postgresql-Mon.log"
    log.write_text(
        "2026-10-06 15:00:00.000 UTC [1] lf_app@leadfactory x LOG:  duration: 700.5 ms  execute <unnamed>: SELECT *\n"
        "\tFROM sends WHERE email = 'ann@joes.example' AND n = 17\n"
        "2026-10-06 15:00:01.000 UTC [1] lf_app@leadfactory x LOG:  duration: 800.5 ms  statement: SELECT * FROM sends WHERE "
        "email = 'bob@joes.example' AND n = 4\n"
        "2026-10-06 15:00:02.000 UTC [1] lf_app@leadfactory x LOG:  duration: 600.0 ms  statement: COMMIT\n"
        "2026-10-06 15:00:03.000 UTC [1] lf_app@leadfactory x ERROR:  something else\n"
    )
    first, second = statements.of_logs([log])
    assert (first.calls, first.total_ms, first.longest_ms) == (2, 1501.0, 800.5)
    assert first.text == "SELECT * FROM sends WHERE email = ? AND n = ?"
    assert (second.text, second.calls) == ("COMMIT", 1)


def test_a_plan_is_shown_read_only_and_a_statement_that_writes_is_refused(as_owner, database):
    assert "Execution Time" in as_owner("slow-queries", "--explain", "SELECT count(*) FROM budgets")
    assert "Execution Time" not in as_owner("slow-queries", "--explain", "SELECT * FROM budgets WHERE key = $1")
    assert "read-only transaction" in as_owner("slow-queries", "--explain", "DELETE FROM budgets", fails=True)
    assert "takes one statement" in as_owner("slow-queries", "--explain", "SELECT 1; SELECT 2", fails=True)


def test_tuning_explains_each_value_beside_the_running_one(as_owner):
    told = {one["name"]: one for one in as_owner("db-tune", "--memory=8G", "--cpus=4", "--json")}
    assert (told["shared_buffers"]["proposed"], told["shared_buffers"]["running"]) == ("2048MB", "128MB")
    assert told["shared_buffers"]["restart"]
    assert all(one["why"] for one in told.values())
    assert "--memory='much' is no size" in as_owner("db-tune", "--memory=much", "--cpus=4", fails=True)


@pytest.mark.parametrize(("memory", "cpus"), [("100M", 2), ("8G", 0)])
def test_a_machine_that_is_too_small_is_refused(memory, cpus):
    with pytest.raises(ValueError, match=r"--memory is 100 MiB|--cpus=0"):
        tuning.proposals(tuning.kibibytes(memory), cpus)


def test_setting_up_a_set_up_server_changes_nothing(as_owner):
    assert as_owner("db-setup", "--json") == {"changed": [], "dry_run": False}


def test_setting_up_an_external_server_makes_roles_databases_and_schema_once(here, postgres, tmp_path, monkeypatch):
    # The tests' own server plays the external one: its superuser is the administrator, and all but passwords is there.
    from leadfactory import embedded, embedded_cluster

    root = embedded.folder(postgres.home)
    password = embedded_cluster.superuser_password(root)
    admin = f"postgresql://{embedded_cluster.SUPERUSER}:{password}@{postgres.host}:{postgres.port}/postgres"
    file = tmp_path / "roles.json"
    monkeypatch.delenv("LEADFACTORY_DATABASE_URL")
    settings.cache_clear()
    planned = here("db-setup", f"--admin-url={admin}", f"--passwords={file}", "--dry-run", "--json", fails=False)
    assert planned["changed"] == [f"{file} with new passwords"]
    assert not file.exists()
    assert "--passwords is missing" in here("db-setup", f"--admin-url={admin}", fails=True)
    file.write_text("{")
    assert "is no JSON" in here("db-setup", f"--admin-url={admin}", f"--passwords={file}", fails=True)
    file.write_text(json.dumps(postgres.passwords))  # what the server has: a run sets them again and changes nothing
    assert here("db-setup", f"--admin-url={admin}", f"--passwords={file}", "--json")["changed"] == []
    assert file.stat().st_mode & 0o077 == 0


def test_integrity_is_proved_with_counts_and_damage_is_reported_with_what_to_do(here, database, tmp_path):
    told = here("verify-data-integrity", "--json")
    assert {one["broken"] for one in told} == {0}
    with database.begin() as tx:
        tx.execute(
            sa.text("INSERT INTO budgets (scope, key, cap_microusd, spent_microusd) VALUES ('campaign', 'x', 10, 5)")
        )
    assert "1 of 19 invariants are broken" in here("verify-data-integrity", exit_code=1)
    out = tmp_path / "damage.md"
    here("data-corruption-report", f"--out={out}")
    assert "## budgets_hold: 1 of 1" in out.read_text()
    assert "- `campaign x`" in out.read_text()
    assert "cannot be written" in here("data-corruption-report", f"--out={tmp_path / 'no' / 'x'}", fails=True)
