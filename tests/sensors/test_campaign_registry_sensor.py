"""The registry sensor: partitions follow Postgres, and no run is ever requested."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns
from leadfactory.d01_targeting.tables import campaigns as table
from leadfactory.database import Database
from sensors.campaign_registry import campaign_registry

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


def seeded(database: Database, name: str, zip_code: str, **values: object) -> None:
    with database.begin() as tx:
        campaigns.seed(
            tx, vertical="dental", places=[campaigns.PlaceSpec("zip", zip_code)], quota=5, name=name, now=NOW
        )
        if values:
            tx.execute(sa.update(table).where(table.c.campaign == name).values(**values))


def tick(database: Database, *known: str) -> dg.SensorResult | dg.SkipReason:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("campaign", list(known))
        context = dg.build_sensor_context(instance=instance)
        return campaign_registry(context, db=database, clock=Clock(NOW))  # type: ignore[return-value]


def requested(result: dg.SensorResult | dg.SkipReason) -> dict[str, list[str]]:
    assert isinstance(result, dg.SensorResult)
    return {type(each).__name__: list(each.partition_keys) for each in result.dynamic_partitions_requests or ()}


def test_a_new_campaign_becomes_a_partition(database: Database) -> None:
    seeded(database, "dental-60601", "60601")
    assert requested(tick(database)) == {"AddDynamicPartitionsRequest": ["dental-60601"]}


def test_a_registered_campaign_is_left_alone(database: Database) -> None:
    seeded(database, "dental-60601", "60601")
    assert isinstance(tick(database, "dental-60601"), dg.SkipReason)


def test_a_campaign_that_closed_long_ago_is_pruned(database: Database) -> None:
    seeded(database, "dental-60601", "60601", state="closed", created_at=NOW - dt.timedelta(days=400))
    assert requested(tick(database, "dental-60601")) == {"DeleteDynamicPartitionsRequest": ["dental-60601"]}


def test_a_campaign_that_just_closed_keeps_its_partition(database: Database) -> None:
    seeded(database, "dental-60601", "60601", state="closed")
    assert isinstance(tick(database, "dental-60601"), dg.SkipReason)


def test_one_tick_adds_the_unregistered_prunes_the_silent_and_leaves_the_good_one(database: Database) -> None:
    seeded(database, "good", "60601")
    seeded(database, "unregistered", "60602")
    seeded(database, "silent", "60603", state="closed", created_at=NOW - dt.timedelta(days=400))
    result = tick(database, "good", "silent")
    assert requested(result) == {
        "AddDynamicPartitionsRequest": ["unregistered"], "DeleteDynamicPartitionsRequest": ["silent"],
    }  # fmt: skip
    assert "added: unregistered" in str(result.skip_reason)
    assert "pruned: silent" in str(result.skip_reason)


def test_the_sensor_requests_no_run(database: Database) -> None:
    seeded(database, "dental-60601", "60601")
    result = tick(database)
    assert isinstance(result, dg.SensorResult)
    assert not result.run_requests
