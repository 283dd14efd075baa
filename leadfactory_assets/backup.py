"""Backups and their proof: the nightly backup, read again from the store, and the weekly drill that restores it on a scratch server."""

import dagster as dg

from leadfactory import pauses
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory_assets.policies import PREFIX, WRITE_TAG, key

GOES_ON = {pauses.GOES_ON_TAG: pauses.GOES_ON}  # what is held back is saved too
GROUP, OWNERS, TAGS = "d00_upkeep", ["team:operations"], {WRITE_TAG: "export"}


@dg.asset(key_prefix=PREFIX, group_name=GROUP, kinds={"postgres"}, owners=OWNERS, tags=TAGS)
def nightly_backup(context: dg.AssetExecutionContext, db: dg.ResourceParam[Database]) -> dg.MaterializeResult:
    """One row per backup in `backups`: everything, encrypted, then read again from the store byte by byte."""
    from leadfactory.backup import making, records, verifying  # only the run that needs them pays for their imports
    from leadfactory.backup.store import Store

    made = making.make(settings(), db=db, told=lambda what, step, steps: context.log.info(f"{step} of {steps}: {what}"))
    verdict = verifying.verify(settings(), Store(settings().backups), made.backup)
    records.verified(db, made.backup, verdict.problems, verdict.at)
    if verdict.problems:
        raise dg.Failure(f"backup {made.backup.id} is damaged: {verdict.problems[0]}", allow_retries=False)
    seconds = (made.backup.finished_at - made.backup.started_at).total_seconds()
    return dg.MaterializeResult(
        metadata={
            "backup": made.backup.id, "MiB added": round(made.backup.bytes / 2**20, 1), "seconds": round(seconds, 1),
            "files": verdict.contents, "judged by": verdict.judged_by, "removed": made.removed,
        }
    )  # fmt: skip


@dg.asset(
    key_prefix=PREFIX,
    deps=[key("nightly_backup")],
    group_name=GROUP,
    kinds={"postgres"},
    owners=OWNERS,
    tags=TAGS,
)
def restore_drill(context: dg.AssetExecutionContext, db: dg.ResourceParam[Database]) -> dg.MaterializeResult:
    """One row per drill in `restore_drills`: the latest backup restored on a scratch server, judged and taken away again."""
    from leadfactory.backup import drills  # only the run that needs it pays for its imports
    from leadfactory_assets.plots import bar_chart

    done = drills.drill(settings(), db, told=lambda what, step, steps: context.log.info(f"{step} of {steps}: {what}"))
    if not done.ok:
        raise dg.Failure(f"the restore drill failed: {done.reason}", allow_retries=False)
    with db.begin() as tx:
        recent = drills.recent(tx)
    chart = "\n\n".join(
        bar_chart(f"{name}, seconds", {f"{each['started_at']:%Y-%m-%d %H:%M}": round(each[column] or 0.0, 1) for each in recent})
        for name, column in (("RPO", "rpo_s"), ("RTO", "rto_s"))
    )  # fmt: skip
    return dg.MaterializeResult(
        metadata={
            "backup": done.backup_id or "", "RPO (seconds)": round(done.rpo_s or 0.0, 1), "RTO (seconds)": round(done.rto_s or 0.0, 1),
            "checks": len(done.checks), "chart": dg.MetadataValue.md(chart),
        }
    )  # fmt: skip


backup_job = dg.define_asset_job(
    "backup",
    selection=dg.AssetSelection.assets(key("nightly_backup")),
    executor_def=dg.in_process_executor,
    tags=GOES_ON,
    description="Saves everything and reads it again; retention takes old backups away.",
)
drill_job = dg.define_asset_job(
    "restore_drill_job",
    selection=dg.AssetSelection.assets(key("restore_drill")),
    executor_def=dg.in_process_executor,
    tags=GOES_ON,
    description="Restores the latest backup on a scratch server and measures RPO and RTO.",
)
