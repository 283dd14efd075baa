"""Seals what was bought: rendered once, stored as blobs, one immutable row for each purchase and version.

The success page and the run that follows a payment both come here, at once too: the first to store the row is the one that counts,
and both made the same bytes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import blobs, campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d06_reports import store
from leadfactory.d06_reports.records import ReportInput
from leadfactory.d06_reports.rendering import VERSION, render_report
from leadfactory.d06_reports.store import NothingToReport
from leadfactory.d06_reports.tables import audit_reports, report_deliveries
from leadfactory.d07_storefront.purchase_states import ENTITLED
from leadfactory.d07_storefront.tables import purchases
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.settings import Settings

ASSET = "audit_reports"
_PREPARING = threading.Lock()
_SPACE = uuid.UUID("0f6c2f0b-3b57-4a7f-9df3-2a6f5a0f8a51")


@dataclasses.dataclass(frozen=True)
class Sealed:
    """One version of a sold report."""

    report_id: uuid.UUID
    purchase_id: uuid.UUID
    business_id: uuid.UUID
    version: int
    report_on: dt.date
    measured_at: dt.datetime
    html_sha256: str
    pdf_sha256: str | None
    no_pdf: str | None
    pages: int | None
    evidence_sha256: str
    sealed_at: dt.datetime


def report_id_of(purchase_id: uuid.UUID, version: int) -> uuid.UUID:
    """The id of a version."""
    return uuid.uuid5(_SPACE, f"{purchase_id}:{version}")


def seal(purchase_id: uuid.UUID, *, db: Database, clock: Clock, settings: Settings) -> Sealed | None:
    """The first version of a purchase, made now if nobody has; None while the purchase gives no right to it.

    Raises:
        NothingToReport: the website has no good measurement any more.
        OSError: the blobs cannot be stored.
    """
    with db.begin() as tx:
        bought = _entitled(tx, purchase_id)
        known = version_of(tx, purchase_id, 1)
        if bought is None or known is not None:
            return known
        unit = CampaignDay(bought.campaign, bought.cohort_on)
        given = store.read(tx, unit, bought.business_id, on=bought.paid_at.date())
    return add_version(given, purchase_id, 1, db=db, clock=clock, settings=settings)


def prepare(send_id: uuid.UUID, *, db: Database, clock: Clock) -> None:
    """Prints what a buyer who is at the till would get, so that nobody waits for it after paying: the same input, the same bytes.

    Nothing is stored and nothing promised: whoever pays tomorrow, or in front of another process, gets a print of its own. While one
    is being prepared another is not: it would have those who paid wait.
    """
    if not _PREPARING.acquire(blocking=False):
        return
    try:
        with db.begin() as tx:
            s = email_sends
            of = tx.execute(
                sa.select(s.c.campaign, s.c.cohort_on, s.c.business_id).where(s.c.send_id == send_id)
            ).one_or_none()
            if of is None:
                return
            given = store.read(tx, CampaignDay(of.campaign, of.cohort_on), of.business_id, on=clock.today())
        render_report(given)
    except NothingToReport:
        pass
    finally:
        _PREPARING.release()


def add_version(
    given: ReportInput, purchase_id: uuid.UUID, version: int, *, db: Database, clock: Clock, settings: Settings
) -> Sealed:
    """Renders, stores the blobs, then the row and its planned mail in one transaction; the row that counts."""
    report = render_report(given)
    blobs.put(settings.blobs, report.html.encode())
    if report.pdf is not None:
        blobs.put(settings.blobs, report.pdf)
    blobs.put(settings.blobs, given.evidence.encode("utf-8", "surrogatepass"))
    now, unit = clock.now(), CampaignDay(given.campaign, given.cohort_on)
    report_id = report_id_of(purchase_id, version)
    row = {
        "campaign": given.campaign, "cohort_on": given.cohort_on, "report_id": report_id,
        "purchase_id": purchase_id, "business_id": uuid.UUID(given.business_id), "version": version, "report_on": given.report_on,
        "measured_at": given.audit.fetched_at, "html_sha256": report.html_sha256, "pdf_sha256": report.pdf_sha256,
        "no_pdf": report.no_pdf, "pages": report.pages, "evidence_sha256": report.evidence_sha256, "template_version": VERSION,
        "sealed_at": now,
    }  # fmt: skip
    with db.begin() as tx:
        tx.execute(insert(audit_reports).values(row).on_conflict_do_nothing())
        mail = {name: row[name] for name in ("campaign", "cohort_on", "report_id", "purchase_id", "business_id")}
        delivery = mail | {"delivery_id": uuid.uuid5(report_id, "sold"), "kind": "sold", "state": "planned", "planned_at": now}  # fmt: skip
        tx.execute(insert(report_deliveries).values(delivery).on_conflict_do_nothing())
        campaign_days.mark_dirty(tx, unit, ASSET, "report_deliveries")
        sealed = version_of(tx, purchase_id, version)
    assert sealed is not None
    return sealed


def version_of(tx: sa.Connection, purchase_id: uuid.UUID, version: int) -> Sealed | None:
    """One version of a purchase's report."""
    found = [each for each in versions(tx, [purchase_id]) if each.version == version]
    return found[0] if found else None


def versions(tx: sa.Connection, purchase_ids: Sequence[uuid.UUID]) -> list[Sealed]:
    """All versions of these purchases, the newest first."""
    r = audit_reports
    columns = [r.c[field.name] for field in dataclasses.fields(Sealed)]
    rows = tx.execute(
        sa.select(*columns).where(r.c.purchase_id.in_(purchase_ids)).order_by(r.c.purchase_id, r.c.version.desc())
    )
    return [Sealed(**row._mapping) for row in rows]


def unsealed(tx: sa.Connection, unit: CampaignDay | None = None) -> list[uuid.UUID]:
    """Purchases that give a right to a report and have none, the oldest first."""
    p, r = purchases, audit_reports
    where = [p.c.state.in_(sorted(ENTITLED)), ~sa.exists().where(r.c.purchase_id == p.c.purchase_id)]
    if unit is not None:
        where += [p.c.campaign == unit.campaign, p.c.cohort_on == unit.day]
    return list(tx.scalars(sa.select(p.c.purchase_id).where(*where).order_by(p.c.paid_at, p.c.purchase_id)))


def _entitled(tx: sa.Connection, purchase_id: uuid.UUID) -> Any:
    p = purchases
    return tx.execute(sa.select(p).where(p.c.purchase_id == purchase_id, p.c.state.in_(sorted(ENTITLED)))).one_or_none()
