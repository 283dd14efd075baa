"""25 hours and 31 days after its mails left, nothing that a vendor said of a business is anywhere; the factory still works."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadfactory import embedded, stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import previewing
from leadfactory.d10_analytics import warehouse
from leadfactory.settings import settings
from leadfactory.stage_report import StageReport
from tests.careless.world import MAILED_AT, World, set_clock
from tests.times import sale, served
from tests.times.stores import PARTS, Stores, found

pytestmark = pytest.mark.timeout(600)
UNIT = CampaignDay("restaurant-mailed", MAILED_AT.date())
LEADS = 28
LATER = {"25 hours": dt.timedelta(hours=25), "31 days": dt.timedelta(days=31)}
UNREAD = CampaignDay("restaurant-unread", MAILED_AT.date())  # measured on its day; scored and drafted later
PLANTED = {
    "planted: in a logged table", "planted: and deleted again", "planted: unlogged", "planted: in Dagster", "planted: in the lake",
    "planted: in a blob", "planted: in the marts", "planted: in a log", "planted: in the server's log",
}  # fmt: skip


@pytest.fixture(scope="module")
def instance(environment: dict[str, str]) -> Any:
    with dg.DagsterInstance.get() as opened:
        yield opened


@dataclasses.dataclass(frozen=True)
class Mailed:
    """The world after its mails and a sale, what vendors served, what was found of it then, and how to write the stores out again."""

    world: World
    sold: sale.Sold
    served: served.Served
    strings: frozenset[str]
    found: dict[str, set[str]]
    written_out: Callable[[], Path]


@dataclasses.dataclass(frozen=True)
class Later:
    """What was done at ``now`` and what was found after it."""

    now: dt.datetime
    reports: dict[str, StageReport]
    again: StageReport
    plan: previewing.Plan
    found: dict[str, set[str]]


@pytest.fixture(scope="module")
def mailed(world: World, instance: dg.DagsterInstance, postgres: embedded.EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Mailed:  # fmt: skip
    """A campaign-day that ran through Dagster and was mailed, sold to, exported and built into marts; searched at once."""
    from leadfactory_assets.definitions import defs

    stores, folder = Stores(postgres, settings()), tmp_path_factory.mktemp("scan") / "stores"
    before = served.so_far(world.sandbox)
    world.campaign(UNIT.campaign, "restaurant", "Boston, MA", LEADS, since=MAILED_AT)
    instance.add_dynamic_partitions("campaign", [UNIT.campaign])
    set_clock(MAILED_AT)
    defs.resolve_job_def("campaign_day").execute_in_process(instance=instance, partition_key=UNIT.key)
    world.run(UNIT, "sending")
    sold = sale.sell(world, instance, UNIT)
    world.campaign(UNREAD.campaign, "restaurant", "Cambridge, MA", LEADS // 2, since=MAILED_AT)
    world.run(UNREAD, *stage.NIGHT[: stage.NIGHT.index("scoring")])
    world.run(UNIT, "export")
    warehouse.build_marts(settings())
    with psycopg.connect(stores.admin_url("leadfactory"), autocommit=True) as admin:
        admin.execute("ANALYZE")  # as autovacuum does sooner or later
    said = served.by(world.sandbox, before)
    strings = served.spellings(said.all)
    return Mailed(
        world, sold, said, strings, found(strings, stores.written_out(folder)), lambda: stores.written_out(folder)
    )


def purged(instance: dg.DagsterInstance) -> None:
    """The hourly upkeep, as its job runs."""
    from leadfactory_assets.definitions import defs

    assert defs.resolve_job_def("vendor_terms").execute_in_process(instance=instance).success


@pytest.fixture(scope="module", params=LATER)
def later(request: pytest.FixtureRequest, mailed: Mailed, instance: dg.DagsterInstance) -> Later:
    """That much later: upkeep has run, then scores, drafts and a plan were made, then everything was searched."""
    now = MAILED_AT + LATER[request.param]
    set_clock(now)
    purged(instance)
    next_day = CampaignDay(UNIT.campaign, now.date())
    reports = {
        name: stage.run(name, unit, mailed.world.db, settings())
        for name, unit in (("scoring", UNREAD), ("experiments", UNREAD), ("drafting", UNREAD), ("targeting", next_day))
    }
    again = stage.run("scoring", UNIT, mailed.world.db, settings())
    with mailed.world.db.begin() as tx:
        plan = previewing.preview(tx, [next_day])
    stage.run("export", UNIT, mailed.world.db, settings())
    return Later(now, reports, again, plan, found(mailed.strings, mailed.written_out()))


def test_on_the_day_what_yelp_said_is_in_one_unlogged_table_and_what_google_said_nowhere(mailed: Mailed) -> None:
    assert mailed.world.mails() >= 3
    assert all(len(strings) >= 100 for strings in mailed.served.strings.values()), (
        "too little was served to show anything"
    )
    assert mailed.served.pages >= 10, "no own site was read: published strings would be looked for"
    where = {(part, each.split(":", 1)[0]) for part, hits in mailed.found.items() for each in hits}
    assert where == {("tables of leadfactory", "leadfactory.vendor_content")}
    seen = {each.split(": ", 1)[1].lower() for each in mailed.found["tables of leadfactory"]}
    assert {each.lower() for each in mailed.served.strings["yelp"]} <= seen, "the search overlooks what is there"
    only_google = mailed.served.strings["places"] - mailed.served.strings["yelp"]
    assert not {each.lower() for each in only_google} & seen
    assert len(only_google) >= 30, "what both say would be looked for in one vendor's name only"


def test_what_a_sale_leaves_is_searched_too(mailed: Mailed) -> None:
    sold = mailed.sold
    assert sold.purchases == ["paid", "refunded"]
    assert sold.reports == 2
    assert "accepted" in sold.deliveries
    assert sold.posts.keys() == {"sendgrid", "stripe"}
    shown = [path.read_bytes() for path in (mailed.written_out() / "blobs").rglob("*") if path.is_file()]
    assert {host for host in sold.hosts if any(host.encode() in each for each in shown)} == sold.hosts
    assert not sold.printed or any(sold.printed.splitlines()[0].encode() in each for each in shown)


def test_later_no_vendor_string_is_anywhere(later: Later) -> None:
    assert later.found == {}


def test_later_scores_drafts_and_plans_are_still_made(later: Later, mailed: Mailed) -> None:
    scored = later.reports["scoring"].counts["qualified"]
    assert scored > 0
    assert later.again.rows_reused == later.again.rows_out  # the same scores as on the day
    assert later.plan.businesses > 0
    assert later.plan.leads > 0
    assert later.reports["targeting"].counts["businesses planned"] > 0
    told = mailed.world.rows(
        "SELECT status, count(*) FROM email_drafts WHERE campaign = :c GROUP BY 1", c=UNREAD.campaign
    )
    assert {row.status for row in told} <= {"drafted", "held_out"}
    assert sum(row.count for row in told) == scored


@pytest.fixture(scope="module")
def planted(mailed: Mailed, postgres: embedded.EmbeddedServer, environment: dict[str, str]) -> dict[str, set[str]]:
    """One string in each store, as a slip would leave it there; what the search finds of them."""
    config, stores = settings(), Stores(postgres, settings())
    with psycopg.connect(stores.admin_url("leadfactory"), autocommit=True) as admin:
        admin.execute("SET search_path = leadfactory")
        row = "INSERT INTO run_outcomes (run_id, job, status, ended_at) VALUES (%s, 'slip', 'FAILURE', now())"
        admin.execute(row, ["planted: in a logged table"])
        admin.execute(row, ["planted: and deleted again"])
        admin.execute("DELETE FROM run_outcomes WHERE run_id = 'planted: and deleted again'")
        admin.execute(
            "INSERT INTO vendor_content VALUES ('yelp', 'slip', 'slip', '{\"name\": \"planted: unlogged\"}', now(), now())"
        )
    with psycopg.connect(stores.admin_url("dagster"), autocommit=True) as admin:
        admin.execute("INSERT INTO kvs (id, key, value) VALUES (-1, 'slip', 'planted: in Dagster')")
    pq.write_table(
        pa.table({"name": ["Planted: in the lake"] * 99}), Path(config.lake) / "slip.parquet", compression="zstd"
    )
    (config.home / "blobs").mkdir(exist_ok=True)
    (config.home / "blobs" / "slip").write_bytes(b"\0\xffplanted: in a blob\0")
    with duckdb.connect(str(config.warehouse)) as marts:
        marts.execute("CREATE TABLE marts.slip AS SELECT 'planted: in the marts' AS name FROM range(5000)")
    (config.home / "logs").mkdir(exist_ok=True)
    (config.home / "logs" / "slip.log").write_text("GET https://example/?name=planted%3A%20in%20a%20log\n")
    with (postgres.home / "postgres" / "log" / "slip.log").open("w") as log:
        log.write("ERROR: planted: in the server's log\n")
    return found(served.spellings(PLANTED), mailed.written_out())


@pytest.mark.parametrize(
    ("part", "string"),
    [
        ("tables of leadfactory", "planted: in a logged table"),
        ("tables of leadfactory", "planted: unlogged"),
        ("tables of dagster", "planted: in Dagster"),
        ("lake", "Planted: in the lake"),
        ("blobs", "planted: in a blob"),
        ("warehouse", "planted: in the marts"),
        ("home", "planted%3A%20in%20a%20log"),
        ("server log", "planted: in the server's log"),
        ("backup", "planted: in a logged table"),
        ("backup", "planted: and deleted again"),
        ("dump", "planted: in a logged table"),
    ],
)
def test_the_search_finds_what_is_planted_in_a_store(planted: dict[str, set[str]], part: str, string: str) -> None:
    assert part in PARTS
    assert any(each.endswith(f": {string}") for each in planted.get(part, ())), planted.get(part)


def test_backup_and_dump_hold_no_row_of_an_unlogged_table(planted: dict[str, set[str]]) -> None:
    assert not [each for part in ("backup", "dump") for each in planted[part] if "unlogged" in each]


def test_the_planners_statistics_sample_no_vendor_content(mailed: Mailed, postgres: embedded.EmbeddedServer) -> None:
    with psycopg.connect(Stores(postgres, settings()).admin_url("leadfactory"), autocommit=True) as admin:
        admin.execute("SET search_path = leadfactory")
        admin.execute(
            """INSERT INTO vendor_content SELECT 'yelp', int4send(n), 'id-' || n, jsonb_build_object('name', 'Short Name ' || n),
               now(), now() FROM generate_series(1, 60) n"""  # short enough to be sampled whole
        )
        admin.execute("ANALYZE vendor_content")
        sampled = admin.execute("SELECT s::text FROM pg_stats s WHERE tablename = 'vendor_content'").fetchall()
        admin.execute("DELETE FROM vendor_content WHERE subject LIKE 'id-%'")
    assert sampled, "nothing was analyzed"
    assert not [row for (row,) in sampled if "Short Name" in row]
