"""What a payment asks for, in one run: refunds are given, reports sealed, old measurements made again, links mailed.

Each purchase fails alone: what could not be done stays due, is told with its reason, and is taken up by the next run.
"""

from __future__ import annotations

import dataclasses
import logging
import time
import uuid
from collections import Counter, defaultdict
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d06_reports import delivering, remeasuring, sealing
from leadfactory.d06_reports.store import NothingToReport
from leadfactory.d06_reports.tables import audit_reports, report_deliveries
from leadfactory.d07_storefront import refunds
from leadfactory.d07_storefront.tables import purchases, refund_requests
from leadfactory.d09_delivery.mailer import Mailer
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

log = logging.getLogger(__name__)


@dataclasses.dataclass
class Done:
    """Sealed versions by campaign-day, and what stays open by reason."""

    sealed: Counter[CampaignDay] = dataclasses.field(default_factory=Counter)
    open: Counter[str] = dataclasses.field(default_factory=Counter)


def count_due(tx: sa.Connection) -> int:
    """How many refunds, reports and mails wait; what the sensor asks."""
    r = refund_requests
    open_refunds = tx.scalar(sa.select(sa.func.count()).select_from(r).where(r.c.state.in_(refunds.OPEN)))
    return int(open_refunds or 0) + len(sealing.unsealed(tx)) + len(remeasuring.due(tx)) + len(delivering.waiting(tx))


def seal_all(
    *, db: Database, clock: Clock, settings: Settings, unit: CampaignDay | None = None, done: Done | None = None
) -> Done:
    """Seals every purchase that has a right to a report and none yet, of one campaign-day or of all."""
    done = done or Done()
    with db.begin() as tx:
        waiting = sealing.unsealed(tx, unit)
    for purchase_id in waiting:
        try:
            sealing.seal(purchase_id, db=db, clock=clock, settings=settings)
            done.sealed[_unit(db, purchase_id)] += 1
        except (NothingToReport, OSError) as error:
            done.open[f"not sealed: {type(error).__name__}"] += 1
        except Exception as error:  # whatever a report breaks by, those who paid after it get theirs
            done.open[f"not sealed: {type(error).__name__}"] += 1
            log.exception("the report of purchase %s cannot be made", purchase_id)
    return done


async def remeasure_all(
    *, db: Database, clock: Clock, settings: Settings, pagespeed: PagespeedClient, website: WebsiteClient, done: Done
) -> None:  # fmt: skip
    """Makes new versions where the measurements were too old."""
    with db.begin() as tx:
        waiting = remeasuring.due(tx)
    for purchase_id in waiting:
        try:
            made = await remeasuring.remeasure(purchase_id, db=db, clock=clock, settings=settings, pagespeed=pagespeed, website=website)  # fmt: skip
        except (NothingToReport, VendorError, OSError) as error:
            done.open[f"not measured again: {type(error).__name__}"] += 1
            continue
        except Exception as error:
            done.open[f"not measured again: {type(error).__name__}"] += 1
            log.exception("the report of purchase %s cannot be made anew", purchase_id)
            continue
        if made is None:
            done.open["not measured again: the website or the lab does not answer"] += 1
        else:
            done.sealed[_unit(db, purchase_id)] += 1


async def work(
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    stripe: StripeClient,
    mailer: Mailer,
    pagespeed: PagespeedClient,
    website: WebsiteClient,
) -> tuple[dict[str, Any], list[StageReport]]:
    """All of it; figures of the whole, and a report for each asset and campaign-day that changed."""
    began = time.monotonic()
    given = await refunds.give_all(db=db, stripe=stripe, clock=clock)
    done = seal_all(db=db, clock=clock, settings=settings)
    first = await delivering.deliver_all(db=db, clock=clock, settings=settings, stripe=stripe, mailer=mailer)
    await remeasure_all(db=db, clock=clock, settings=settings, pagespeed=pagespeed, website=website, done=done)
    again = await delivering.deliver_all(db=db, clock=clock, settings=settings, stripe=stripe, mailer=mailer)
    sent, units = first.states + again.states, first.units + again.units
    figures: dict[str, Any] = {
        "refunds given": given.accepted, "refunds rejected": given.rejected, "refunds waiting": given.waiting,
        "reports sealed": done.sealed.total(), **{f"mails {state}": count for state, count in sorted(sent.items())},
        **dict(sorted(done.open.items())), "seconds": round(time.monotonic() - began, 2),
    }  # fmt: skip
    with db.begin() as tx:
        reports = [report_of(tx, "audit_reports", unit) for unit in sorted(done.sealed)]
        reports += [report_of(tx, "report_deliveries", unit) for unit in sorted(units)]
    return figures, reports


def report_of(tx: sa.Connection, asset: str, unit: CampaignDay, seconds: float = 0.0) -> StageReport:
    """How an asset of this room stands on a campaign-day."""
    if asset == "audit_reports":
        r = audit_reports
        versions = tx.execute(
            sa.select(sa.func.count(), sa.func.count(r.c.pdf_sha256)).where(r.c.campaign == unit.campaign, r.c.cohort_on == unit.day)
        ).one()  # fmt: skip
        waiting = len(sealing.unsealed(tx, unit))
        counts = {"with a PDF": int(versions[1]), "measured again": _later(tx, unit)}
        rows = int(versions[0])
    else:
        d = report_deliveries
        of_unit = (d.c.campaign == unit.campaign, d.c.cohort_on == unit.day)
        by_state: dict[str, int] = defaultdict(int)
        by_state.update({row.state: row.n for row in tx.execute(sa.select(d.c.state, sa.func.count().label("n")).where(*of_unit).group_by(d.c.state))})  # fmt: skip
        waiting = by_state["planned"] + by_state["claimed"] + by_state["unknown"]
        counts, rows = dict(by_state), sum(by_state.values()) - waiting
    return StageReport(
        asset=asset, unit=unit, state=campaign_days.state_of(tx, unit), rows_in=rows + waiting, rows_out=rows, rows_open=waiting,
        seconds=seconds, counts=counts,
    )  # fmt: skip


def _later(tx: sa.Connection, unit: CampaignDay) -> int:
    r = audit_reports
    where = (r.c.campaign == unit.campaign, r.c.cohort_on == unit.day, r.c.version > 1)
    return int(tx.scalar(sa.select(sa.func.count()).select_from(r).where(*where)) or 0)


def _unit(db: Database, purchase_id: uuid.UUID) -> CampaignDay:
    p = purchases
    with db.begin() as tx:
        row = tx.execute(sa.select(p.c.campaign, p.c.cohort_on).where(p.c.purchase_id == purchase_id)).one()
    return CampaignDay(row.campaign, row.cohort_on)
