"""A lake of any size, made up by DuckDB and written as the export would: one file per table and campaign-day, and the registries."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leadfactory.d10_analytics import columns, configured, lake_files
from leadfactory.d10_analytics.export import _put_schemas, parquet
from leadfactory.d10_analytics.increments import FILES

FIRST, DAYS, CAMPAIGNS, EVENTS = dt.date(2026, 7, 1), 90, 10, 10
AT = "(cohort_on + interval 15 hour + (n % 3600) * interval 1 second)::timestamptz"
LEADS = f"""CREATE TABLE leads AS
  SELECT 'c' || lpad((n % {CAMPAIGNS})::varchar, 2, '0') AS campaign,
         (DATE '{FIRST}' + ((n // {CAMPAIGNS}) % {DAYS})::integer)::date AS cohort_on, n, md5('b' || n) AS b
  FROM range(?) r(n)"""  # noqa: S608 - numbers of this module
# Table → its columns as SQL over one lead, or over one lead and a number of an event; what is not named is NULL.
OF_LEAD = {
    "sourced_businesses": {"sourced_id": "'s' || b", "target_id": "'t'", "source": "'yelp'", "rank": "1", "fetched_at": AT},
    "unique_businesses": {"business_id": "b", "sourced_id": "'s' || b", "decided_at": AT},
    "enriched_businesses": {"business_id": "b", "status": "'ok'", "own_name": "'Shop ' || n", "site_host": "'shop' || n || '.example'", "fetched_at": AT, "mail_domain": "'shop' || n % 500 || '.example'"},
    "site_audits": {"audit_id": "'a' || b", "business_id": "b", "status": "'ok'", "performance": "n % 100", "fetched_at": AT},
    "audit_findings": {"finding_id": "'f' || b", "audit_id": "'a' || b", "business_id": "b", "severity": "3"},
    "lead_scores": {"business_id": "b", "version": "1", "score": "n % 100", "tier": "'B'", "qualified": "true", "scored_at": AT},
    "email_drafts": {"draft_id": "'d' || b", "business_id": "b", "step": "1", "version": "1", "status": "'drafted'", "wording": "'rules'", "prompt_version": "'p' || n % 3", "template_version": "'1'", "drafted_at": AT},
    "email_sends": {"send_id": "'m' || b", "business_id": "b", "step": "1", "draft_id": "'d' || b", "state": "'accepted'", "planned_at": AT, "claimed_at": AT, "settled_at": AT, "due_at": AT, "sender_domain": "'mail' || n % 4 || '.example'"},
    "send_outcomes": {"send_id": "'m' || b", "business_id": "b", "state": "'seen'", "delivery": "CASE WHEN n % 100 = 0 THEN 'bounced' ELSE 'delivered' END", "delivered_at": AT, "opened_at": f"CASE WHEN n % 3 = 0 THEN {AT} END", "clicked_at": f"CASE WHEN n % 40 = 0 THEN {AT} + interval 2 day END", "bot_opens": "0", "bot_clicks": "0", "events": str(EVENTS)},
    "vendor_calls": {"call_id": "'v' || b", "vendor": "'pagespeed'", "endpoint": "'run'", "business_id": "b", "attempt": "1", "units": "1", "status": "'ok'", "reserved_microusd": "900", "cost_microusd": "n % 900", "latency_ms": "80", "cache_hit": "false", "started_at": AT, "occurred_on": "cohort_on", "settled_at": AT},
}  # fmt: skip
OF_EVENT = {
    "email_events": {"event_id": "'e' || b || k", "send_id": "'m' || b", "business_id": "b", "kind": "CASE k WHEN 0 THEN 'delivered' ELSE 'open' END", "occurred_at": AT, "machine": "k % 2 = 0", "received_at": AT}
}  # fmt: skip


def write(lake: str, leads: int) -> list[dict[str, Any]]:
    """Writes the lake with its manifest; the manifest's rows."""
    _put_schemas(lake)
    rows: list[dict[str, Any]] = []
    with duckdb.connect() as maker:
        maker.execute("SET TimeZone = 'UTC'")
        maker.execute(LEADS, [leads])
        for name, given in {**OF_LEAD, **OF_EVENT}.items():
            for campaign in range(CAMPAIGNS):
                rows += _written(lake, maker, name, given, f"campaign = 'c{campaign:02}'")
    rows += _registries(lake)
    manifest(lake, rows)
    return rows


def change(lake: str, rows: list[dict[str, Any]], leads: int, day: dt.date) -> None:
    """All campaigns' letters of one day are opened once more; their files and the manifest follow."""
    with duckdb.connect() as maker:
        maker.execute("SET TimeZone = 'UTC'")
        maker.execute(LEADS, [leads])
        given = OF_LEAD["send_outcomes"] | {"opened_at": f"{AT} + interval 3 day"}
        new = _written(lake, maker, "send_outcomes", given, f"cohort_on = DATE '{day}'")
    paths = {row["path"] for row in new}
    manifest(lake, [row for row in rows if row["path"] not in paths] + new)


def manifest(lake: str, rows: list[dict[str, Any]]) -> None:
    """Writes the manifest."""
    lake_files.put(
        lake, lake_files.MANIFEST, parquet(FILES, [tuple(row[name] for name in FILES.names) for row in rows])
    )


def _written(
    lake: str, maker: duckdb.DuckDBPyConnection, name: str, given: dict[str, str], where: str
) -> list[dict[str, Any]]:
    schema = columns.schema(name)
    chosen = ", ".join(
        f"{given.get(f.name, f.name if f.name in columns.OF_THE_COHORT else 'NULL')} AS {f.name}" for f in schema
    )
    events = f"CROSS JOIN range({EVENTS}) e(k)" if name in OF_EVENT else ""
    query = f"SELECT {chosen} FROM leads {events} WHERE {where} ORDER BY campaign, cohort_on, n"  # noqa: S608 - of this module
    table = maker.sql(query).to_arrow_table().cast(schema)
    rows = []
    starts = pc.run_end_encode(pa.array([f"{c}|{d}" for c, d in zip(table["campaign"].to_pylist(), table["cohort_on"].to_pylist(), strict=True)]))  # fmt: skip
    begin = 0
    for end, key in zip(starts.run_ends.to_pylist(), starts.values.to_pylist(), strict=True):
        campaign, day = key.split("|")
        rows.append(_file(lake, name, campaign, dt.date.fromisoformat(day), table.slice(begin, end - begin)))
        begin = end
    return rows


def _file(lake: str, name: str, campaign: str, day: dt.date, table: pa.Table) -> dict[str, Any]:
    whole = campaign == columns.WHOLE[0]
    path = f"{name}/all/{name}.parquet" if whole else f"{name}/date={day}/{campaign}.parquet"
    target = Path(lake) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, target, compression="zstd")
    sha = hashlib.sha256(target.read_bytes()).hexdigest()
    return {"table_name": name, "campaign": campaign, "cohort_on": day, "path": path, "row_count": table.num_rows, "sha256": sha,
            "exported_at": dt.datetime(2026, 10, 1, tzinfo=dt.UTC)}  # fmt: skip


def _registries(lake: str) -> list[dict[str, Any]]:
    slugs = [f"c{number:02}" for number in range(CAMPAIGNS)]
    at = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    days = [FIRST + dt.timedelta(days=n) for n in range(DAYS)]
    known: dict[str, list[dict[str, Any]]] = {
        "campaigns": [
            {"campaign": c, "vertical": "dental", "state": "launched", "daily_quota": 1, "created_at": at}
            for c in slugs
        ],
        "campaign_days": [
            {"campaign": c, "cohort_on": d, "state": "listening", "opened_at": at} for c in slugs for d in days
        ],
    }
    with duckdb.connect() as maker:
        found = maker.execute("SELECT md5('b' || n) FROM range(?) r(n)", [_leads_of(lake)]).fetchall()
    known["businesses"] = [{"business_id": b, "first_campaign": slugs[n % CAMPAIGNS], "first_cohort_on": days[(n // CAMPAIGNS) % DAYS], "registered_at": at} for n, (b,) in enumerate(found)]  # fmt: skip
    tables = {
        name: pa.Table.from_pylist(known.get(name, []), schema=columns.schema(name))
        for name in columns.policy().registries
    }
    tables |= {
        name: pa.Table.from_arrays(
            [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)], schema=schema
        )
        for name, (schema, rows) in configured.tables().items()
    }
    return [_file(lake, name, *columns.WHOLE, table) for name, table in tables.items()]


def _leads_of(lake: str) -> int:
    return sum(pq.read_metadata(path).num_rows for path in Path(lake).glob("unique_businesses/date=*/*.parquet"))
