"""Rows of the system of record as an Arrow table: COPY out of the running transaction, read by Arrow's CSV reader.

No row becomes a Python object on the way, which is what an export by fetching spends its time on; and no row is waited for alone,
which is what psycopg's own copy does: its low-level interface is read instead, at a third of the processor time.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
from typing import Any, Literal

import psycopg
import pyarrow as pa
import pyarrow.csv as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from leadfactory.d10_analytics import columns

Scope = Literal["cohort", "no_campaign", "whole"]
_BLOCK_BYTES = 64 << 20  # the reader refuses a row that is longer than two of its blocks


def copied(tx: sa.Connection, name: str, scope: Scope, campaign: str = "", day: dt.date | None = None) -> pa.Table:
    """What may leave of a table: of a campaign-day, of a day's rows without a campaign, or all of it; in the order of its key."""
    statement, schema = _statement(name, scope), columns.schema(name)
    given: dict[str, Any] = {"campaign": campaign, "day": day}
    content = _csv(tx, f"COPY ({statement}) TO STDOUT (FORMAT csv)", given)
    if not content:
        return schema.empty_table()
    return pc.read_csv(
        pa.BufferReader(content),
        read_options=pc.ReadOptions(column_names=schema.names, block_size=_BLOCK_BYTES),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(  # NULL is nothing at all, an empty text is two quotes
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
            true_values=["t"], false_values=["f"],
        ),
    ).combine_chunks()  # fmt: skip


def _csv(tx: sa.Connection, statement: str, given: dict[str, Any]) -> bytes:
    """What the server copies out, inside ``tx``.

    Raises:
        psycopg.Error: the statement failed, or the connection did.
    """
    driver: Any = tx.connection.driver_connection
    query = psycopg.ClientCursor(driver).mogrify(statement, given)
    wire = driver.pgconn
    if wire.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        tx.execute(sa.text("SELECT"))  # opens the transaction, whose snapshot the copy then reads
    started = wire.exec_(query.encode())
    if started.status != psycopg.pq.ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(started)
    rows = io.BytesIO()
    while (row := wire.get_copy_data(0))[0] > 0:
        rows.write(row[1])
    for ended in list(iter(wire.get_result, None)):  # all of them, or the connection takes no further command
        if ended.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(ended)
    return rows.getvalue()


@functools.cache
def _statement(name: str, scope: Scope) -> str:
    """The query with the parameters ``campaign`` and ``day``, compiled once."""
    c, query = columns.cohort_owner(name).c, columns.selected(name)
    campaign, day = sa.bindparam("campaign", type_=sa.Text), sa.bindparam("day", type_=sa.Date)
    if scope == "cohort":
        query = query.where(c.campaign == campaign, c.cohort_on == day)
    elif scope == "no_campaign":
        query = query.where(c.campaign.is_(None), c.occurred_on == day)
    return str(query.compile(dialect=postgresql.psycopg.dialect()))
