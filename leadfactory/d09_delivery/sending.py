"""Sends what is due: planned → claimed → journal → vendor → accepted, rejected or unknown. Never twice, whatever is killed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import time
import uuid
from collections import Counter
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.sendgrid import Mail, SendGridClient
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery import claiming, journal, planning, suppression
from leadfactory.d09_delivery.rules import DeliveryRules, rules
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.flow import Progress, each, quiet
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.locks import CampaignDayBusy, campaign_day_lock
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

ASSET = "email_sends"
ADAPTER = "sendgrid"
_UNSUBSCRIBE = re.compile(r"https?://\S+/u/[A-Za-z0-9_\-]+")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a hand-over ended: accepted with the vendor's id, rejected, unknown, or not_left."""

    send_id: uuid.UUID
    state: str
    reason: str | None = None
    sendgrid_id: str | None = None


def count_due(tx: sa.Connection, now: dt.datetime) -> int:
    """How many letters wait: planned and due, or drafted in a launched campaign and not planned yet."""
    planned = tx.scalar(
        sa.select(sa.func.count()).select_from(email_sends).where(
            email_sends.c.state == "planned", email_sends.c.due_at <= now, email_sends.c.expires_at > now
        )
    )  # fmt: skip
    return (planned or 0) + sum(_unplanned(tx, now).values())


async def send_all_due(
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    sendgrid: SendGridClient,
    dry_run: bool = True,
    limit: int | None = None,
) -> list[StageReport]:
    """One report for each campaign-day with letters due; a campaign-day that another process holds is left for its next tick."""
    now = clock.now()
    with db.begin() as tx:
        units = set(_unplanned(tx, now)) | {
            CampaignDay(row.campaign, row.cohort_on)
            for row in tx.execute(
                sa.select(email_sends.c.campaign, email_sends.c.cohort_on)
                .where(email_sends.c.state.in_(("planned", "claimed")))
                .distinct()
            )
        }
    reports, left = [], limit
    for unit in sorted(units):
        try:
            with campaign_day_lock(db, unit, "delivery"):
                report = await send_due(
                    unit, db=db, clock=clock, settings=settings, sendgrid=sendgrid, dry_run=dry_run, limit=left
                )
        except CampaignDayBusy:
            continue
        reports.append(report)
        if left is not None:
            left = max(0, left - report.counts.get("handed over", 0))
    return reports


async def send_due(
    unit: CampaignDay, *, db: Database, clock: Clock, settings: Settings, sendgrid: SendGridClient, dry_run: bool = True,
    limit: int | None = None, progress: Progress = quiet,
) -> StageReport:  # fmt: skip
    """Sends, or with ``dry_run`` only lists, the due letters of ``unit``; the caller holds its delivery lock.

    Raises:
        OSError: when the journal cannot be written; nothing was sent then.
    """
    began, now = time.monotonic(), clock.now()
    chosen = rules()
    bases = chosen.accepted(ADAPTER, production=settings.env == "production")
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    stopped: Counter[str] = Counter()
    notes: list[str] = []
    handed, calls, spend = 0, 0, 0
    if dry_run:
        handed, stopped = _rehearse(db, unit, now, chosen, bases, hashes, limit)
        notes.append(f"dry run: {handed} would be sent; nothing was claimed, written or called")
    else:
        with db.begin() as tx:
            problem = suppression.key_problem(tx, hashes, now)
            _settle_the_dead(tx, unit, now)
            _expire(tx, unit, now)
            if problem is None:
                planning.plan_sends(tx, unit, now)
        if problem is not None:
            notes.append(f"nothing was sent: {problem}")
        else:
            async with sendgrid.gateway.running(unit=unit, asset=ASSET) as scope:
                handed = await _send_batches(
                    unit, db, clock, settings, sendgrid, chosen, bases, hashes, limit, stopped, progress
                )
            calls, spend = scope.calls, scope.spend_microusd
    with db.begin() as tx:
        counts = _counts(tx, unit)
        if not dry_run and counts and not counts["planned"] and not counts["claimed"]:
            campaign_days.set_state(tx, unit, "listening")
        state = campaign_days.state_of(tx, unit)
    open_rows = counts["planned"] + counts["claimed"]
    final = counts.total() - open_rows
    return StageReport(
        ASSET, unit, state, rows_in=counts.total(), rows_out=final, rows_open=open_rows, calls=calls, spend_microusd=spend,
        seconds=time.monotonic() - began,
        counts={**counts, **{f"stopped: {reason}": n for reason, n in stopped.items()}, ("would be handed over" if dry_run else "handed over"): handed},
        chart={**counts}, chart_title="letters by state", notes=tuple(notes),
    )  # fmt: skip


async def _send_batches(
    unit: CampaignDay, db: Database, clock: Clock, settings: Settings, sendgrid: SendGridClient, chosen: DeliveryRules,
    bases: tuple[str, ...], hashes: KeyedHashes, limit: int | None, stopped: Counter[str], progress: Progress,
) -> int:  # fmt: skip
    seen: list[uuid.UUID] = []
    handed = 0
    while limit is None or handed < limit:
        most = chosen.claim_batch if limit is None else min(chosen.claim_batch, limit - handed)
        now = clock.now()
        with db.begin() as tx:
            batch = claiming.claim(tx, unit, now=now, rules=chosen, bases=bases, hashes=hashes, seen=seen, most=most)
        seen += batch.seen
        stopped.update(batch.stopped)
        if not batch.seen:
            break
        if not batch.claimed:
            continue
        _journalled(db, batch.claimed, settings, now)
        outcomes: list[Outcome] = []
        await each(
            batch.claimed,
            lambda one: _hand_over(one, sendgrid, settings),
            outcomes.extend,
            at_once=chosen.at_once,
            batch=1,
        )
        with db.begin() as tx:
            _settle(tx, unit, outcomes, clock.now())
        handed += len(batch.claimed)
        progress(ASSET, handed, handed + 1)
        if outcomes and all(outcome.state == "not_left" for outcome in outcomes):
            stopped.update({f"mailer_unavailable ({outcomes[0].reason})": len(outcomes)})
            break
    return handed


def _journalled(db: Database, claimed: list[claiming.Claimed], settings: Settings, now: dt.datetime) -> None:
    """The journal has the claims before the vendor does; without a journal they go back to planned."""
    try:
        journal.write(settings.journal, [(one.send_id, one.unit, one.address_hmac) for one in claimed], now)
    except OSError:
        with db.begin() as tx:
            claiming.move(tx, [one.send_id for one in claimed], "claimed", "planned", now, "journal_not_written")
        raise


async def _hand_over(one: claiming.Claimed, sendgrid: SendGridClient, settings: Settings) -> Outcome:
    """One attempt. What is not answered is unknown, and is never sent again."""
    link = _UNSUBSCRIBE.search(one.body_text)
    if link is None:
        return Outcome(one.send_id, "not_left", "no_unsubscribe_link")
    mail = Mail(
        send_id=one.send_id, to_email=one.contact_email, from_email=one.sender_email, from_name=one.sender_name,
        reply_to=one.sender_email, subject=one.subject, text=one.body_text, html=one.body_html,
        headers={"List-Unsubscribe": f"<{link[0]}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        custom_args={"campaign_day": one.unit.key}, categories=("first-touch",),
    )  # fmt: skip
    try:
        message_id = await sendgrid.send(mail)
    except VendorRejected as error:
        return Outcome(one.send_id, "rejected", error.reason)
    except VendorUnavailable as error:
        return Outcome(one.send_id, "unknown" if error.left_the_house else "not_left", error.reason)
    return Outcome(one.send_id, "accepted", sendgrid_id=message_id)


def _settle(tx: sa.Connection, unit: CampaignDay, outcomes: list[Outcome], now: dt.datetime) -> None:
    for outcome in outcomes:
        if outcome.state == "not_left":
            claiming.move(tx, [outcome.send_id], "claimed", "planned", now, outcome.reason, claimed_at=None)
        else:
            claiming.move(
                tx,
                [outcome.send_id],
                "claimed",
                outcome.state,
                now,
                outcome.reason,
                sendgrid_id=outcome.sendgrid_id,
                settled_at=now,
            )
    campaign_days.mark_dirty(tx, unit, ASSET, "send_transitions")


def _settle_the_dead(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> None:
    """Whoever claimed these held the lock that we hold now, so it is gone: nobody knows what it handed over."""
    ids = list(tx.scalars(sa.select(email_sends.c.send_id).where(_of(unit), email_sends.c.state == "claimed")))
    claiming.move(tx, ids, "claimed", "unknown", now, "process_died", settled_at=now)


def _expire(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> None:
    late = sa.and_(_of(unit), email_sends.c.state == "planned", email_sends.c.expires_at <= now)
    ids = list(tx.scalars(sa.select(email_sends.c.send_id).where(late)))
    if claiming.move(tx, ids, "planned", "expired", now, "window_passed", settled_at=now):
        campaign_days.mark_dirty(tx, unit, ASSET, "send_transitions")


def _rehearse(
    db: Database,
    unit: CampaignDay,
    now: dt.datetime,
    chosen: DeliveryRules,
    bases: tuple[str, ...],
    hashes: KeyedHashes,
    limit: int | None,
) -> tuple[int, Counter[str]]:
    """Claims for real in a transaction that is taken back: the same gates, and nothing remains."""
    with db.engine.connect() as connection:
        outer = connection.begin()
        try:
            planning.plan_sends(connection, unit, now)
            batch = claiming.claim(
                connection, unit, now=now, rules=chosen, bases=bases, hashes=hashes, seen=[], most=limit or 10_000
            )
        finally:
            outer.rollback()
    return len(batch.claimed), batch.stopped


def _unplanned(tx: sa.Connection, now: dt.datetime) -> Counter[CampaignDay]:
    """Campaign-days of launched campaigns with drafts that nobody planned and that have not expired."""
    d, s, c = email_drafts, email_sends, campaigns
    fresh = now - dt.timedelta(hours=rules().first_touch_expires_hours)
    rows: Any = tx.execute(
        sa.select(d.c.campaign, d.c.cohort_on, sa.func.count().label("n"))
        .join(c, c.c.campaign == d.c.campaign)
        .where(
            d.c.status == "drafted", d.c.drafted_at > fresh, c.c.state == "launched",
            ~sa.exists().where(s.c.business_id == d.c.business_id, s.c.campaign == d.c.campaign, s.c.step == d.c.step),
        )
        .group_by(d.c.campaign, d.c.cohort_on)
    )  # fmt: skip
    return Counter({CampaignDay(row.campaign, row.cohort_on): row.n for row in rows})


def _of(unit: CampaignDay) -> sa.ColumnElement[bool]:
    return sa.and_(email_sends.c.campaign == unit.campaign, email_sends.c.cohort_on == unit.day)


def _counts(tx: sa.Connection, unit: CampaignDay) -> Counter[str]:
    rows = tx.execute(
        sa.select(email_sends.c.state, sa.func.count().label("n")).where(_of(unit)).group_by(email_sends.c.state)
    )
    return Counter({row.state: row.n for row in rows})
