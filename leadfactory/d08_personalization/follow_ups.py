"""Writes the next letter of each running conversation when it is due: shorter, with a finding that was not told yet.

Follow-ups are worded by the rules alone, so that a run that sends calls no other vendor. They say what was measured before the
first letter, and refer to it by its day.
"""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import where
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.insights import facts_of
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d07_storefront.price_book import price_for
from leadfactory.d08_personalization import composing, store
from leadfactory.d08_personalization.contents import Content, Earlier, choose_next
from leadfactory.d08_personalization.store import Lead
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d08_personalization.writing import Writer
from leadfactory.d09_delivery import sequences
from leadfactory.d09_delivery.tables import email_sends, sequence_stops
from leadfactory.d11_experiments import kinds
from leadfactory.statements import AnyUnit, any_unit, of
from leadfactory.tokens import Tokens

Delays = Sequence[dt.timedelta]


def write_due(
    tx: sa.Connection, tokens: Tokens, public_url: str, unit: CampaignDay | None, now: dt.datetime, delays: Delays
) -> int:
    """Drafts each follow-up of ``unit`` (or of all) that is due by now and not written yet; how many are new.

    ``delays`` has one entry for each follow-up: how long after the letter before it was claimed it is due.
    """
    due: dict[CampaignDay, list[Any]] = defaultdict(list)
    for row in tx.execute(_due(any_unit(unit), len(delays)), _due_at(unit, now, delays)) if delays else ():
        due[CampaignDay(row.campaign, row.cohort_on)].append(row)
    for day, rows in due.items():
        _write(tx, day, rows, Writer(day, tokens, public_url), 1 + len(delays), now)
    return sum(map(len, due.values()))


def count_due(tx: sa.Connection, now: dt.datetime, delays: Delays) -> int:
    """How many follow-ups are due and not written."""
    if not delays:
        return 0
    due = _due(None, len(delays)).order_by(None).subquery()
    return tx.scalar(sa.select(sa.func.count()).select_from(due), _due_at(None, now, delays)) or 0


def _write(
    tx: sa.Connection, unit: CampaignDay, rows: list[Any], writer: Writer, last_step: int, now: dt.datetime
) -> None:
    facts, arms, told, changes = facts_of(tx, unit), store.arms_of(tx, unit), _told(tx, unit), kinds.of_all(tx)
    campaign = tx.execute(sa.select(campaigns).where(campaigns.c.campaign == unit.campaign)).one()
    done = []
    for row in rows:
        content = _content(row, facts.get(row.business_id, []), told[row.business_id], campaign.vertical, last_step)
        price = None if content is None else price_for(tx, row.business_id, unit.campaign, now)
        lead = Lead(
            row.business_id,
            1,
            content,
            store.sender_of(campaign),
            arms.get(row.business_id, {}),
            price,
            row.step + 1,
            changes,
        )
        wording = None if content is None else composing.by_rules(content, "follow-ups are worded by the rules")
        done.append(writer.row(lead, wording, None, now))
    store.write_in(tx, unit, done, now)


def _content(row: Any, facts: list[Fact], told: tuple[uuid.UUID, ...], vertical: str, last_step: int) -> Content | None:
    fresh = choose_next(facts, told)
    if fresh is None:
        return None
    return Content(
        domain=row.site_host.removeprefix("www."),
        own_name=row.own_name,
        vertical=vertical,
        measured_at=where(row.fetched_at, row.timezone),
        hook=fresh,
        second=None,
        quick=None,
        findings=len(facts),
        seed=store.seed_of(row.business_id),
        step=row.step + 1,
        last=row.step + 1 >= last_step,
        earlier=Earlier(where(row.first_at, row.timezone), told),
    )


def _due_at(unit: CampaignDay | None, now: dt.datetime, delays: Delays) -> dict[str, Any]:
    """The values with which ``_due`` is asked."""
    return of(unit) | {"now": now} | {f"claimed_by_{n}": now - delay for n, delay in enumerate(delays, start=1)}


@functools.cache
def _due(unit: AnyUnit | None, delays: int) -> sa.Select[Any]:
    """Accepted sends of running conversations whose next letter is due and unwritten, while their audit may be mailed from."""
    first, e, a, d = email_sends.alias("first"), enriched_businesses, site_audits, email_drafts
    x, keys = sequence_stops, ("campaign", "cohort_on", "business_id")
    one = ("business_id", "campaign")  # with the step the key of a send
    sent = email_sends
    old_enough = (
        sa.and_(sent.c.step == n, sent.c.claimed_at <= sa.bindparam(f"claimed_by_{n}")) for n in range(1, 1 + delays)
    )
    due = sa.select(sent).where(sent.c.state == "accepted", sa.or_(*old_enough))
    if unit is not None:
        due = due.where(sent.c.campaign == unit.campaign, sent.c.cohort_on == unit.day)
    # those first: they are few, and each then asks for its own rows by their keys
    s = due.cte("due").prefix_with("MATERIALIZED", dialect="postgresql")
    return (
        sa.select(
            *(s.c[key] for key in keys),
            s.c.step,
            first.c.claimed_at.label("first_at"),
            e.c.site_host,
            e.c.own_name,
            e.c.timezone,
            a.c.fetched_at,
        )
        .join(first, sa.and_(*(first.c[key] == s.c[key] for key in one), first.c.step == store.FIRST_TOUCH))
        .join(e, sa.and_(*(e.c[key] == s.c[key] for key in keys)))
        .join(a, sa.and_(*(a.c[key] == s.c[key] for key in keys)))
        .where(
            first.c.claimed_at.is_not(None),
            a.c.status == "ok",
            a.c.expires_at > sa.bindparam("now"),
            ~sa.exists().where(*(d.c[key] == s.c[key] for key in keys), d.c.step == s.c.step + 1),
            ~sa.exists().where(x.c.campaign == s.c.campaign, x.c.business_id == s.c.business_id),
            ~sequences.undelivered(s.c.send_id),
        )
        .order_by(s.c.campaign, s.c.cohort_on, s.c.business_id, s.c.step)
    )


def _told(tx: sa.Connection, unit: CampaignDay) -> dict[uuid.UUID, tuple[uuid.UUID, ...]]:
    """The findings that the accepted letters of the day's businesses told."""
    s, d = email_sends, email_drafts
    rows = tx.execute(
        sa.select(s.c.business_id, d.c.finding_ids)
        .join(d, d.c.draft_id == s.c.draft_id)
        .where(s.c.campaign == unit.campaign, s.c.cohort_on == unit.day, s.c.state == "accepted")
        .order_by(s.c.business_id, s.c.step)
    )
    found: dict[uuid.UUID, tuple[uuid.UUID, ...]] = defaultdict(tuple)
    for row in rows:
        found[row.business_id] += tuple(row.finding_ids)
    return found
