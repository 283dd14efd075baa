"""The inbox sensor: one drain at a time, bursts in one run, and nothing is forgotten."""

from __future__ import annotations

import datetime as dt
import uuid

import dagster as dg
import pytest
import sqlalchemy as sa

from leadfactory.database import Database
from leadfactory.inbox.tables import webhook_inbox as inbox
from leadfactory.inbox.waiting import Waiting, plan
from leadfactory_assets.definitions import defs
from sensors.webhook_inbox import webhook_inbox

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


def arrived(database: Database, count: int = 1, source: str = "sendgrid", kind: str = "open") -> None:
    rows = [
        {
            "source": source,
            "event_id": str(uuid.uuid4()),
            "kind": kind,
            "received_at": NOW,
            "stale": False,
            "payload": {},
        }
        for _ in range(count)
    ]
    with database.begin() as tx:
        tx.execute(sa.insert(inbox), rows)


def tick(database: Database, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    result = webhook_inbox(dg.build_sensor_context(instance=instance, cursor=cursor), db=database)
    assert isinstance(result, dg.SensorResult)
    return result


def test_an_empty_inbox_asks_for_nothing(database: Database) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert not tick(database, instance).run_requests


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("checkout.session.completed", 1),
        ("checkout.session.async_payment_succeeded", 1),
        ("checkout.session.expired", 0),
    ],
)
def test_somebody_who_paid_does_not_wait_until_events_stop_coming(database: Database, kind: str, asked: int) -> None:
    arrived(database, source="stripe", kind=kind)
    arrived(database, 3)
    with dg.DagsterInstance.ephemeral() as instance:
        assert len(tick(database, instance).run_requests or []) == asked


def test_events_that_stopped_coming_are_drained_in_one_run(database: Database) -> None:
    arrived(database, 30)
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(database, instance)
        assert not first.run_requests
        assert len(tick(database, instance, first.cursor).run_requests or []) == 1


def test_no_second_drain_is_asked_for_while_one_waits(database: Database) -> None:
    arrived(database)
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = tick(database, instance).cursor
        job = defs.resolve_job_def("drain_webhooks")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        result = tick(database, instance, cursor)
        assert not result.run_requests
        assert "1 drain is queued or running" in str(result.skip_reason)


def test_a_tick_writes_nothing(database: Database) -> None:
    arrived(database)
    with dg.DagsterInstance.ephemeral() as instance:
        tick(database, instance, tick(database, instance).cursor)
    with database.begin() as tx:
        assert tx.scalar(sa.select(inbox.c.processed_at)) is None


def test_the_drain_records_a_materialization_for_each_campaign_day_that_changed(database: Database) -> None:
    import asyncio  # noqa: F401

    from leadfactory.clock import Clock
    from leadfactory.d09_delivery.tables import email_sends
    from leadfactory_assets.d09_delivery import webhook_drain

    days = [dt.date(2026, 10, 6), dt.date(2026, 10, 7)]
    sends = [uuid.uuid4() for _ in days]
    with database.begin() as tx:
        for send_id, day in zip(sends, days, strict=True):
            tx.execute(
                sa.insert(email_sends).values(
                    campaign="dental-nyc", cohort_on=day, send_id=send_id, business_id=uuid.uuid4(), step=1,
                    draft_id=uuid.uuid4(), address_hmac=b"a", address_plus_hmac=b"b", sender_email="a@b.example",
                    state="accepted", due_at=NOW, expires_at=NOW, planned_at=NOW,
                )
            )  # fmt: skip
            tx.execute(
                sa.insert(inbox).values(
                    source="sendgrid", event_id=str(send_id), kind="delivered", send_id=send_id, occurred_at=NOW,
                    received_at=NOW, stale=False, payload={},
                )
            )  # fmt: skip
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([webhook_drain], instance=instance, resources={"db": database, "clock": Clock(NOW)})
        events = done.get_asset_materialization_events()
    told = {event.partition for event in events if event.asset_key and event.asset_key.path[-1] == "email_events"}
    assert told == {"dental-nyc|2026-10-06", "dental-nyc|2026-10-07"}


@pytest.mark.parametrize("cursor", [None, "", "nonsense", "[1]", '{"a": 1}', "[9999, 0]"])
def test_a_broken_cursor_costs_a_tick_and_loses_nothing(cursor: str | None) -> None:
    first = plan(Waiting(5, 40, 0), cursor, busy=0, most_ticks=6)
    assert plan(Waiting(5, 40, 0), first.cursor, busy=0, most_ticks=6).start


def test_a_stream_that_never_pauses_is_drained_after_its_ticks() -> None:
    cursor, started = None, []
    for newest in range(1, 13):
        decided = plan(Waiting(newest, newest, 0), cursor, busy=0, most_ticks=6)
        cursor = decided.cursor
        started.append(decided.start)
    assert [number for number, start in enumerate(started, 1) if start] == [6, 12]


def test_a_send_that_stored_events_would_settle_starts_a_drain() -> None:
    assert plan(Waiting(0, 0, 1), None, busy=0, most_ticks=6).start
