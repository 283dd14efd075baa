"""A full build of the marts and an increment of one day, as a ratio to plain DuckDB SQL over the same lake: to a statement that computes the
funnel only, and to the statements of all marts, run one after the other by DuckDB alone, without contracts, tests, or a publication.

The first build of a project is dbt's own, the ones after it repeat its statements (decision 0020): each is measured, the later ones are what a
night costs. CPU seconds of this process and of dbt's, so that a busy machine changes little. What a build costs whatever it reads (dbt's start, compiling
a hundred statements, judging) is measured on an empty lake and told apart from what its rows cost.
`python -m bench.marts_build --leads 20000` is quick; the default is a million leads and ten million mail events.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from bench import marts_lake
from bench.results import write
from leadfactory.d10_analytics import judging, warehouse
from leadfactory.settings import Settings

BY_HAND = """
  CREATE TABLE funnel AS
  WITH sourced AS (SELECT campaign, cohort_on, count(*) AS sourced FROM {sourced_businesses} GROUP BY ALL),
  uniques AS (SELECT campaign, cohort_on, count(*) FILTER (duplicate_of IS NULL) AS uniques FROM {unique_businesses} GROUP BY ALL),
  enriched AS (SELECT campaign, cohort_on, count(*) FILTER (status = 'ok') AS enriched FROM {enriched_businesses} GROUP BY ALL),
  audited AS (SELECT campaign, cohort_on, count(*) FILTER (status = 'ok') AS audited FROM {site_audits} GROUP BY ALL),
  scored AS (SELECT campaign, cohort_on, count(score) AS scored, count(*) FILTER (qualified) AS qualified FROM
             (SELECT * FROM {lead_scores} QUALIFY row_number() OVER (PARTITION BY campaign, cohort_on, business_id ORDER BY version DESC) = 1)
             GROUP BY ALL),
  drafted AS (SELECT campaign, cohort_on, count(*) FILTER (status = 'drafted') AS drafted FROM
              (SELECT * FROM {email_drafts} WHERE step = 1
               QUALIFY row_number() OVER (PARTITION BY campaign, cohort_on, business_id ORDER BY version DESC) = 1) GROUP BY ALL),
  mailed AS (SELECT campaign, cohort_on, count(*) FILTER (s.state = 'accepted') AS sent, count(*) FILTER (delivery = 'delivered') AS delivered,
                    count(opened_at) AS opened, count(clicked_at) AS clicked, count(*) FILTER (delivery = 'bounced') AS bounced
             FROM {email_sends} s LEFT JOIN {send_outcomes} o USING (campaign, cohort_on, send_id) GROUP BY ALL),
  calls AS (SELECT campaign, cohort_on, count(*) AS vendor_calls, sum(cost_microusd) AS cost FROM {vendor_calls}
            WHERE NOT cache_hit AND status <> 'not_sent' GROUP BY ALL),
  people AS (SELECT campaign, cohort_on, count(*) FILTER (NOT machine) AS events FROM {email_events} GROUP BY ALL)
  SELECT * FROM sourced LEFT JOIN uniques USING (campaign, cohort_on) LEFT JOIN enriched USING (campaign, cohort_on)
  LEFT JOIN audited USING (campaign, cohort_on) LEFT JOIN scored USING (campaign, cohort_on) LEFT JOIN drafted USING (campaign, cohort_on)
  LEFT JOIN mailed USING (campaign, cohort_on) LEFT JOIN calls USING (campaign, cohort_on) LEFT JOIN people USING (campaign, cohort_on)"""


def main() -> None:
    """Builds, changes a day, builds again; and asks by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=1_000_000)
    leads = parser.parse_args().leads
    with tempfile.TemporaryDirectory(prefix="lf-bench-") as folder:
        by_dbt, fixed = _cost_of_nothing(Path(folder) / "empty")
        config = _settings(Path(folder) / "filled")
        rows = marts_lake.write(config.lake, leads)
        warehouse.manifest(config)  # dbt's parse, which a night does not repeat
        print(f"lake: {leads:,} leads, {leads * marts_lake.EVENTS:,} events, {len(rows):,} files", flush=True)
        by_hand = _cpu(lambda: _by_hand(config.lake, Path(folder) / "hand.duckdb"))
        first_full = _built(config, full=True)
        _tell("full build by dbt", first_full, config)
        all_by_hand = _cpu(lambda: _all_by_hand(config, Path(folder) / "all.duckdb"))
        full = _built(config, full=True)
        _same(config.warehouse, Path(folder) / "hand.duckdb")
        marts_lake.change(config.lake, rows, leads, marts_lake.FIRST + dt.timedelta(days=40))
        first_increment = _built(config, full=False)
        _tell("increment of a day by dbt", first_increment, config)
        marts_lake.change(config.lake, rows, leads, marts_lake.FIRST + dt.timedelta(days=41))
        increment = _built(config, full=False)
    seconds = {
        "by hand, the funnel": by_hand,
        "by hand, all marts": all_by_hand,
        "full": full,
        "increment": increment,
        "a build of nothing": fixed,
        "full, by dbt": first_full,
        "increment, by dbt": first_increment,
        "of nothing, by dbt": by_dbt,
    }
    for name, each in seconds.items():
        print(f"{name:<24}{each:8.1f} CPU s")
    of_rows = {"full": max(full - fixed, 0.0), "increment": max(increment - fixed, 0.0)}
    write(
        "marts_build",
        [
            {"name": "marts, full build / the funnel by hand", "ratio": full / by_hand, "goal": 2.0},
            {"name": "marts, full build / all marts by hand", "ratio": full / all_by_hand, "goal": None},
            {"name": "marts, rows of a full build / all marts by hand", "ratio": of_rows["full"] / all_by_hand, "goal": None},
            {"name": "marts, increment of a day / full build", "ratio": increment / full, "goal": 0.1},
            {"name": "marts, rows of an increment / of a full build", "ratio": of_rows["increment"] / of_rows["full"], "goal": None},
        ],
        cpu_seconds=seconds, leads=leads, events=leads * marts_lake.EVENTS, files=len(rows),
    )  # fmt: skip


def _settings(home: Path) -> Settings:
    return Settings(env="test", home=home, database_url=None)  # type: ignore[call-arg]


def _cost_of_nothing(home: Path) -> tuple[float, float]:
    """What a build costs before it reads a row, by dbt and repeated: of a lake with one lead, which has every column and next to no work."""
    config = _settings(home)
    marts_lake.write(config.lake, 1)
    warehouse.manifest(config)
    return _built(config, full=True), _built(config, full=True)


def _built(config: Settings, *, full: bool) -> float:
    """CPU seconds of a whole publication: models, tests, Great Expectations, the file."""
    took = {}

    def dbt(arguments: list[str], environment: dict[str, str]) -> None:
        took["dbt"] = _cpu(lambda: warehouse.run_dbt(arguments, environment))

    def judge(built: Path) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        took["Great Expectations"] = _cpu(lambda: found.update(judging.judge(built)))
        return found

    whole = _cpu(lambda: warehouse.build_marts(config, full=full, run=dbt, judge=judge))
    took["files"] = whole - sum(
        took.values()
    )  # the view of the lake, a copy to go on from, the last checkpoint, the names
    print("phases: " + ", ".join(f"{name} {each:.1f} CPU s" for name, each in took.items()), flush=True)
    return whole


def _tell(what: str, cpu: float, config: Settings) -> None:
    """The statements that took longest, by the clock on the wall."""
    results: dict[str, Any] = json.loads((config.home / "dbt" / "target" / warehouse.RESULTS).read_text())
    took = sorted(((each["execution_time"], each["unique_id"]) for each in results["results"]), reverse=True)
    kinds = {kind: sum(t for t, name in took if name.startswith(kind)) for kind in ("model", "test", "unit_test")}
    print(f"{what}: {cpu:.1f} CPU s; statements by the wall: " + ", ".join(f"{k} {t:.1f} s" for k, t in kinds.items()))
    for seconds, name in took[:12]:
        print(f"  {seconds:7.1f} s  {name}", flush=True)


def _by_hand(lake: str, target: Path) -> None:
    tables = {
        name: f"read_parquet('{lake}/{name}/*/*.parquet', hive_partitioning = false)"
        for name in (*marts_lake.OF_LEAD, *marts_lake.OF_EVENT)
    }
    with duckdb.connect(str(target)) as hand:
        hand.execute("SET threads = 2")
        hand.execute(BY_HAND.format(**tables))


def _all_by_hand(config: Settings, target: Path) -> None:
    """What dbt compiled of each model, in dbt's order."""
    told = json.loads((config.home / "dbt" / "target" / warehouse.RESULTS).read_text())["results"]
    read = str(config.home / "dbt" / "lake-read")  # the build's view of the lake is gone
    with duckdb.connect(str(target)) as hand:
        hand.execute("SET threads = 2")
        hand.execute("SET TimeZone = 'UTC'")
        hand.execute("SET disabled_compression_methods = 'fsst'")
        hand.execute("CREATE SCHEMA marts")
        hand.execute("CREATE SCHEMA intermediate")
        for each in told:
            kind, _, name = each["unique_id"].partition(".leadfactory.")
            if kind == "model" and each["compiled_code"]:
                query = re.sub(r'"warehouse[^"]*"\.', "", each["compiled_code"].replace(read, config.lake))
                schema = "intermediate" if name.startswith("int_") else "marts"
                hand.execute(f"CREATE TABLE {schema}.{name} AS {query}")
        hand.execute("CHECKPOINT")


def _same(warehouse_file: Path, by_hand: Path) -> None:
    """The marts say what the SQL by hand says, or the comparison is worth nothing."""
    with duckdb.connect(str(by_hand), read_only=True) as hand:
        theirs = hand.execute("SELECT sum(sourced), sum(enriched), sum(qualified), sum(sent), sum(clicked), sum(bounced), sum(cost) FROM funnel").fetchone()  # fmt: skip
    with duckdb.connect(str(warehouse_file), read_only=True) as marts:
        ours = marts.execute(
            "SELECT sum(sourced), sum(enriched), sum(qualified), sum(sent), sum(clicked), sum(bounced), sum(vendor_cost_microusd) "
            "FROM marts.mart_cohort_funnel"
        ).fetchone()
    if ours != theirs:
        raise SystemExit(f"the marts disagree with the SQL by hand: {ours} against {theirs}")


def _cpu(work: Any) -> float:
    """CPU seconds of this process and of the children that ended meanwhile."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


if __name__ == "__main__":
    main()
