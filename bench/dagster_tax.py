"""Milliseconds of Dagster per (asset, partition) of a single-run backfill: our instance beside stock dagster-postgres, same server.

Run: ``python -m bench.dagster_tax [--days 200] [--rounds 3]``. Three assets that do nothing, one campaign, ``days`` days, in the
in-process executor: what is measured is what Dagster itself spends on planned events, steps and materializations. Both sides
run in processes of their own, in turn, after a run that warms them; ours with the variables that ``leadfactory dev`` sets.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import results

ROOT = Path(__file__).resolve().parent.parent
ASSETS = 3
GOAL = 1 / 6
SIDES = ("stock", "ours")


def one_side(side: str, days: int) -> dict[str, float]:
    """In a process of its own: seconds of one backfill run over ``days``, and of one single-partition run, both warm."""
    import datetime as dt

    import dagster as dg
    from dagster._core.instance.ref import InstanceRef

    first = dt.date(2025, 1, 1)
    campaigns = dg.DynamicPartitionsDefinition(name="campaign")
    daily = dg.DailyPartitionsDefinition(start_date=first.isoformat())
    units = dg.MultiPartitionsDefinition({"campaign": campaigns, "date": daily})

    def an_asset(number: int) -> dg.AssetsDefinition:
        @dg.asset(
            name=f"{side}_{number}", partitions_def=units, backfill_policy=dg.BackfillPolicy.single_run(),
            deps=[f"{side}_{number - 1}"] if number else [],
        )  # fmt: skip
        def nothing() -> dg.MaterializeResult:
            return dg.MaterializeResult(metadata={"rows": 7})

        return nothing

    assets = [an_asset(number) for number in range(ASSETS)]
    folder = Path(os.environ["DAGSTER_HOME"])
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance:
        instance.add_dynamic_partitions("campaign", ["bench"])

        def backfill(count: int) -> float:
            last = first + dt.timedelta(days=count - 1)
            tags = {
                "dagster/asset_partition_range_start": f"bench|{first}",
                "dagster/asset_partition_range_end": f"bench|{last}",
            }
            began = time.perf_counter()
            done = dg.materialize(assets, instance=instance, tags=tags)
            took = time.perf_counter() - began
            assert done.success
            assert len(instance.get_materialized_partitions(assets[-1].key)) >= count
            return took

        def single() -> float:
            began = time.perf_counter()
            assert dg.materialize(assets, instance=instance, partition_key=f"bench|{first}").success
            return time.perf_counter() - began

        backfill(5)
        return {"backfill": backfill(days), "single": single()}


def measured(side: str, days: int, environment: dict[str, str]) -> dict[str, float]:
    """Runs one side in a fresh interpreter."""
    asked = [sys.executable, "-m", "bench.dagster_tax", "--side", side, "--days", str(days)]
    done = subprocess.run(asked, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def homes(folder: Path) -> dict[str, dict[str, str]]:
    """The environment of each side: an instance folder over a database of its own, on one embedded server."""
    import psycopg
    import sqlalchemy as sa

    from leadfactory import embedded, embedded_cluster
    from leadfactory.settings import Settings
    from resources import dagster_home

    server = embedded.ensure_running(folder)
    password = embedded_cluster.superuser_password(embedded.folder(server.home))
    admin = sa.engine.URL.create(
        "postgresql", embedded_cluster.SUPERUSER, password, server.host, server.port, "postgres"
    )
    with psycopg.connect(admin.render_as_string(hide_password=False), autocommit=True) as maker:
        maker.execute("CREATE DATABASE stock")
    url = admin.set(drivername="postgresql+psycopg2", database="stock").render_as_string(hide_password=False)
    stock = folder / "stock"
    stock.mkdir()
    (stock / "dagster.yaml").write_text(
        f"storage:\n  postgres:\n    postgres_url: '{url}'\ntelemetry:\n  enabled: false\n"
    )
    return {
        "stock": {"DAGSTER_HOME": str(stock)},
        "ours": {
            **dagster_home.prepare(Settings(env="test", home=folder)),
            "DAGSTER_DATABASE_URL": server.url("dagster"),
        },
    }


def main() -> None:
    """Rounds are interleaved, so that a busy minute hits both sides; medians are compared."""
    parser = argparse.ArgumentParser(prog="python -m bench.dagster_tax", description=__doc__)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        print(json.dumps(one_side(asked.side, asked.days)))
        return
    from leadfactory.embedded import stop

    with tempfile.TemporaryDirectory(prefix="lf-bench-") as name:
        folder = Path(name)
        try:
            environments = homes(folder)
            rounds = [
                {side: measured(side, asked.days, environments[side]) for side in SIDES} for _ in range(asked.rounds)
            ]
        finally:
            stop(folder)
    work = {"backfill": asked.days * ASSETS, "single": ASSETS}
    ms = {
        (kind, side): statistics.median(each[side][kind] for each in rounds) * 1000 / count
        for kind, count in work.items()
        for side in SIDES
    }
    for (kind, side), each in ms.items():
        print(f"{kind:<10}{side:<8}{each:8.2f} ms per (asset, partition)")
    ratios = {kind: ms[kind, "ours"] / ms[kind, "stock"] for kind in work}
    results.write(
        "dagster_tax",
        [
            {"name": "Dagster per (asset, partition), range run / stock", "ratio": ratios["backfill"], "goal": round(GOAL, 3)},
            {"name": "Dagster per asset, single run / stock", "ratio": ratios["single"], "goal": None},
        ],
        days=asked.days, rounds=asked.rounds, ms={f"{kind} {side}": each for (kind, side), each in ms.items()},
    )  # fmt: skip


if __name__ == "__main__":
    main()
