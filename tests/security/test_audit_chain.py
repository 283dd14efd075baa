"""The audit log's chain: the database links every row, and what somebody changed, removed or put in is found."""

from __future__ import annotations

import threading

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory import audit_log
from tests.leads import TUESDAY


@pytest.fixture
def noted(database):
    """Five rows with everything that a row may hold."""
    with database.begin() as tx:
        for number in range(5):
            audit_log.record(
                tx, actor="operator ana", action="test", subject=f"naïve:{number}", now=TUESDAY,
                detail={"n": number, "sum": 1.50, "why": 'a "quote" and ü', "none": None},
            )  # fmt: skip
    return database


def verdict(database):
    with database.begin() as tx:
        return audit_log.verify(tx)


def test_rows_are_chained_as_they_are_written(noted):
    found = verdict(noted)
    assert (found.whole, found.rows, len(found.head)) == (True, 5, 64)


def test_an_empty_log_is_whole(database):
    assert verdict(database) == audit_log.Verdict(0, "", ())


def test_what_is_rolled_back_leaves_no_gap(noted):
    with noted.begin() as tx:
        audit_log.record(tx, actor="operator ana", action="never", subject="", detail={}, now=TUESDAY)
        tx.rollback()
    with noted.begin() as tx:
        audit_log.record(tx, actor="operator ana", action="after", subject="", detail={}, now=TUESDAY)
        assert tx.scalar(sa.text("SELECT max(link) FROM audit_chain")) == 5  # linked at the transaction's end
    assert (verdict(noted).whole, verdict(noted).rows) == (True, 6)


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'operator bob'",
        "action = 'other'",
        "subject = 'naïve:9'",
        "detail = detail || '{\"n\": 9}'",
        "happened_at = happened_at - interval '1 microsecond'",
        "send_id = gen_random_uuid()",
        "actor = 'operator anat', action = 'est'",  # the same letters, cut elsewhere
    ],
)
def test_a_row_that_somebody_changed_is_found(noted, owner_database, change):
    with owner_database.begin() as tx:
        tx.execute(sa.text(f"UPDATE audit_log SET {change} WHERE audit_id = 3"))
    assert verdict(noted).problems == ("row 3 (link 3) is not what was written",)


def test_a_row_that_somebody_removed_is_found(noted, owner_database):
    with owner_database.begin() as tx:
        tx.execute(sa.text("DELETE FROM audit_log WHERE audit_id = 2"))
    assert verdict(noted).problems == ("row 2 (link 2) was removed",)


def test_a_row_removed_with_its_link_is_found(noted, owner_database):
    with owner_database.begin() as tx:
        tx.execute(sa.text("DELETE FROM audit_log WHERE audit_id = 2"))
        tx.execute(sa.text("DELETE FROM audit_chain WHERE audit_id = 2"))
    assert verdict(noted).problems == ("links 2 to 2 are missing",)


def test_a_row_put_in_past_the_trigger_is_found(noted, owner_database):
    with owner_database.begin() as tx:
        tx.execute(sa.text("ALTER TABLE audit_log DISABLE TRIGGER USER"))
        tx.execute(sa.text("INSERT INTO audit_log (happened_at, actor, action) VALUES (now(), 'operator x', 'y')"))
        tx.execute(sa.text("ALTER TABLE audit_log ENABLE TRIGGER USER"))
    assert verdict(noted).problems == ("row 6 was put in beside the chain",)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "INSERT INTO audit_chain VALUES (99, 99, 'x')",
        "UPDATE audit_chain SET hash = 'x'",
        "DELETE FROM audit_chain",
        "ALTER TABLE audit_log DISABLE TRIGGER USER",
        "DROP TRIGGER audit_log_linked ON audit_log",
    ],
)
def test_the_application_can_only_add(noted, statement):
    with pytest.raises(sa.exc.ProgrammingError) as error, noted.begin() as tx:
        tx.execute(sa.text(statement))
    assert isinstance(error.value.orig, psycopg.errors.InsufficientPrivilege)


def test_many_at_once_make_one_chain_and_nobody_waits_for_ever(database):
    def write(number):
        for _ in range(10):
            with database.begin() as tx:
                audit_log.record(tx, actor=f"operator {number}", action="test", subject="", detail={}, now=TUESDAY)
                audit_log.record(tx, actor=f"operator {number}", action="again", subject="", detail={}, now=TUESDAY)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = verdict(database)
    assert (found.whole, found.rows) == (True, 120)


def test_whoever_noted_something_first_does_not_keep_others_waiting_until_his_end(database):
    first, second = database.engine.connect(), database.engine.connect()
    with first, second, first.begin() as one, second.begin() as two:
        second.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
        audit_log.record(first, actor="a", action="x", subject="", detail={}, now=TUESDAY)
        audit_log.record(second, actor="b", action="x", subject="", detail={}, now=TUESDAY)
        two.commit()
        one.commit()
    assert verdict(database).rows == 2
