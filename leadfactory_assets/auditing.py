"""The audit log's daily digest: computed again, signed, and red when what was written is not what stands there."""

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
