"""Housekeeping: jobs that clear away, care for Postgres and look ahead; each with its schedule in ``schedules/housekeeping.py``."""

import datetime as dt

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.settings import settings

TAGS = {"leadfactory/makes": "nothing"}  # its runs may go
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dg.op
def purge_rows_and_files(context: dg.OpExecutionContext, db: dg.ResourceParam[Database]) -> None:
    """Removes what config/retention.yaml says, and names each count."""
    from leadfactory.backup import purging  # only the run that needs it pays for its imports

    for each in purging.purge(db, settings()):
        context.log.info(f"{each.what}: {each.count} {each.kind} from before {each.before:%Y-%m-%d}")
        for reason in each.left:
            context.log.warning(f"{each.what}: stays: {reason}")


@dg.op
def prune_dagster(
    context: dg.OpExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> None:
    """Removes old runs that made no asset, and the partition keys of campaigns that are long over."""
    from leadfactory.backup import purging, retention, wall  # only the run that needs it pays for its imports

    before = wall.now() - dt.timedelta(days=retention.rules().dagster_run_days)
    removed = 0
    while runs := context.instance.get_runs(
        filters=dg.RunsFilter(statuses=FINISHED, created_before=before, tags=TAGS),
        limit=200,
    ):
        for run in runs:
            context.instance.delete_run(run.run_id)
            removed += 1
    with db.begin() as tx:
        over = set(purging.over_campaigns(tx, clock.now()))
    gone = [key for key in context.instance.get_dynamic_partitions("campaign") if key in over]
    for key in gone:
        context.instance.delete_dynamic_partition("campaign", key)
    context.log.info(
        f"{removed} runs of before {before:%Y-%m-%d} and {len(gone)} partition keys were removed: {', '.join(gone) or '–'}"
    )


@dg.job(executor_def=dg.in_process_executor, tags=TAGS)
def housekeeping() -> None:
    """Retention of rows, texts and files; old runs; partition keys of campaigns that are over."""
    purge_rows_and_files()
    prune_dagster()


@dg.op
def vacuum_and_analyze(context: dg.OpExecutionContext) -> None:
    """Vacuums and analyzes every table beside the work, as their owner."""
    from leadfactory import migrate
    from leadfactory.database_care import maintenance

    db = Database(migrate.owner_url(settings()), pool_size=1)
    try:
        with db.engine.connect() as connection:
            owner = maintenance.foreign_owner(connection)
            connection.rollback()
            if owner is not None:
                context.log.warning(
                    f"the tables belong to {owner}: autovacuum cares for them; leadfactory db-maintenance does as {owner}"
                )
                return
            done = list(
                maintenance.care(connection.execution_options(isolation_level="AUTOCOMMIT"), vacuum=True, analyze=True)
            )
    finally:
        db.dispose()
    context.log.info(f"{len(done)} tables, {sum(each.dead_before - each.dead_after for each in done)} dead rows freed")


@dg.op
def review_indexes(context: dg.OpExecutionContext, db: dg.ResourceParam[Database]) -> None:
    """Names indexes that nobody reads, that are bloated, broken or missing."""
    from leadfactory.database_care import indexes

    with db.begin() as tx:
        _, found = indexes.analyze(tx)
    for each in found:
        context.log.info(f"{each.kind}: {each.name} of {each.table} ({each.evidence}); {each.remedy}")


@dg.job(executor_def=dg.in_process_executor, tags=TAGS)
def database_care() -> None:
    """Vacuum, analyze, and a look at the indexes."""
    vacuum_and_analyze()
    review_indexes()


@dg.op
def look_ahead(context: dg.OpExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]) -> None:
    """Sizes, growth and when the disk is full; what vendors cost by vendor, campaign, mail and sale."""
    from leadfactory.backup import capacity

    with db.begin() as tx:
        sizes, costs = capacity.capacity(tx, settings(), days=30), capacity.costs(tx, clock.now(), days=30)
    context.log.info(
        f"{', '.join(f'{each.name} {each.bytes / 2**20:,.1f} MiB' for each in sizes.stores)}; {sizes.forecast}"
    )
    context.log.info(f"vendors cost ${costs['cost_microusd'] / 1e6:,.2f} in 30 days: {costs['vendors'][:5]}")


@dg.job(executor_def=dg.in_process_executor, tags=TAGS)
def monthly_review() -> None:
    """Capacity and cost of the last thirty days."""
    look_ahead()
