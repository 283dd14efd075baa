"""What is stored about the recipient of a letter, told to that recipient: kinds of data, their values where public, and the evidence."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json

import sqlalchemy as sa

from leadfactory.d03_assessment.tables import audit_findings, site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d09_delivery.opt_outs import Recipient
from leadfactory.d09_delivery.tables import email_sends, send_outcomes

HOW = {
    "mailto": "as a mail link of the page",
    "json_ld": "in the business data that the page holds for machines",
    "text": "in the page’s text",
    "decoded": "in the page’s text, in a form that people can read and simple machines cannot",
    "import": "in a list that our customer gave us",
}


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """``masked``: the address with its local part hidden, so that who looks over a shoulder learns nothing; None when it is gone."""

    masked: str | None
    how: str | None
    found_url: str | None
    found_at: dt.datetime | None
    evidence_sha256: str | None
    published: tuple[tuple[str, str], ...]
    audits: int
    findings: int
    letters: tuple[dt.datetime, ...]
    events: int


def known(tx: sa.Connection, person: Recipient) -> Knowledge:
    """Looks at every table that holds something about the person or their business."""
    e, s, a, f, o = enriched_businesses, email_sends, site_audits, audit_findings, send_outcomes
    own = tx.execute(
        sa.select(e).where(e.c.contact_email_hmac == person.address_hmac).order_by(e.c.fetched_at.desc()).limit(1)
    ).mappings().one_or_none()  # fmt: skip
    mine = sa.and_(s.c.address_hmac == person.address_hmac, s.c.claimed_at.is_not(None))
    letters = tx.scalars(sa.select(s.c.claimed_at).where(mine).order_by(s.c.claimed_at)).all()
    events = tx.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(o.c.events), 0)).join(s, s.c.send_id == o.c.send_id).where(mine)
    )
    audits = tx.scalar(sa.select(sa.func.count()).where(a.c.business_id == person.business_id))
    findings = tx.scalar(sa.select(sa.func.count()).where(f.c.business_id == person.business_id))
    published = () if own is None else tuple(
        (label, own[column])
        for label, column in (("Name", "own_name"), ("Phone", "own_phone"), ("Address", "own_address"))
        if own[column]
    )  # fmt: skip
    return Knowledge(
        masked=None if own is None or not own["contact_email"] else mask(own["contact_email"]),
        how=None if own is None else HOW.get(own["contact_email_how"] or ""),
        found_url=None if own is None else own["contact_email_url"],
        found_at=None if own is None else own["fetched_at"],
        evidence_sha256=None if own is None else _evidence(own, person),
        published=published,
        audits=audits or 0,
        findings=findings or 0,
        letters=tuple(letters),
        events=int(events or 0),
    )


def mask(address: str) -> str:
    """i•••@shop.example."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def _evidence(own: sa.RowMapping, person: Recipient) -> str:
    """A fingerprint of what is stored as evidence: the address's hash, where, how and when; the same rows give the same one."""
    source = (own["field_sources"] or {}).get("contact_email")
    plain = {
        "address_hmac": person.address_hmac.hex(), "url": own["contact_email_url"], "how": own["contact_email_how"],
        "fetched_at": own["fetched_at"].astimezone(dt.UTC).isoformat(), "source": source,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
