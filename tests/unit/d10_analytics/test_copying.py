"""Rows copied out of a transaction."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory.d10_analytics import copying
from leadfactory.database import Database
from tests.dbt.cohorts import NYC, Cohorts

FAILS_AT_THE_THIRD = "COPY (SELECT 1 / (3 - n) FROM generate_series(1, 5) n) TO STDOUT (FORMAT csv)"


def test_copies_of_a_transaction_read_one_snapshot(database: Database, cohorts: Cohorts) -> None:
    cohorts.campaign(NYC)
    reader = database.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with reader, reader.begin():
        before = copying.copied(reader, "campaigns", "whole")
        with database.begin() as tx:
            tx.execute(sa.text("UPDATE leadfactory.campaigns SET top_share = 0.5"))
        assert copying.copied(reader, "campaigns", "whole").equals(before)


def test_a_row_that_cannot_be_copied_is_the_servers_error(database: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), database.begin() as tx:
        copying._csv(tx, FAILS_AT_THE_THIRD, {})


def test_a_connection_serves_on_after_a_copy_that_failed(database: Database) -> None:
    with database.engine.connect() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            copying._csv(connection, FAILS_AT_THE_THIRD, {})
        connection.rollback()
        assert connection.scalar(sa.text("SELECT 1")) == 1
