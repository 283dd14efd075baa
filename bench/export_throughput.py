"""The lake export of large campaign-days, beside a raw ADBC copy of the same columns and rows into Parquet files of the same shape.

CPU seconds of this process; Postgres does the same reading for both. The export also hashes every file, keeps its manifest, clears flags,
syncs files to disk and looks at all the other tables: that is the price of what it promises.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow.parquet as pq

from bench import results
from leadfactory import embedded, migrate
from leadfactory.clock import Clock
from leadfactory.d10_analytics import columns
from leadfactory.d10_analytics.export import export_lake
from leadfactory.database import Database
from leadfactory.settings import Settings, settings

DAYS = 4
DAY = "DATE '2026-10-01' + (n %% %(days)s)::int"
FILL = (
    """INSERT INTO leadfactory.campaign_days (campaign, cohort_on, state, opened_at, dirty)
        SELECT 'bench', <day>, 'listening', now(), '{email_events}' FROM generate_series(0, %(days)s - 1) n""",
    """INSERT INTO leadfactory.email_events (campaign, cohort_on, event_id, send_id, business_id, kind, occurred_at, machine, received_at)
        SELECT 'bench', <day>, 'e' || md5(n::text), md5('s' || n / 10)::uuid, md5('b' || n / 10)::uuid,
               (ARRAY['delivered', 'open', 'click'])[1 + n %% 3], now() - n * interval '1 second', n %% 2 = 0, now() FROM generate_series(1, %(rows)s) n""",
    """INSERT INTO leadfactory.vendor_calls (call_id, vendor, endpoint, campaign, cohort_on, asset, business_id, attempt, units, status, http_status,
            reserved_microusd, cost_microusd, latency_ms, request_hash, started_at, occurred_on, settled_at)
        SELECT md5('c' || n)::uuid, 'pagespeed', 'run', 'bench', <day>, 'site_audits', md5('b' || n)::uuid, 1, 1, 'ok', 200, 900, n %% 900, n %% 5000,
               sha256(n::text::bytea), now(), <day>, now() FROM generate_series(1, %(rows)s) n""",
)  # fmt: skip
TABLES = ("email_events", "vendor_calls")


def main() -> None:
    """Fills two ledgers, exports them, copies them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=400_000, help="rows of each of the two tables, over four campaign-days"
    )
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="lf-bench-") as folder:
        home = Path(folder)
        os.environ["LEADFACTORY_HOME"] = folder
        settings.cache_clear()
        server = embedded.ensure_running(home)
        try:
            migrate.upgrade(settings())
            with psycopg.connect(server.url("app")) as tx:
                for statement in FILL:
                    tx.execute(statement.replace("<day>", DAY), {"rows": rows, "days": DAYS})
            db, config = Database(server.url("app")), Settings(env="test", home=home, database_url=None)  # type: ignore[call-arg]
            _raw(server.url("app"), home / "warm")  # imports and connections of both
            raw = _cpu(lambda: _raw(server.url("app"), home / "raw"))
            export = _cpu(lambda: _exported(db, config, rows))
            db.dispose()
        finally:
            embedded.stop(home)
    print(f"{2 * rows:,} rows: export {export:.2f} CPU s, raw ADBC copy {raw:.2f} CPU s")
    results.write(
        "export_throughput",
        [{"name": "lake export / raw ADBC copy to Parquet", "ratio": export / raw, "goal": 1.5}],
        cpu_seconds={"export": export, "raw": raw}, rows=2 * rows,
    )  # fmt: skip


def _exported(db: Database, config: Settings, rows: int) -> None:
    report = export_lake(db=db, clock=Clock(), settings=config)
    if {name: report.rows_by_table.get(name) for name in TABLES} != dict.fromkeys(TABLES, rows):
        raise SystemExit(
            f"the export wrote {report.rows_by_table}, expected {rows} rows of each of {', '.join(TABLES)}"
        )


def _raw(url: str, target: Path) -> None:
    """A file for each table and day, without a snapshot, a manifest or a rename."""
    target.mkdir()
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        for name in TABLES:
            chosen = ", ".join(columns.policy().tables[name].export)
            for day in range(DAYS):
                query = f"SELECT {chosen} FROM leadfactory.{name} WHERE campaign = 'bench' AND cohort_on = DATE '2026-10-01' + {day}"  # noqa: S608
                cursor.execute(query)
                pq.write_table(cursor.fetch_arrow_table(), target / f"{name}-{day}.parquet", compression="zstd")


def _cpu(work: Callable[[], None]) -> float:
    before = os.times()
    work()
    after = os.times()
    return after.user + after.system - before.user - before.system


if __name__ == "__main__":
    main()
