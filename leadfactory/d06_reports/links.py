"""Links to sold reports: signed, counted, and closed when the money went back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid

import sqlalchemy as sa

from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d06_reports.tables import audit_reports, report_accesses
from leadfactory.d07_storefront.purchase_states import ENTITLED
from leadfactory.d07_storefront.tables import purchases
from leadfactory.tokens import Tokens


@dataclasses.dataclass(frozen=True)
class Link:
    """One sold report as its payer may open it; ``pdf_url`` None where there is no PDF."""

    report_id: uuid.UUID
    domain: str
    version: int
    report_on: dt.date
    url: str
    pdf_url: str | None


@dataclasses.dataclass(frozen=True)
class Opened:
    """What a link leads to; ``open`` False when the access was revoked."""

    report_id: uuid.UUID
    purchase_id: uuid.UUID
    domain: str
    html_sha256: str
    pdf_sha256: str | None
    report_on: dt.date
    state: str

    @property
    def open(self) -> bool:
        """Whether the payer has a right to it now."""
        return self.state in ENTITLED


def of_purchase(tx: sa.Connection, purchase_id: uuid.UUID, tokens: Tokens, public_url: str) -> list[Link]:
    """The links of a purchase, the newest version first; none when its access was revoked."""
    return _links(tx, purchases.c.purchase_id == purchase_id, tokens, public_url)


def links_for_payer(tx: sa.Connection, email_hmac: bytes, tokens: Tokens, public_url: str) -> list[Link]:
    """The links of everything that an address has paid for, the newest first. For a mail to that address only."""
    return _links(tx, purchases.c.payer_hmac == email_hmac, tokens, public_url)


def opened(tx: sa.Connection, report_id: uuid.UUID) -> Opened | None:
    """The report behind a link; None when there is none."""
    row = tx.execute(
        _query(audit_reports.c.report_id, audit_reports.c.purchase_id, audit_reports.c.html_sha256, audit_reports.c.pdf_sha256,
               audit_reports.c.report_on, purchases.c.state).where(audit_reports.c.report_id == report_id)
    ).one_or_none()  # fmt: skip
    if row is None:
        return None
    return Opened(
        row.report_id,
        row.purchase_id,
        _domain(row.site_host),
        row.html_sha256,
        row.pdf_sha256,
        row.report_on,
        row.state,
    )


def note_access(
    tx: sa.Connection, report_id: uuid.UUID, kind: str, now: dt.datetime, *, given: bool, machine: bool
) -> None:
    """Counts one opening."""
    tx.execute(
        sa.insert(report_accesses).values(report_id=report_id, kind=kind, given=given, machine=machine, accessed_at=now)
    )


def _links(tx: sa.Connection, whose: sa.ColumnElement[bool], tokens: Tokens, public_url: str) -> list[Link]:
    r, p = audit_reports, purchases
    rows = tx.execute(
        _query(r.c.report_id, r.c.version, r.c.report_on, r.c.pdf_sha256)
        .where(whose, p.c.state.in_(sorted(ENTITLED)))
        .order_by(r.c.sealed_at.desc(), r.c.version.desc(), r.c.report_id)
    )
    base = public_url.rstrip("/")
    found = []
    for row in rows:
        url = f"{base}/r/{tokens.sign('report', row.report_id)}"
        pdf = f"{url}.pdf" if row.pdf_sha256 else None
        found.append(Link(row.report_id, _domain(row.site_host), row.version, row.report_on, url, pdf))
    return found


def _query(*columns: sa.ColumnElement) -> sa.Select:
    r, p, e = audit_reports, purchases, enriched_businesses
    same = sa.and_(*(e.c[key] == r.c[key] for key in ("campaign", "cohort_on", "business_id")))
    return sa.select(*columns, e.c.site_host).join(p, p.c.purchase_id == r.c.purchase_id).outerjoin(e, same)


def _domain(host: str | None) -> str:
    return (host or "").removeprefix("www.")
