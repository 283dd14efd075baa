"""Upkeep: jobs that keep promises over time. Storage terms are kept by expiry here, not by good intentions."""

import dagster as dg

from leadfactory import pauses
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.database import Database
from leadfactory.inbox import retention


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


@dg.job(executor_def=dg.in_process_executor, tags={pauses.GOES_ON_TAG: pauses.GOES_ON, "leadfactory/makes": "nothing"})
def vendor_terms() -> None:
    """Deletes vendor content whose storage term is over, every hour."""
    purge_expired()


@dg.op
def forget_people(
    context: dg.OpExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> None:
    """Works off what recipients asked for by pressing "delete". Who asked is told nowhere; the proof is stored with the request.

    Raises:
        NotErased: something of somebody is left; the request stays open, and the others are done.
    """
    from leadfactory.d10_analytics import postgres_marts
    from leadfactory.d10_analytics.warehouse import rebuild_and_forget
    from leadfactory.erasure import erasing  # only the run that needs it pays for its imports
    from leadfactory.settings import settings

    proofs, left = erasing.complete_all(
        db=db,
        clock=clock,
        settings=settings(),
        marts=lambda given: rebuild_and_forget(given, into=postgres_marts.owner_url(given)),
    )
    context.log.info(f"{len(proofs)} people were forgotten")
    if left:
        raise erasing.NotErased("; ".join(left))


@dg.job(executor_def=dg.in_process_executor, tags={pauses.GOES_ON_TAG: pauses.GOES_ON, "leadfactory/makes": "nothing"})
def erasures() -> None:
    """Forgets whoever asked for it, every night, while all is paused too: it was promised."""
    forget_people()
