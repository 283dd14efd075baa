"""What other rules would have made of stored cohorts: tier moves, expected revenue, the leads that change. Writes nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d05_scoring import gathering, revenue, rules
from leadfactory.d05_scoring.leads import Lead, from_inputs, without_expired
from leadfactory.d05_scoring.rule_file import TIERS, RuleFile
from leadfactory.d05_scoring.rules import Score
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.vendor_terms import VendorTerms

ORDER = (*TIERS, "none")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a lead stands under some rules; ``reason`` is why it does not qualify."""

    score: int | None
    tier: str
    qualified: bool
    reason: str | None


@dataclasses.dataclass(frozen=True)
class Change:
    """A lead whose tier or qualification differs."""

    campaign_day: str
    business_id: uuid.UUID
    before: Verdict
    after: Verdict


@dataclasses.dataclass
class Backtest:
    """The comparison. ``moves`` is (tier before, tier after) → leads; ``expired`` input → leads that lost it to its vendor's terms.

    ``expected_*`` is in cents: price x purchase probability by tier over the qualified, an estimate.
    """

    rules_version: str
    campaign_days: int = 0
    leads: int = 0
    reread: int = 0
    leads_with_expired: int = 0
    expired: Counter[str] = dataclasses.field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    qualified_before: int = 0
    qualified_after: int = 0
    expected_before_cents: float = 0.0
    expected_after_cents: float = 0.0
    changes: list[Change] = dataclasses.field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "rules_version": self.rules_version,
            "campaign_days": self.campaign_days,
            "leads": self.leads,
            "leads_scored_before_inputs_were_stored": self.reread,
            "leads_with_expired_inputs": self.leads_with_expired,
            "expired_inputs": dict(sorted(self.expired.items())),
            "tier_moves": {old: {new: self.moves[old, new] for new in ORDER} for old in ORDER},
            "qualified": {"before": self.qualified_before, "after": self.qualified_after},
            "expected_revenue_cents_estimate": {
                "before": round(self.expected_before_cents),
                "after": round(self.expected_after_cents),
            },
            "changed": [dataclasses.asdict(each) for each in self.changes],
        }


def backtest(
    tx: sa.Connection,
    new: RuleFile,
    *,
    since: dt.date,
    until: dt.date,
    now: dt.datetime,
    price_cents: int,
    campaign: str | None = None,
    terms: VendorTerms | None = None,
) -> Backtest:
    """Scores the cohorts of ``since`` to ``until`` (both included) by ``new`` from the inputs that their scores rest on.

    The transaction is made read-only first. An input that its vendor's terms no longer let us hold counts as unknown; leads
    whose score was stored without its inputs are read from the rooms' rows as they are now.
    """
    tx.execute(sa.text("SET TRANSACTION READ ONLY"))
    terms = terms or VendorTerms.load()
    found = Backtest(rules.version(new))
    for unit, rows in _stored(tx, since, until, campaign).items():
        about = gathering.campaign(tx, unit)
        held, reread = _leads(tx, unit, rows, about.vertical)
        leads = [_unexpired(lead, now, terms, found) for lead in held]
        after = {
            each.lead.business_id: each
            for each in rules.judge(leads, top_share=about.top_share, min_tier=about.min_tier, rules=new)
        }
        found.campaign_days += 1
        found.leads += len(leads)
        found.reread += reread
        for row in rows:
            if row["business_id"] in after:
                _compare(
                    found, unit, _of_row(row), _of_score(after[row["business_id"]]), row["business_id"], price_cents
                )
    found.changes.sort(key=lambda each: (each.campaign_day, ORDER.index(each.after.tier), str(each.business_id)))
    return found


def _stored(
    tx: sa.Connection, since: dt.date, until: dt.date, campaign: str | None
) -> Mapping[CampaignDay, list[Mapping[str, Any]]]:
    """The newest version of each score, by campaign-day."""
    s = lead_scores.c
    query = (
        sa.select(s.campaign, s.cohort_on, s.business_id, s.score, s.tier, s.qualified, s.reason, s.inputs)
        .distinct(s.campaign, s.cohort_on, s.business_id)
        .where(s.cohort_on.between(since, until))
        .order_by(s.campaign, s.cohort_on, s.business_id, s.version.desc())
    )
    if campaign is not None:
        query = query.where(s.campaign == campaign)
    found: dict[CampaignDay, list[Mapping[str, Any]]] = defaultdict(list)
    for row in tx.execute(query).mappings():
        found[CampaignDay(row["campaign"], row["cohort_on"])].append(dict(row))
    return found


def _leads(
    tx: sa.Connection, unit: CampaignDay, rows: Sequence[Mapping[str, Any]], vertical: str
) -> tuple[list[Lead], int]:
    """The leads as they were judged, and how many of them had to be read again because their inputs were not stored."""
    held = [from_inputs(row["business_id"], row["inputs"]) for row in rows if row["inputs"] is not None]
    lacking = {row["business_id"] for row in rows if row["inputs"] is None}
    if not lacking:
        return held, 0
    again = [lead for lead in gathering.leads(tx, unit, vertical) if lead.business_id in lacking]
    return held + again, len(again)


def _unexpired(lead: Lead, now: dt.datetime, terms: VendorTerms, found: Backtest) -> Lead:
    kept, gone = without_expired(lead, now, terms)
    found.expired.update(gone)
    found.leads_with_expired += bool(gone)
    return kept


def _compare(
    found: Backtest, unit: CampaignDay, before: Verdict, after: Verdict, business_id: uuid.UUID, price_cents: int
) -> None:
    found.moves[before.tier, after.tier] += 1
    found.qualified_before += before.qualified
    found.qualified_after += after.qualified
    found.expected_before_cents += _expected(before, price_cents)
    found.expected_after_cents += _expected(after, price_cents)
    if (before.tier, before.qualified) != (after.tier, after.qualified):
        found.changes.append(Change(unit.key, business_id, before, after))


def _expected(verdict: Verdict, price_cents: int) -> float:
    if not verdict.qualified:
        return 0.0
    return price_cents * revenue.config().purchase_probability[verdict.tier]


def _of_row(row: Mapping[str, Any]) -> Verdict:
    return Verdict(row["score"], row["tier"], row["qualified"], row["reason"])


def _of_score(scored: Score) -> Verdict:
    return Verdict(scored.score, scored.tier, scored.qualified, scored.reason)
