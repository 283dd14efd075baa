"""The operator's desk: drafts to look at, approve, edit or reject. An edit is a new version and passes the guard again.

Every change holds the lock of the claim, so that no claim under way takes a draft on yesterday's word.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import audit_log, campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import where
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.insights import facts_of
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d07_storefront.price_book import price_for
from leadfactory.d08_personalization import composing, draft_guard, reviews, store
from leadfactory.d08_personalization.contents import Content, Earlier, Sender, Terms
from leadfactory.d08_personalization.draft_guard import Problem
from leadfactory.d08_personalization.reviews import ReviewRefused
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d08_personalization.writing import Writer, columns, draft_id, verdict
from leadfactory.d09_delivery import states
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.quality import verdicts
from leadfactory.tokens import Tokens


@dataclasses.dataclass(frozen=True)
class Case:
    """One draft with all that its guard asks: what it may speak of, and what frames it now."""

    row: Any
    content: Content
    terms: Terms
    facts: tuple[Fact, ...]

    @property
    def own_words(self) -> str:
        """The part that an operator may word otherwise."""
        return composing.own_words(self.row.body_text or "")

    def problems(self) -> list[Problem]:
        """What the guard says of the stored text now; empty for a row without one."""
        if self.row.body_text is None:
            return []
        return draft_guard.problems(self.mail(), self.content, self.terms, every=self.facts)

    def mail(self) -> composing.Mail:
        """The stored letter."""
        row = self.row
        return composing.Mail(
            row.subject, row.preview, row.body_html, row.body_text, row.facts, row.price_cents, row.currency
        )


@dataclasses.dataclass(frozen=True)
class Edit:
    """What an operator changes; None leaves it as it is. ``text`` is the part before the one link."""

    subject: str | None = None
    preview: str | None = None
    text: str | None = None


class EditRefused(ReviewRefused):
    """The guard does not let the edited letter pass; nothing was stored."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        told = "; ".join(f"{each} ({each.remedy})" for each in problems)
        super().__init__(f"the guard refuses the edited letter, nothing was stored: {told}")


def row_of(tx: sa.Connection, draft: uuid.UUID) -> Any:
    """The stored draft by its id, with the website, its zone and when it was measured.

    Raises:
        ReviewRefused: there is no such draft, or it was never written.
    """
    d, e, a = email_drafts, enriched_businesses, site_audits
    keys = ("campaign", "cohort_on", "business_id")
    row = tx.execute(
        sa.select(d, e.c.site_host, e.c.own_name, e.c.timezone, a.c.fetched_at)
        .join(e, sa.and_(*(e.c[key] == d.c[key] for key in keys)))
        .outerjoin(a, sa.and_(*(a.c[key] == d.c[key] for key in keys)))
        .where(d.c.draft_id == draft)
    ).one_or_none()
    if row is None or row.body_text is None:
        raise ReviewRefused(f"draft {draft} has no letter: `leadfactory drafts list` prints those that have one")
    return row


def case_of(tx: sa.Connection, draft: uuid.UUID, tokens: Tokens, public_url: str, now: dt.datetime) -> Case:
    """A draft by its id, with all that its guard asks.

    Raises:
        ReviewRefused: there is no such draft, it was never written, or nothing that it rests on is stored any more.
    """
    row = row_of(tx, draft)
    if row.fetched_at is None:
        raise ReviewRefused(f"draft {draft} rests on an audit that is no longer stored: it can only be rejected")
    unit = CampaignDay(row.campaign, row.cohort_on)
    campaign = tx.execute(sa.select(campaigns).where(campaigns.c.campaign == row.campaign)).one()
    facts = facts_of(tx, unit).get(row.business_id, [])
    by_id = {fact.finding_id: fact for fact in facts}
    told = [by_id[each] for each in row.finding_ids if each in by_id]
    if not told:
        raise ReviewRefused(f"draft {draft} rests on findings that are no longer stored: it can only be rejected")
    hook, second, quick = [*told, None, None][:3]
    content = Content(
        domain=row.site_host.removeprefix("www."),
        own_name=row.own_name,
        vertical=campaign.vertical,
        measured_at=where(row.fetched_at, row.timezone),
        hook=hook,  # type: ignore[arg-type]
        second=second,
        quick=quick,
        findings=len(facts),
        seed=store.seed_of(row.business_id),
        step=row.step,
        earlier=_earlier(tx, row),
    )
    links = Writer(unit, tokens, public_url).links(row.business_id, row.step)
    price = price_for(tx, row.business_id, row.campaign, now)
    return Case(row, content, Terms(store.sender_of(campaign), links, price), tuple(facts))


def approve(tx: sa.Connection, case: Case, reviewer: str, now: dt.datetime) -> uuid.UUID:
    """Lets a draft leave, and gives the id of what leaves: a letter that an operator worded is framed anew when the sender changed.

    Raises:
        ReviewRefused: the draft was superseded, has left, or the guard refused it.
    """
    _hold(tx, case.row)
    if case.row.status != "drafted":
        raise ReviewRefused(f"the guard refused draft {case.row.draft_id} ({case.row.reason}): edit it, or leave it")
    if case.row.wording == "operator" and not _names(case.row, case.terms.sender):
        return _store(tx, case, Edit(), "approved", reviewer, now)
    reviews.say(tx, [case.row._mapping], "approved", now, reviewer=reviewer)
    _record(tx, case.row, "draft_approved", reviewer, now)
    return uuid.UUID(str(case.row.draft_id))


def reject(tx: sa.Connection, row: Any, reviewer: str, reason: str, now: dt.datetime) -> None:
    """Stops a draft for good: what was planned of it is refused.

    Raises:
        ReviewRefused: no reason was given, or the draft was superseded or has left.
    """
    said = " ".join(reason.split())
    if not said:
        raise ReviewRefused("reason is empty: say why, so that the next person knows")
    _hold(tx, row)
    reviews.say(tx, [row._mapping], "rejected", now, reviewer=reviewer, reason=said)
    s = email_sends
    planned = tx.scalars(
        sa.select(s.c.send_id).where(
            s.c.campaign == row.campaign, s.c.business_id == row.business_id, s.c.step == row.step
        )
    )
    why = dict.fromkeys(planned, f"draft rejected by {reviewer}: {said}")
    states.move(tx, why, "planned", "refused", now, settled_at=now)
    campaign_days.mark_dirty(tx, CampaignDay(row.campaign, row.cohort_on), "email_sends")
    _record(tx, row, "draft_rejected", reviewer, now)


def edit(tx: sa.Connection, case: Case, change: Edit, reviewer: str, now: dt.datetime) -> uuid.UUID:
    """Stores an operator's wording as a new version that may leave, and gives its id.

    Raises:
        EditRefused: the guard refuses the new text.
        ReviewRefused: the draft was superseded or has left.
    """
    _hold(tx, case.row)
    return _store(tx, case, change, "edited", reviewer, now)


def _store(tx: sa.Connection, case: Case, change: Edit, state: str, reviewer: str, now: dt.datetime) -> uuid.UUID:
    row, unit = case.row, CampaignDay(case.row.campaign, case.row.cohort_on)
    mail = composing.render(
        row.subject if change.subject is None else " ".join(change.subject.split()),
        row.preview if change.preview is None else " ".join(change.preview.split()),
        composing.read_paragraphs(case.own_words if change.text is None else change.text),
        case.content,
        case.terms,
        every=case.facts,
        template=row.template_version.partition("/")[2] or None,
    )
    broken = draft_guard.problems(mail, case.content, case.terms, every=case.facts)
    if broken:
        raise EditRefused(broken)
    kept = {column.name: getattr(row, column.name) for column in email_drafts.columns}
    version = row.version + 1
    rested_on = set(mail.facts.values())
    spoken_of = [fact for fact in case.facts if fact not in case.content.told and str(fact.finding_id) in rested_on]
    new = kept | columns(mail, (*case.content.told, *spoken_of)) | {
        "draft_id": draft_id(unit, row.business_id, row.step, version),
        "version": version,
        "status": "drafted",
        "reason": f"worded by {reviewer}",
        "wording": "operator",
        "drafted_at": now,
    }  # fmt: skip
    tx.execute(insert(email_drafts), [new])
    verdicts.record(tx, [verdict(unit, new, ())], now)
    reviews.say(tx, [new], state, now, reviewer=reviewer, edited_from=row.draft_id)
    _record(tx, row, f"draft_{state}", reviewer, now, stored_as=str(new["draft_id"]))
    campaign_days.mark_dirty(tx, unit, store.ASSET)
    return uuid.UUID(str(new["draft_id"]))


def _record(tx: sa.Connection, row: Any, action: str, reviewer: str, now: dt.datetime, **more: str) -> None:
    detail = {"campaign": row.campaign, "step": row.step, "version": row.version, **more}
    audit_log.record(tx, actor=f"operator {reviewer}", action=action, subject=str(row.draft_id), detail=detail, now=now)


def settled(tx: sa.Connection, row: Any) -> str | None:
    """Why nothing can be said about a draft any more, with what to look at instead; None while something can."""
    d, s = email_drafts, email_sends
    newest = tx.execute(
        sa.select(d.c.draft_id, d.c.version)
        .where(*(d.c[key] == getattr(row, key) for key in ("campaign", "cohort_on", "business_id", "step")))
        .order_by(d.c.version.desc())
        .limit(1)
    ).one()
    if newest.draft_id != row.draft_id:
        return f"draft {row.draft_id} was superseded by version {newest.version}: look at {newest.draft_id}"
    state = tx.scalar(
        sa.select(s.c.state).where(
            s.c.campaign == row.campaign, s.c.business_id == row.business_id, s.c.step == row.step
        )
    )
    if state not in (None, "planned"):
        return f"the send of draft {row.draft_id} is {state}: nothing can be changed about it any more"
    return None


def _hold(tx: sa.Connection, row: Any) -> None:
    """Takes the claim's lock and makes sure that the draft is the newest of its letter and has not left."""
    from leadfactory.d09_delivery.claiming import CLAIM_LOCK  # the claim's gates ask this room

    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(CLAIM_LOCK)))
    over = settled(tx, row)
    if over is not None:
        raise ReviewRefused(over)


def _earlier(tx: sa.Connection, row: Any) -> Earlier | None:
    """The first letter of a follow-up's conversation."""
    if row.step == store.FIRST_TOUCH:
        return None
    s, d = email_sends, email_drafts
    found = tx.execute(
        sa.select(s.c.step, s.c.claimed_at, d.c.finding_ids)
        .join(d, d.c.draft_id == s.c.draft_id)
        .where(s.c.campaign == row.campaign, s.c.business_id == row.business_id, s.c.step < row.step)
        .order_by(s.c.step)
    ).all()
    told = tuple(each for letter in found for each in letter.finding_ids)
    return Earlier(where(found[0].claimed_at, row.timezone), told) if found and found[0].claimed_at else None


def _names(row: Any, sender: Sender) -> bool:
    return sender.name in row.body_text and sender.postal_address in row.body_text
