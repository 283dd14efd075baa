"""Upkeep: jobs that keep promises over time. Storage terms are kept by expiry here, not by good intentions."""

import dagster as dg

from leadfactory import audit_digests
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.database import Database
from leadfactory.inbox import retention
from leadfactory.settings import settings


@dg.op
def purge_expired(
    context: dg.OpExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> None:
    """Deletes vendor content, imported rows that the operator keeps no longer, visitors' IPs and agents and answers' text past their term."""
    from leadfactory.d02_sourcing import sourced_imports  # only the run that needs the room pays for its imports

    with db.begin() as tx:
        purged = content.purge(tx, clock.now()) + sourced_imports.forget_expired(tx, clock.now())
        forgotten = retention.forget_visitors(tx, clock.now())
        answers = retention.forget_answers(tx, clock.now())
    context.log.info(
        f"{purged} vendor answers and imported rows and {forgotten} visitors and {answers} answers were past their term "
        "and are gone"
    )


@dg.job(executor_def=dg.in_process_executor)
def vendor_terms() -> None:
    """Deletes vendor content whose storage term is over, every hour."""
    purge_expired()


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


@dg.job(executor_def=dg.in_process_executor)
def audit_digest() -> None:
    """Signs the day's digest of the audit log, and fails when its chain is broken."""
    sign_audit_log()
