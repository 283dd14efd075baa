"""Why a business got its score and its mail, or why not: its way through the rooms, from stored rows only. Writes nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa

from leadfactory import archives
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d02_sourcing.merging import Merges
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d03_assessment.catalogue import catalogue, words
from leadfactory.d03_assessment.tables import audit_findings, site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d05_scoring import revenue
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.d11_experiments.tables import experiment_assignments

State = Literal["passed", "stopped", "waiting", "not reached"]
Row = Mapping[Any, Any]


@dataclasses.dataclass(frozen=True)
class Room:
    """What one room made of the business. ``details`` is plain data."""

    name: str
    state: State
    says: str
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The walk of one business through one campaign-day. ``first_gate`` is the first room that did not let it pass."""

    business_id: uuid.UUID
    site_host: str | None
    own_name: str | None
    campaign_day: str
    other_campaign_days: tuple[str, ...]
    rooms: tuple[Room, ...]

    @property
    def first_gate(self) -> Room | None:
        """Where the walk stopped or waits; None for a business that has been written to."""
        return next((room for room in self.rooms if room.state in ("stopped", "waiting")), None)

    def figures(self) -> dict[str, Any]:
        """As plain JSON."""
        gate = self.first_gate
        return dataclasses.asdict(self) | {
            "first_gate": None if gate is None else {"room": gate.name, "state": gate.state, "says": gate.says}
        }


def explain(tx: sa.Connection, business_id: uuid.UUID, now: dt.datetime) -> Explanation:
    """The walk through the campaign-day that holds the business: the newest in which it is no duplicate.

    Raises:
        LookupError: no campaign-day has it.
    """
    u = unique_businesses
    order = (u.c.duplicate_of.is_not(None), u.c.cohort_on.desc(), u.c.campaign)
    rows = tx.execute(sa.select(u).where(u.c.business_id == business_id).order_by(*order)).mappings().all()
    if not rows:
        raise LookupError(
            f"business {business_id} is in no campaign-day: ask by its id, its domain or a part of its own name"
        )
    unique = rows[0]
    unit = CampaignDay(unique["campaign"], unique["cohort_on"])
    look = _Look(tx, unit, business_id, now)
    site = look.one(enriched_businesses) or {}
    return Explanation(
        business_id,
        site.get("site_host"),
        site.get("own_name"),
        unit.key,
        tuple(f"{row['campaign']}|{row['cohort_on']}" for row in rows[1:]),
        _reached([room(look, unique) for room in _ROOMS], archives.archived(tx, unit)),
    )


@dataclasses.dataclass(frozen=True)
class _Look:
    """Reads the rows of one business in one campaign-day."""

    tx: sa.Connection
    unit: CampaignDay
    business_id: uuid.UUID
    now: dt.datetime

    def all(self, table: sa.Table, *order: Any) -> Sequence[Row]:
        """Its rows of ``table``."""
        t = table.c
        mine = (t.campaign == self.unit.campaign, t.cohort_on == self.unit.day, t.business_id == self.business_id)
        return self.tx.execute(sa.select(table).where(*mine).order_by(*order)).mappings().all()

    def one(self, table: sa.Table, *order: Any) -> Row | None:
        """The first of its rows."""
        rows = self.all(table, *order)
        return rows[0] if rows else None


def _reached(rooms: Sequence[Room], archived: Mapping[archives.Kind, dt.datetime]) -> tuple[Room, ...]:
    """Rooms that wait behind a closed gate were not reached; those whose rows were archived do not wait."""
    shut, told = False, []
    for room in rooms:
        kind = _ARCHIVED_WITH.get(room.name)
        if not shut and room.state == "waiting" and kind is not None and kind in archived:
            room = Room(room.name, "passed", archives.told(kind, archived[kind]))
        told.append(Room(room.name, "not reached", "", {}) if shut and room.state == "waiting" else room)
        shut = shut or room.state in ("stopped", "waiting")
    return tuple(told)


def _sourced(look: _Look, unique: Row) -> Room:
    s = sourced_businesses
    query = sa.select(s).where(
        s.c.campaign == look.unit.campaign, s.c.cohort_on == look.unit.day, s.c.sourced_id == unique["sourced_id"]
    )
    row = look.tx.execute(query).mappings().one_or_none()
    if row is None:
        return Room("sourced", "passed", "its listing is no longer stored")
    details = {"source": row["source"], "rank": row["rank"], "fetched_at": row["fetched_at"]}
    if row["excluded_reason"]:
        return Room("sourced", "stopped", f"excluded: {row['excluded_reason']}", details)
    return Room("sourced", "passed", f"found by {row['source']}, place {row['rank']} in its answer", details)


def _unique(look: _Look, unique: Row) -> Room:
    if unique["duplicate_of"] is not None:
        return Room("unique", "stopped", "held by an earlier cohort", {"duplicate_of": unique["duplicate_of"]})
    if unique["excluded_reason"]:
        return Room("unique", "stopped", f"excluded: {unique['excluded_reason']}")
    kept = Merges.read(look.tx).survivor(look.business_id)
    if kept != look.business_id:
        return Room("unique", "stopped", f"merged since into {kept}, which stands for it", {"merged_into": kept})
    listings = 1 + len(unique["merged_sourced_ids"])
    return Room("unique", "passed", f"one business made of {listings} listing{'s' if listings > 1 else ''}")


def _by_status(name: str, row: Row | None, ok: Callable[[Row], str], details: Mapping[str, Any]) -> Room:
    if row is None:
        return Room(name, "waiting", f"not {name} yet: the nightly run of its campaign-day does it")
    if row["status"] == "ok":
        return Room(name, "passed", ok(row), details)
    again = "; it is tried again" if row["retryable"] else ""
    return Room(name, "stopped", f"{row['status']}: {row['reason']}{again}", details)


def _enriched(look: _Look, unique: Row) -> Room:
    row = look.one(enriched_businesses)
    shown = (
        {}
        if row is None
        else {key: row[key] for key in ("place_match", "site_source", "platform", "contact_email_how", "fetched_at")}
    )
    if row is not None:
        shown["contact_email"] = "found" if row["contact_email"] else "none on the site"
    return _by_status("enriched", row, lambda r: f"its own website is {r['site_host']}", shown)


def _audited(look: _Look, unique: Row) -> Room:
    row = look.one(site_audits)
    f = audit_findings.c
    found = look.all(audit_findings, f.severity.desc(), f.kind)
    scores = ("performance", "accessibility", "best_practices", "seo")
    details = {} if row is None else {name: row[name] for name in (*scores, "fetched_at", "expires_at")}
    details["findings"] = [_finding(each) for each in found]
    return _by_status(
        "audited", row, lambda r: f"{len(found)} findings, performance {r['performance']} of 100", details
    )


def _finding(row: Row) -> dict[str, Any]:
    says = words(row["kind"], row["measured"])[0] if row["kind"] in catalogue().kinds else row["kind"]
    return {"kind": row["kind"], "severity": row["severity"], "says": says, "source": row["source"]}


def _scored(look: _Look, unique: Row) -> Room:
    row = look.one(lead_scores, lead_scores.c.version.desc())
    if row is None:
        return Room("scored", "waiting", "not scored yet: the nightly run of its campaign-day does it")
    details = {name: row[name] for name in (
        "score", "tier", "rank", "need", "ability", "reachability", "confidence", "min_tier", "rules_version", "version", "contributions",
    )} | {"sentence": row["sentence"], "revenue_impact": _estimate(row)}  # fmt: skip
    if not row["qualified"]:
        return Room("scored", "stopped", f"does not qualify: {row['reason']}", details)
    says = f"qualifies: tier {row['tier']}, {row['score']} of 100, place {row['rank']} of its campaign-day"
    return Room("scored", "passed", says, details)


def _estimate(row: Row) -> dict[str, Any] | None:
    if row["revenue_low_cents"] is None:
        return None
    low, high, confidence = row["revenue_low_cents"], row["revenue_high_cents"], float(row["revenue_confidence"])
    found = revenue.Estimate((low + high) // 2, low, high, confidence, tuple(row["revenue_basis"] or ()), ())
    return {
        "estimate": True, "low_cents": low, "high_cents": high, "confidence": confidence, "in_mail": revenue.in_words(found),
        "basis": list(found.basis),
    }  # fmt: skip


def _drafted(look: _Look, unique: Row) -> Room:
    d = email_drafts.c
    row = look.one(email_drafts, d.step, d.version.desc())
    if row is None:
        return Room("drafted", "waiting", "no draft yet: the nightly run of its campaign-day writes it")
    arms = {
        each["experiment"]: each["arm"]
        for each in look.all(experiment_assignments, experiment_assignments.c.experiment)
    }
    used = [
        _finding(each)
        for each in look.all(audit_findings, audit_findings.c.kind)
        if each["finding_id"] in row["finding_ids"]
    ]
    details = {
        "subject": row["subject"], "wording": row["wording"], "template_version": row["template_version"], "version": row["version"],
        "arms": arms, "rests_on": used,
    }  # fmt: skip
    if row["status"] != "drafted":
        return Room("drafted", "stopped", f"{row['status'].replace('_', ' ')}: {row['reason']}", details)
    return Room(
        "drafted",
        "passed",
        f"“{row['subject']}”, because of {', '.join(each['kind'] for each in used) or 'no finding'}",
        details,
    )


def _sent(look: _Look, unique: Row) -> Room:
    rows = look.all(email_sends, email_sends.c.step)
    if not rows:
        return Room("sent", *_why_no_send(look))
    steps = [
        {name: row[name] for name in ("step", "state", "reason", "due_at", "claimed_at", "settled_at")} for row in rows
    ]
    first = rows[0]
    why = f": {first['reason']}" if first["reason"] else ""
    if first["state"] == "planned":
        return Room("sent", "waiting", f"planned, due {first['due_at']:%Y-%m-%d %H:%M} UTC{why}", {"steps": steps})
    state: State = "passed" if first["state"] in ("claimed", "accepted", "unknown") else "stopped"
    return Room("sent", state, f"{first['state']}{why}", {"steps": steps})


def _why_no_send(look: _Look) -> tuple[State, str]:
    c = campaigns.c
    state = look.tx.scalar(sa.select(c.state).where(c.campaign == look.unit.campaign))
    if state != "launched":
        return (
            "waiting",
            f"the campaign is {state}: `leadfactory launch-campaign {look.unit.campaign} --dry-run` says what it lacks",
        )
    audit = look.one(site_audits)
    if audit is not None and audit["expires_at"] <= look.now:
        return "stopped", f"the audit is too old to mail from since {audit['expires_at']:%Y-%m-%d}"
    return "waiting", "no send is planned yet: due_sends plans it within 15 minutes"


_ARCHIVED_WITH: Mapping[str, archives.Kind] = {"audited": "audits", "drafted": "mail"}
_ROOMS: tuple[Callable[[_Look, Row], Room], ...] = (_sourced, _unique, _enriched, _audited, _scored, _drafted, _sent)
