"""D8's SQL: which leads wait for a first letter, and writing drafts with their verdicts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import where
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.insights import facts_of
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d05_scoring.scoring import newest
from leadfactory.d07_storefront.price_book import Price, price_for
from leadfactory.d08_personalization import reviews
from leadfactory.d08_personalization.contents import Content, Sender, choose
from leadfactory.d08_personalization.records import ROW_RULES
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.d11_experiments import kinds
from leadfactory.d11_experiments.buckets import HOLDOUT
from leadfactory.d11_experiments.tables import experiment_assignments
from leadfactory.database import Database
from leadfactory.quality import rows as row_rules
from leadfactory.quality import verdicts
from leadfactory.quality.verdicts import Verdict
from leadfactory.statements import ANY_UNIT, AnyUnit, of

ASSET = "email_drafts"
FIRST_TOUCH = 1
SENDER_CHANGED = "the campaign's sender changed after an operator worded the letter: approve it to frame it anew"
NO_SENDER = "[sender name not set]"  # what a draft of an unfinished campaign shows; such a draft is never planned
NO_ADDRESS = "[postal address not set]"


@dataclasses.dataclass(frozen=True)
class Lead:
    """A business to write to, the step and version its draft will have, and its arms by experiment.

    ``price`` is None for a business that is not written to: nobody was told one.
    """

    business_id: uuid.UUID
    version: int
    content: Content | None
    sender: Sender
    arms: Mapping[str, str]
    price: Price | None = None
    step: int = FIRST_TOUCH
    changes: kinds.Kinds = dataclasses.field(default_factory=dict)  # by experiment

    @property
    def subject_arm(self) -> str:
        """The arm of the subject; who is in no test gets a plain one."""
        return kinds.arm(self.changes, self.arms, kinds.SUBJECT_LINE) or "plain"

    @property
    def template(self) -> str | None:
        """The arm of the template, if a test gives one."""
        return kinds.arm(self.changes, self.arms, kinds.TEMPLATE)

    @property
    def held_out_of(self) -> list[str]:
        """The experiments that keep the business as their holdout."""
        return sorted(name for name, arm in self.arms.items() if arm == HOLDOUT)


def newest_drafts(unit: CampaignDay | AnyUnit | None) -> sa.Subquery:
    """The newest version of each draft, of ``unit`` or of all: the one that counts."""
    table = email_drafts
    query = sa.select(table).distinct(table.c.campaign, table.c.cohort_on, table.c.business_id, table.c.step)
    if unit is not None:
        query = query.where(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day)
    order = (table.c.campaign, table.c.cohort_on, table.c.business_id, table.c.step, table.c.version.desc())
    return query.order_by(*order).subquery("newest_drafts")


def sender_of(campaign: Any) -> Sender:
    """Who writes for a campaign; what is not set yet stands in brackets."""
    return Sender(campaign.sender_email or "", campaign.sender_name or NO_SENDER, campaign.postal_address or NO_ADDRESS)


def seed_of(business_id: uuid.UUID) -> str:
    """What fixes the choice of phrases for a business."""
    return str(business_id)


def waiting(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> tuple[int, list[Lead]]:
    """How many leads qualified, and those without a draft or with an unclaimed one that names another sender.

    The price of each that will be written to is fixed here, if it was not before. What an operator worded is not written over:
    when the sender changed it waits for review again; what an operator rejected stays rejected.
    """
    campaign = tx.execute(sa.select(campaigns).where(campaigns.c.campaign == unit.campaign)).one()
    sender = sender_of(campaign)
    rows = tx.execute(_qualified(), of(unit)).all()
    stale = [row for row in rows if row.version is not None and not row.claimed and _of_another(row, sender)]
    _wait_again(tx, unit, [row for row in stale if row.wording == "operator"], now)
    redrafted = {row.business_id for row in stale if row.wording != "operator" and row.said != "rejected"}
    wanted = [row for row in rows if row.version is None or row.business_id in redrafted]
    facts = facts_of(tx, unit) if wanted else {}
    arms, changes = (arms_of(tx, unit), kinds.of_all(tx)) if wanted else ({}, {})
    leads = [
        Lead(
            row.business_id,
            (row.version or 0) + 1,
            choose(
                facts.get(row.business_id, []),
                domain=row.site_host.removeprefix("www."),
                own_name=row.own_name,
                vertical=campaign.vertical,
                measured_at=where(row.fetched_at, row.timezone),
                seed=seed_of(row.business_id),
            ),
            sender,
            arms.get(row.business_id, {}),
            changes=changes,
        )
        for row in wanted
    ]
    return len(rows), [_priced(tx, unit, lead, now) for lead in leads]


@functools.cache
def _qualified() -> sa.Select[Any]:
    """The leads of a day that qualified, each with its newest first letter, if it has one, and what was said of that."""
    scores, drafts, said = newest(ANY_UNIT), newest_drafts(ANY_UNIT), reviews.newest()
    a, e = site_audits, enriched_businesses
    claimed = sa.exists().where(
        email_sends.c.business_id == scores.c.business_id,
        email_sends.c.campaign == ANY_UNIT.campaign,
        email_sends.c.step == FIRST_TOUCH,
        email_sends.c.claimed_at.is_not(None),
    )
    return (
        sa.select(
            scores.c.business_id,
            e.c.site_host,
            e.c.own_name,
            e.c.timezone,
            a.c.fetched_at,
            drafts.c.version,
            drafts.c.status,
            drafts.c.body_text,
            drafts.c.draft_id,
            drafts.c.step,
            drafts.c.wording,
            drafts.c.content_hash,
            said.c.state.label("said"),
            said.c.reason.label("said_why"),
            claimed.label("claimed"),
        )
        .join(e, _same(scores, e))
        .join(a, _same(scores, a))
        .outerjoin(drafts, sa.and_(drafts.c.business_id == scores.c.business_id, drafts.c.step == FIRST_TOUCH))
        .outerjoin(said, said.c.draft_id == drafts.c.draft_id)
        .where(scores.c.qualified)
        .order_by(scores.c.rank)
    )


def _wait_again(tx: sa.Connection, unit: CampaignDay, rows: Sequence[Any], now: dt.datetime) -> None:
    """Lets letters that an operator worded wait for review, because their sender is not the campaign's any more."""
    fresh = [row for row in rows if row.said != "rejected" and row.said_why != SENDER_CHANGED]
    cohort = {"campaign": unit.campaign, "cohort_on": unit.day}
    reviews.say(tx, [dict(row._mapping) | cohort for row in fresh], "waiting", now, reason=SENDER_CHANGED)


def _priced(tx: sa.Connection, unit: CampaignDay, lead: Lead, now: dt.datetime) -> Lead:
    if lead.content is None or lead.held_out_of:
        return lead
    return dataclasses.replace(lead, price=price_for(tx, lead.business_id, unit.campaign, now))


def _of_another(row: Any, sender: Sender) -> bool:
    body = row.body_text
    return row.status != "held_out" and body is not None and not (sender.name in body and sender.postal_address in body)


def _same(left: Any, right: Any) -> sa.ColumnElement[bool]:
    return sa.and_(*(left.c[key] == right.c[key] for key in ("campaign", "cohort_on", "business_id")))


def arms_of(tx: sa.Connection, unit: CampaignDay) -> Mapping[uuid.UUID, dict[str, str]]:
    """The arms of the day's businesses by experiment."""
    table = experiment_assignments
    found: dict[uuid.UUID, dict[str, str]] = defaultdict(dict)
    for row in tx.execute(
        sa.select(table.c.business_id, table.c.experiment, table.c.arm).where(
            table.c.campaign == unit.campaign, table.c.cohort_on == unit.day
        )
    ):
        found[row.business_id][row.experiment] = row.arm
    return found


def write(
    db: Database, unit: CampaignDay, done: Sequence[tuple[dict[str, Any], Verdict | None]], now: dt.datetime
) -> None:
    """Drafts and verdicts in one transaction."""
    with db.begin() as tx:
        write_in(tx, unit, done, now)


def write_in(
    tx: sa.Connection, unit: CampaignDay, done: Sequence[tuple[dict[str, Any], Verdict | None]], now: dt.datetime
) -> None:
    """Drafts with their verdicts. A row that a row rule refuses is kept as rejected, so that nobody is lost."""
    if not done:
        return
    _, refused = row_rules.split([row for row, _ in done], ROW_RULES, key="business_id")
    rule_of = {each.row_key: each.rule for each in refused}
    rows = [
        row | {"status": "rejected", "reason": f"row rule: {rule_of[str(row['business_id'])]}"}
        if str(row["business_id"]) in rule_of
        else row
        for row, _ in done
    ]
    row_rules.store_refused(tx, ASSET, unit, refused, now)
    statement = insert(email_drafts).on_conflict_do_nothing().returning(email_drafts.c.draft_id)
    new = set(tx.scalars(statement, rows))
    verdicts.record(tx, [verdict for _, verdict in done if verdict is not None], now)
    reviews.ask(tx, unit, [row for row in rows if row["draft_id"] in new], now)
    campaign_days.mark_dirty(tx, unit, ASSET)


def told(tx: sa.Connection, unit: CampaignDay) -> Sequence[Any]:
    """Status, wording and reason of the newest first letter of each lead."""
    return tx.execute(_told(), of(unit)).all()


@functools.cache
def _told() -> sa.Select[Any]:
    drafts = newest_drafts(ANY_UNIT)
    columns = (drafts.c.status, drafts.c.wording, drafts.c.reason)
    return sa.select(*columns).where(drafts.c.step == FIRST_TOUCH)
