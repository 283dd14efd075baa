"""Claims sends: gates, contact slots and the change of state in one transaction, so that no other process claims them too."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d04_enrichment.contacts import registrable_domain
from leadfactory.d09_delivery import gates, suppression
from leadfactory.d09_delivery.rules import DeliveryRules
from leadfactory.d09_delivery.tables import email_sends, send_transitions
from leadfactory.d11_experiments.tables import experiment_assignments
from leadfactory.keyed_hashes import FREE_MAIL, KeyedHashes

ASSET = "email_sends"
_CANDIDATES = """
SELECT s.send_id, s.business_id, s.campaign, s.cohort_on, s.step, s.draft_id, s.address_hmac, s.sender_email, s.timezone,
       c.state AS campaign_state, c.consent_basis, c.sender_name, c.postal_address,
       d.subject, d.body_html, d.body_text, e.contact_email, e.contact_email_hmac, e.country, a.fetched_at AS audited_at,
       EXISTS (SELECT 1 FROM email_drafts n WHERE n.campaign = d.campaign AND n.cohort_on = d.cohort_on
               AND n.business_id = d.business_id AND n.step = d.step AND n.version > d.version) AS newer_draft,
       EXISTS (SELECT 1 FROM quality_verdicts v WHERE v.asset = 'email_drafts' AND v.subject_id = d.draft_id
               AND v.input_hash = d.content_hash AND v.passed) AS verdict_passed
FROM email_sends s
JOIN campaigns c USING (campaign)
JOIN email_drafts d USING (draft_id)
LEFT JOIN enriched_businesses e ON e.campaign = s.campaign AND e.cohort_on = s.cohort_on AND e.business_id = s.business_id
LEFT JOIN site_audits a ON a.campaign = s.campaign AND a.cohort_on = s.cohort_on AND a.business_id = s.business_id AND a.status = 'ok'
WHERE s.state = 'planned' AND s.due_at <= :now AND s.expires_at > :now
  AND s.campaign = :campaign AND s.cohort_on = :cohort_on AND NOT s.send_id = ANY(:seen)
ORDER BY s.due_at, s.send_id LIMIT :batch FOR UPDATE OF s SKIP LOCKED
"""
# The claim repeats what must never be wrong, so that a mistake in the gates cannot send.
_CLAIM = """
UPDATE email_sends s SET state = 'claimed', claimed_at = :now, reason = NULL
WHERE s.send_id = ANY(:ids) AND s.state = 'planned' AND s.due_at <= :now AND s.expires_at > :now
  AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE (x.kind IN ('address', 'address_plus_stripped') AND x.subject_hmac = s.address_hmac)
                  OR (x.kind = 'business' AND x.subject_hmac = decode(replace(s.business_id::text, '-', ''), 'hex')))
  AND EXISTS (SELECT 1 FROM campaigns c WHERE c.campaign = s.campaign AND c.state = 'launched' AND c.consent_basis = ANY(:bases)
              AND c.postal_address IS NOT NULL)
  AND EXISTS (SELECT 1 FROM email_drafts d JOIN quality_verdicts v ON v.asset = 'email_drafts' AND v.subject_id = d.draft_id
              AND v.input_hash = d.content_hash AND v.passed WHERE d.draft_id = s.draft_id)
RETURNING s.send_id
"""
_SLOT = """
INSERT INTO contact_slots AS held (slot_hmac, kind, campaign, send_id, held_until)
VALUES (:slot, :kind, :campaign, :send_id, :until)
ON CONFLICT (slot_hmac) DO UPDATE SET campaign = excluded.campaign, send_id = excluded.send_id, held_until = excluded.held_until
WHERE held.held_until < :now OR held.send_id = excluded.send_id
RETURNING held.send_id
"""


@dataclasses.dataclass(frozen=True)
class Claimed:
    """A send that is ours to hand over."""

    send_id: uuid.UUID
    unit: CampaignDay
    address_hmac: bytes
    contact_email: str
    sender_email: str
    sender_name: str
    subject: str
    body_text: str
    body_html: str


@dataclasses.dataclass
class Batch:
    """What one claiming transaction did: claimed, stopped by reason, and every send that it looked at."""

    claimed: list[Claimed] = dataclasses.field(default_factory=list)
    stopped: Counter[str] = dataclasses.field(default_factory=Counter)
    seen: list[uuid.UUID] = dataclasses.field(default_factory=list)


def claim(
    tx: sa.Connection, unit: CampaignDay, *, now: dt.datetime, rules: DeliveryRules, bases: tuple[str, ...], hashes: KeyedHashes,
    seen: Sequence[uuid.UUID], most: int,
) -> Batch:  # fmt: skip
    """Claims up to ``most`` due sends of ``unit`` that were not ``seen`` in this run.

    Every candidate ends claimed, refused for good, or left planned with a reason that is counted.
    """
    batch = Batch()
    rows = list(
        tx.execute(
            sa.text(_CANDIDATES),
            {"now": now, "campaign": unit.campaign, "cohort_on": unit.day, "seen": list(seen), "batch": most},
        ).mappings()
    )
    batch.seen = [row["send_id"] for row in rows]
    ready: dict[uuid.UUID, Any] = {}
    for row in rows:
        facts = dict(row) | {"suppressed": _suppressed(tx, row, hashes)}
        stopped = gates.judge(facts, now=now, rules=rules, consent_bases=bases)
        if stopped is None and not _capped(tx, row["sender_email"], now, rules, len(ready)):
            if _takes_slots(tx, row, now, rules, hashes):
                ready[row["send_id"]] = row
                continue
            stopped = gates.Stopped("contact_held", final=True)
        elif stopped is None:
            stopped = gates.Stopped("sender_cap", final=False)
        batch.stopped[stopped.reason] += 1
        if stopped.final:
            move(tx, [row["send_id"]], "planned", "refused", now, stopped.reason)
    if ready:
        done = set(tx.scalars(sa.text(_CLAIM), {"ids": list(ready), "now": now, "bases": list(bases)}))
        batch.stopped["claim_refused"] += len(ready) - len(done)
        _note_claims(tx, unit, [ready[each] for each in done], now)
        batch.claimed = [_as_claimed(ready[each], unit) for each in ready if each in done]
    if rows:
        campaign_days.mark_dirty(tx, unit, ASSET, "send_transitions")
    return batch


def move(
    tx: sa.Connection,
    ids: Sequence[uuid.UUID],
    before: str,
    after: str,
    now: dt.datetime,
    reason: str | None,
    **values: Any,
) -> list[uuid.UUID]:
    """Moves sends from one state to another, with a transition each; those that were not in ``before`` stay as they are."""
    done = list(
        tx.scalars(
            sa.update(email_sends)
            .where(email_sends.c.send_id.in_(list(ids)), email_sends.c.state == before)
            .values(state=after, reason=reason, **values)
            .returning(email_sends.c.send_id)
        )
    )
    if done:
        tx.execute(
            sa.insert(send_transitions),
            [
                {"send_id": each, "from_state": before, "to_state": after, "reason": reason, "happened_at": now}
                for each in done
            ],
        )
    return done


def _suppressed(tx: sa.Connection, row: Any, hashes: KeyedHashes) -> bool:
    """By address in both forms, by registrable domain and by business; an address that cannot be hashed counts as suppressed."""
    if row["contact_email"] is None:
        return False
    try:
        stripped = hashes.address_plus_stripped(row["contact_email"])
    except ValueError:
        return True
    domain = hashes.domain(registrable_domain(row["contact_email"].rpartition("@")[2]))
    subjects = [("address", row["address_hmac"]), ("address", stripped), ("address_plus_stripped", stripped),
                ("domain", domain), ("business", row["business_id"].bytes)]  # fmt: skip
    return suppression.is_suppressed(tx, subjects)


def _takes_slots(tx: sa.Connection, row: Any, now: dt.datetime, rules: DeliveryRules, hashes: KeyedHashes) -> bool:
    """Takes the recipient's slot, and that of the registrable domain unless it is free mail; both or neither."""
    until = now + dt.timedelta(days=rules.contact_held_days)
    slots = [("address", row["address_hmac"])]
    domain = registrable_domain(row["contact_email"].rpartition("@")[2])
    if domain not in FREE_MAIL:
        slots.append(("domain", hashes.of("domain_slot", domain)))
    inner = tx.begin_nested()
    for kind, slot in slots:
        values = {
            "slot": slot,
            "kind": kind,
            "campaign": row["campaign"],
            "send_id": row["send_id"],
            "until": until,
            "now": now,
        }
        if tx.execute(sa.text(_SLOT), values).first() is None:
            inner.rollback()
            return False
    inner.commit()
    return True


def _capped(tx: sa.Connection, sender: str, now: dt.datetime, rules: DeliveryRules, ready: int) -> bool:
    """Whether the sender has used its day; claims of one sender are serial, so that two processes cannot both use the last place."""
    number = int.from_bytes(hashlib.sha256(f"sender:{sender}".encode()).digest()[:8], "big", signed=True)
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
    used = tx.scalar(
        sa.select(sa.func.count()).select_from(email_sends).where(
            email_sends.c.sender_email == sender, email_sends.c.claimed_at > now - dt.timedelta(days=1)
        )
    )  # fmt: skip
    return (used or 0) + ready >= rules.sender_daily_cap


def _note_claims(tx: sa.Connection, unit: CampaignDay, rows: Sequence[Any], now: dt.datetime) -> None:
    if not rows:
        return
    tx.execute(
        sa.insert(send_transitions),
        [
            {"send_id": row["send_id"], "from_state": "planned", "to_state": "claimed", "happened_at": now}
            for row in rows
        ],
    )
    assignments = experiment_assignments
    tx.execute(
        sa.update(assignments)
        .where(
            assignments.c.campaign == unit.campaign, assignments.c.cohort_on == unit.day, assignments.c.exposed_at.is_(None),
            assignments.c.business_id.in_([row["business_id"] for row in rows]),
        )
        .values(exposed_at=now)
    )  # fmt: skip
    campaign_days.mark_dirty(tx, unit, "experiment_assignments")
    campaign_days.set_state(tx, unit, "mailing")


def _as_claimed(row: Any, unit: CampaignDay) -> Claimed:
    return Claimed(
        row["send_id"], unit, row["address_hmac"], row["contact_email"], row["sender_email"], row["sender_name"], row["subject"],
        row["body_text"], row["body_html"],
    )  # fmt: skip
