"""Auto-pause: complaints and bounces stop a sender or a campaign at once, stale lists a mailer. Only a person lets it go on.

``broken`` is pure: the rules of config/delivery.yaml over a subject's own mails. A halt is a row of ``halts``; while it is open the
gate ``halted`` keeps every send of its subject waiting. What a person has looked at and let go on does not count again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d00_gateway.mail import SENDGRID
from leadfactory.d09_delivery import list_age
from leadfactory.d09_delivery.policy import AutoPause, policy
from leadfactory.d09_delivery.tables import email_sends, halts, send_outcomes

_HOUR = dt.timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Mailed:
    """What became of one mail that arrived or bounced; a complaint is proof of arrival."""

    arrived: bool
    bounced_at: dt.datetime | None = None
    arrived_at: dt.datetime | None = None
    complained: bool = False


@dataclasses.dataclass(frozen=True)
class Broken:
    """A rule that is broken, and the figures that break it."""

    rule: str
    detail: str


def broken(newest_first: Sequence[Mailed], arrived_ever: int, now: dt.datetime, rules: AutoPause) -> list[Broken]:
    """The rules that a subject's mails break.

    Args:
        newest_first: its mails that arrived or bounced since a person last let it go on, and those complained of since.
        arrived_ever: how many of its mails ever arrived, which says whether it is in its first hundred.
    """
    found: list[Broken] = []
    arrived = [mail for mail in newest_first if mail.arrived]
    last = sum(mail.complained for mail in arrived[: rules.complaints_of_last])
    if last >= rules.complaints:
        found.append(Broken("complaints", f"{last} complaints in the last {min(len(arrived), rules.complaints_of_last)} delivered"))  # fmt: skip
    elif (
        arrived_ever <= rules.first_delivered and sum(mail.complained for mail in arrived) >= rules.complaints_of_first
    ):
        found.append(Broken("complaints_at_first", f"{last} complaint in its first {arrived_ever} delivered"))
    recent = newest_first[: rules.bounces_of_last]
    bounced = sum(mail.bounced_at is not None for mail in recent)
    if bounced >= rules.bounces and bounced >= rules.bounce_share * len(recent):
        found.append(Broken("bounces", f"{bounced} bounces in the last {len(recent)}"))
    hour = [mail for mail in newest_first if _within(mail.bounced_at or mail.arrived_at, now)]
    bounced = sum(mail.bounced_at is not None for mail in hour)
    if len(hour) >= rules.hour_at_least and bounced >= rules.hour_share * len(hour):
        found.append(Broken("bounces_in_an_hour", f"{bounced} bounces of {len(hour)} within an hour"))
    return found


def judge(tx: sa.Connection, senders: Iterable[str], campaigns: Iterable[str], now: dt.datetime) -> int:
    """Halts those of the named senders and campaigns that break a rule; how many halts are new."""
    new = 0
    for scope, subjects in (("sender", senders), ("campaign", campaigns)):
        for subject in sorted(set(subjects)):
            history, ever = _history(tx, scope, subject)
            for each in broken(history, ever, now, policy().auto_pause):
                new += halt(tx, scope, subject, each.rule, each.detail, now)
    return new


def judge_lists(tx: sa.Connection, env: str, now: dt.datetime) -> int:
    """Halts SendGrid when its suppression lists were not read for too long; how many halts are new.

    A push that was lost is known by the lists only: without them mail would go on to people who said no.
    """
    after = dt.timedelta(hours=policy().suppression_lists_stale_after_hours)
    why = list_age.stale(tx, now, after, policy().simulated_bases(env))
    return 0 if why is None else halt(tx, "mailer", SENDGRID, "stale_suppressions", why, now)


def halt(tx: sa.Connection, scope: str, subject: str, rule: str, detail: str, now: dt.datetime) -> int:
    """Opens a halt unless the same one is open; 1 when it is new."""
    statement = insert(halts).values(scope=scope, subject=subject, rule=rule, detail=detail, halted_at=now)
    done = tx.execute(statement.on_conflict_do_nothing().returning(halts.c.halt_id))
    return len(done.all())


def listed(tx: sa.Connection, *, all_of_them: bool = False) -> list[dict[str, Any]]:
    """Halts that are open, or all, the youngest first."""
    query = sa.select(halts).order_by(halts.c.halt_id.desc())
    if not all_of_them:
        query = query.where(halts.c.resumed_at.is_(None))
    return [dict(row._mapping) for row in tx.execute(query)]


def resume(tx: sa.Connection, halt_id: int, *, by: str, why: str, now: dt.datetime) -> dict[str, Any]:
    """A person lets a halted subject go on.

    Raises:
        ValueError: nobody is named, or no reason is given. LookupError: there is no such open halt.
    """
    if not by.strip() or len(why.strip()) < 10:
        raise ValueError("a halt is lifted by a named person who says why in at least ten letters: give --by and --why")
    row = tx.execute(
        sa.update(halts)
        .where(halts.c.halt_id == halt_id, halts.c.resumed_at.is_(None))
        .values(resumed_at=now, resumed_by=by.strip(), resumed_why=why.strip())
        .returning(halts)
    ).first()
    if row is None:
        raise LookupError(f"halt {halt_id} is not open: `leadfactory halts list` names those that are")
    return dict(row._mapping)


def _history(tx: sa.Connection, scope: str, subject: str) -> tuple[list[Mailed], int]:
    s, o, rules = email_sends, send_outcomes, policy().auto_pause
    mine = s.c.sender_email == subject if scope == "sender" else s.c.campaign == subject
    resumed = tx.scalar(
        sa.select(sa.func.max(halts.c.resumed_at)).where(halts.c.scope == scope, halts.c.subject == subject)
    )
    arrived = sa.or_(o.c.delivered_at.is_not(None), o.c.complained_at.is_not(None))
    decided = sa.or_(arrived, o.c.delivery == "bounced")
    joined = sa.join(s, o, o.c.send_id == s.c.send_id)
    ever = tx.scalar(sa.select(sa.func.count()).select_from(joined).where(mine, arrived)) or 0
    query = (
        sa.select(
            arrived.label("arrived"), o.c.delivery, o.c.bounced_at, o.c.complained_at,
            sa.func.coalesce(o.c.delivered_at, o.c.complained_at).label("arrived_at"),
        )
        .select_from(joined)
        .where(mine, decided)
        .order_by(s.c.claimed_at.desc(), s.c.send_id)
        .limit(rules.complaints_of_last + rules.bounces_of_last)  # so many delivered, whatever bounced among them
    )  # fmt: skip
    if resumed is not None:  # what was complained of since then is nothing that anybody has looked at
        query = query.where(sa.or_(s.c.claimed_at > resumed, o.c.complained_at > resumed))
    rows = tx.execute(query)
    return [
        Mailed((row.arrived and row.delivery != "bounced") or row.complained_at is not None,
               row.bounced_at if row.delivery == "bounced" else None, row.arrived_at, row.complained_at is not None)
        for row in rows
    ], ever  # fmt: skip


def _within(moment: dt.datetime | None, now: dt.datetime) -> bool:
    return moment is not None and now - _HOUR < moment <= now
