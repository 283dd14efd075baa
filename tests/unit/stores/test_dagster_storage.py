"""Dagster's storage on our Postgres: whole, pooled, and asleep until it is asked."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
from dagster._core.instance.ref import InstanceRef

from leadfactory import embedded
from leadfactory.embedded import EmbeddedServer
from leadfactory.settings import ROOT, settings
from resources import dagster_home
from resources.dagster_storage import (
    VALIDATING,
    DagsterServerGone,
    PooledRunStorage,
    pooled_engine,
    storage_url,
)
from tests.postgres import settings_for_tests

DAYS = dg.StaticPartitionsDefinition([f"day-{number:02}" for number in range(30)])


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def leads(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One event per partition, from one step."""
    yield dg.MaterializeResult(metadata={"rows": 7})


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Settings and engine of a fresh process, on a home where nothing runs."""
    for name in ("LEADFACTORY_DATABASE_URL", "DAGSTER_DATABASE_URL", VALIDATING):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEADFACTORY_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    pooled_engine.cache_clear()
    yield monkeypatch
    pooled_engine().dispose()
    pooled_engine.cache_clear()
    settings.cache_clear()


@pytest.fixture
def instance(environment: pytest.MonkeyPatch, postgres: EmbeddedServer, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of the repository's own dagster.yaml, on the tests' server."""
    environment.setenv("DAGSTER_DATABASE_URL", postgres.url("dagster"))
    with loaded(tmp_path) as instance:
        yield instance


def loaded(tmp_path: Path) -> dg.DagsterInstance:
    (tmp_path / "dagster").mkdir(exist_ok=True)
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path / "dagster"), config_dir=str(ROOT)))


def opened(engine: sa.Engine) -> list[object]:
    """Grows by one with every connection that ``engine`` opens from now on."""
    connections: list[object] = []
    sa.event.listen(engine, "connect", lambda connection, record: connections.append(connection))
    return connections


def test_loading_the_instance_reaches_for_no_server(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        environment.setenv("DAGSTER_DATABASE_URL", f"postgresql://x:x@127.0.0.1:{nobody.getsockname()[1]}/none")
        with loaded(tmp_path) as instance:
            assert isinstance(instance.run_storage, PooledRunStorage)


def test_validation_needs_no_server_at_all(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv(VALIDATING, "1")
    with loaded(tmp_path) as instance:
        assert instance.get_runs() == []
        assert instance.get_dynamic_partitions("campaign") == []
    assert not (tmp_path / "home").exists()


def test_events_come_back_as_they_went_in(instance: dg.DagsterInstance) -> None:
    run = dg.materialize([leads], instance=instance, partition_key="day-03")
    event = instance.get_latest_materialization_event(leads.key)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition == "day-03"
    assert event.asset_materialization.metadata["rows"].value == 7
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.SUCCESS  # type: ignore[union-attr]


def test_partition_keys_come_back(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("campaign", ["restaurant-nyc"])
    assert "restaurant-nyc" in instance.get_dynamic_partitions("campaign")
    instance.delete_dynamic_partition("campaign", "restaurant-nyc")
    assert "restaurant-nyc" not in instance.get_dynamic_partitions("campaign")


def test_fifty_events_open_no_connection(instance: dg.DagsterInstance) -> None:
    with dg.DagsterInstance.ephemeral() as other:
        run_id = dg.materialize([leads], instance=other, partition_key="day-01").run_id
        entries = [entry for entry in other.all_logs(run_id) if entry.is_dagster_event]
    instance.event_log_storage.store_event(entries[0])
    connections = opened(pooled_engine())
    for number in range(50):
        instance.event_log_storage.store_event(entries[number % len(entries)])
    assert len(instance.all_logs(run_id)) == 51
    assert connections == []


def test_all_three_storages_share_the_pool(instance: dg.DagsterInstance) -> None:
    instance.get_runs()
    connections = opened(pooled_engine())
    instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION), limit=1)
    instance.all_instigator_state()
    assert connections == []


def test_batched_events_all_arrive(instance: dg.DagsterInstance, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DAGSTER_EVENT_BATCH_SIZE", dagster_home.EVENT_BATCH_SIZE)
    before = len(instance.get_materialized_partitions(leads.key))
    run = dg.materialize(
        [leads],
        instance=instance,
        tags={"dagster/asset_partition_range_start": "day-00", "dagster/asset_partition_range_end": "day-29"},
    )
    assert before < 30
    assert instance.get_materialized_partitions(leads.key) == set(DAYS.get_partition_keys())
    stored = [entry for entry in instance.all_logs(run.run_id) if entry.is_dagster_event]
    assert sum(entry.get_dagster_event().is_step_materialization for entry in stored) == 30


def test_planned_events_of_a_range_are_written_together(
    instance: dg.DagsterInstance, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DAGSTER_EVENT_BATCH_SIZE", dagster_home.EVENT_BATCH_SIZE)
    statements: list[str] = []
    pooled_engine().connect().close()
    sa.event.listen(
        pooled_engine(), "before_cursor_execute", lambda conn, cursor, statement, *rest: statements.append(statement)
    )
    run = dg.materialize(
        [leads],
        instance=instance,
        tags={"dagster/asset_partition_range_start": "day-00", "dagster/asset_partition_range_end": "day-29"},
    )
    planned = [
        entry.get_dagster_event().partition
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    ]
    assert sorted(str(each) for each in planned) == DAYS.get_partition_keys()
    assert sum(statement.startswith("INSERT INTO event_logs") for statement in statements) < 30
    assert instance.get_asset_records([leads.key])[0].asset_entry.last_run_id == run.run_id


def test_the_webservers_statement_limit_holds_for_its_pool(instance: dg.DagsterInstance) -> None:
    instance.optimize_for_webserver(statement_timeout=4321, pool_recycle=3600, max_overflow=20)
    with pooled_engine().connect() as connection:
        assert connection.scalar(sa.text("SHOW statement_timeout")) == "4321ms"


def test_the_embedded_server_is_started_by_the_first_query_and_not_raised_from_the_dead(
    environment: pytest.MonkeyPatch,
    home: Path,
    tmp_path: Path,
    squatter: Callable[[int], contextlib.AbstractContextManager[None]],
) -> None:
    environment.setenv("LEADFACTORY_HOME", str(home))
    settings.cache_clear()
    with loaded(tmp_path) as instance:
        assert not embedded.is_running(home)
        assert instance.get_runs() == []
        port = embedded.ensure_running(home).port
        embedded.stop(home)
        pooled_engine().dispose()
        with pytest.raises(DagsterServerGone, match="leadfactory dev"):
            pooled_engine().connect()
        assert not embedded.is_running(home)
        with squatter(port):  # it comes back elsewhere, and is found there
            assert embedded.ensure_running(home).port != port
        assert instance.get_runs() == []


def test_the_address_is_for_the_driver_that_dagster_binds_with(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DAGSTER_DATABASE_URL", "postgresql://lf_dagster:p%40ss@db.internal/dagster?sslmode=require")
    assert storage_url() == "postgresql+psycopg2://lf_dagster:p%40ss@db.internal/dagster?sslmode=require"


def test_dagster_owns_its_tables_and_nothing_else(instance: dg.DagsterInstance, postgres: EmbeddedServer) -> None:
    instance.get_runs()
    with psycopg.connect(postgres.url("dagster")) as tx:
        owners = tx.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert owners == [("lf_dagster",)]


def test_the_queue_keeps_a_slot_free_of_nights_and_backfills(instance: dg.DagsterInstance) -> None:
    queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    limits = {
        (limit["key"], limit.get("value")): limit["limit"]
        for limit in queue.tag_concurrency_limits
        if not isinstance(limit.get("value"), dict)
    }
    assert limits["leadfactory/lane", "night"] + limits["dagster/backfill", None] == queue.max_concurrent_runs - 1


def test_failures_of_assets_are_not_repeated_as_whole_runs(instance: dg.DagsterInstance) -> None:
    assert instance.run_retries_enabled
    assert not instance.run_retries_retry_on_asset_or_op_failure
    assert instance.run_monitoring_enabled
    assert not instance.telemetry_enabled


def test_the_dagster_home_is_under_ours(tmp_path: Path) -> None:
    variables = dagster_home.prepare(settings_for_tests(tmp_path / "home"))
    assert variables["DAGSTER_HOME"] == str(tmp_path / "home" / "dagster")
    assert [path.name for path in (tmp_path / "home" / "dagster").iterdir()] == ["dagster.yaml"]
    assert (tmp_path / "home" / "dagster" / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()
