"""What was written is still what stands there: the audit log's daily digest, and the look at files outside of Postgres."""

import dagster as dg

from leadfactory import audit_digests, pauses
from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.settings import settings


@dg.op
def sign_audit_log(
    context: dg.OpExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> None:
    """Computes the audit log's chain again, signs how far it goes, and fails when anything was changed or removed."""
    configured = settings()
    keys, file = configured.signing_keys.get_secret_value(), audit_digests.path(configured.home)
    with db.begin() as tx:
        digest = audit_digests.sign(tx, keys, file, clock.now())
    context.log.info(
        f"{digest.link} rows of the audit log, head {digest.hash[:16] or 'none'}, {len(digest.problems)} faults"
    )
    if digest.problems:
        raise dg.Failure(
            "the audit log is not what was written: see `leadfactory audit-log --verify`",
            metadata={"problems": dg.MetadataValue.json(list(digest.problems))},
            allow_retries=False,
        )


@dg.job(executor_def=dg.in_process_executor, tags={pauses.GOES_ON_TAG: pauses.GOES_ON})  # a pause is audited too
def audit_digest() -> None:
    """Signs the day's digest of the audit log, and fails when its chain is broken."""
    sign_audit_log()


class Areas(dg.Config):
    """What to look at."""

    areas: list[str] = ["lake", "blobs", "warehouse"]


@dg.op
def look_at_files(context: dg.OpExecutionContext, config: Areas, db: dg.ResourceParam[Database]) -> None:
    """Reads files of the lake, the blobs and the warehouse, writes down what is damaged, and fails when anything is."""
    from leadfactory.backup import damage, looks  # only the run that needs them pays for their imports

    found = looks.note(db, settings(), config.areas)
    broken = [f"{each.area}/{each.path} {each.what}" for area in found for each in area.broken]
    context.log.info(f"{damage.told(found)}, {len(broken)} of them damaged or gone")
    if broken:
        raise dg.Failure(
            f"{len(broken)} files are damaged or gone: see `leadfactory data-corruption-report`, then `{damage.REMEDY}`",
            metadata={"files": dg.MetadataValue.json(broken[: looks.SAMPLES])},
            allow_retries=False,
        )


@dg.job(executor_def=dg.in_process_executor, tags={pauses.GOES_ON_TAG: pauses.GOES_ON, "leadfactory/makes": "nothing"})
def files_whole() -> None:
    """Reads the files outside of Postgres, and fails when any is damaged or gone; goes on while all is paused, as repair does."""
    look_at_files()
