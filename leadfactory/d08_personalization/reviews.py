"""What people say about drafts: which letters wait for a person, and the rows that let them leave or stop them.

A campaign's ``review_percent`` names a share of its businesses, always the same ones. The newest row of ``draft_reviews`` is a
draft's state; the function ``draft_cleared`` in the database says whether it may leave, for the plan and in the claim.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d08_personalization.letters import config
from leadfactory.d08_personalization.tables import draft_reviews, email_drafts

POLICY = "policy"  # why a draft waits that nobody objected to
# SQL over the gates' aliases. Where no letter waits for a person and nobody said anything about this one, the function need not be
# called, which costs more than all other gates together.
CLEARED = """(c.review_percent = 0 AND NOT EXISTS (SELECT 1 FROM draft_reviews r WHERE r.draft_id = d.draft_id)
        OR draft_cleared(d.draft_id, d.business_id, d.step, c.review_percent))"""
STATES = ("waiting", "approved", "edited", "rejected", "unreviewed")


class ReviewRefused(ValueError):
    """What was asked cannot be done to the draft; the message says why and what can be done."""


def percent_of(policy: str) -> int:
    """The share of letters that wait for a person under ``auto``, ``sample``, ``all``, or a number of percent.

    Raises:
        ValueError: names the value and what is allowed.
    """
    named = {"auto": 0, "sample": config().review_sample_percent, "all": 100}
    if policy in named:
        return named[policy]
    number = policy.removesuffix("%")
    if number.isdecimal() and int(number) <= 100:
        return int(number)
    raise ValueError(f"review={policy!r} is unknown: choose auto, sample, all, or a percentage from 0 to 100")


def sampled(business_id: uuid.UUID, step: int, percent: int) -> bool:
    """Whether a letter waits for a person: the same businesses at every repetition. ``draft_cleared`` is the same rule."""
    digest = hashlib.md5(f"{business_id}:{step}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) % 100 < percent


def ask(tx: sa.Connection, unit: CampaignDay, rows: Iterable[Mapping[str, Any]], now: dt.datetime) -> int:
    """Lets those of the new drafts wait that the campaign's policy names; how many."""
    percent = tx.scalar(sa.select(campaigns.c.review_percent).where(campaigns.c.campaign == unit.campaign)) or 0
    asked = [row for row in rows if row["status"] == "drafted" and sampled(row["business_id"], row["step"], percent)]
    say(tx, asked, "waiting", now, reason=POLICY)
    return len(asked)


def say(
    tx: sa.Connection,
    drafts: Sequence[Mapping[str, Any]],
    state: str,
    now: dt.datetime,
    *,
    reason: str | None = None,
    reviewer: str | None = None,
    edited_from: uuid.UUID | None = None,
) -> None:
    """Appends one row for each of ``drafts`` (rows of ``email_drafts``)."""
    keys = ("campaign", "cohort_on", "draft_id", "business_id", "step", "content_hash")
    said = {"state": state, "reason": reason, "reviewer": reviewer, "edited_from": edited_from, "reviewed_at": now}
    if drafts:
        tx.execute(sa.insert(draft_reviews), [{key: draft[key] for key in keys} | said for draft in drafts])


def newest() -> sa.Subquery:
    """The newest review of each draft."""
    t = draft_reviews
    return (
        sa.select(t.c.draft_id, t.c.state, t.c.reason, t.c.reviewer, t.c.reviewed_at)
        .distinct(t.c.draft_id)
        .order_by(t.c.draft_id, t.c.review_id.desc())
        .subquery("newest_reviews")
    )


def cleared(draft: Any, percent: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """SQL: whether a draft may leave as far as people are concerned; ``draft`` has the columns of ``email_drafts``."""
    return sa.func.leadfactory.draft_cleared(draft.c.draft_id, draft.c.business_id, draft.c.step, percent)


def history(tx: sa.Connection, draft: Any) -> list[Any]:
    """All that was said about any version of a letter, in order."""
    t, d = draft_reviews, email_drafts
    return list(
        tx.execute(
            sa.select(t, d.c.version)
            .join(d, d.c.draft_id == t.c.draft_id)
            .where(*(t.c[key] == getattr(draft, key) for key in ("campaign", "cohort_on", "business_id", "step")))
            .order_by(t.c.review_id)
        )
    )
