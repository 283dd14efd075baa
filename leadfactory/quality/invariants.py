"""Invariants of the system of record as SQL: each query lists what breaks one, so that no row is proof and a row is a place to look.

Constraints forbid much of this; the queries ask the tables themselves, because an index or a disk may lie.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import sqlalchemy as sa

from leadfactory.backup import retention

SAMPLES = 20  # offenders that are named; all are counted
PURGE_LATE = dt.timedelta(hours=2)  # the purge runs hourly


@dataclasses.dataclass(frozen=True)
class Invariant:
    """One thing that must hold; ``broken`` selects one text column, the key of each offender."""

    name: str
    promise: str
    table: str
    broken: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Verified:
    """How one invariant did: rows looked at, offenders counted, some of them named."""

    name: str
    promise: str
    looked_at: int
    broken: int
    samples: list[str]
    remedy: str


INVARIANTS = (
    Invariant(
        "one_send_per_step",
        "at most one send per business, campaign and step",
        "email_sends",
        """SELECT business_id || ' ' || campaign || ' step ' || step FROM email_sends
           GROUP BY business_id, campaign, step HAVING count(*) > 1""",
        "pause sending, then leadfactory reindex-database --index=uq_email_sends_business_id_campaign_step",
    ),
    Invariant(
        "one_conversation_per_recipient",
        "no recipient is first written to by two campaigns within the re-contact cooldown",
        "email_sends",
        """SELECT DISTINCT a.send_id || ' and ' || b.send_id FROM email_sends a JOIN email_sends b
            ON b.address_hmac = a.address_hmac AND (b.business_id, b.campaign) <> (a.business_id, a.campaign)
            AND b.claimed_at >= a.claimed_at AND b.claimed_at < a.claimed_at + make_interval(days => :cooldown_days)
            AND (b.claimed_at, b.send_id) > (a.claimed_at, a.send_id)
            WHERE a.step = 1 AND b.step = 1 AND a.state IN ('claimed', 'accepted', 'unknown') AND b.state IN ('claimed', 'accepted', 'unknown')""",
        "pause both campaigns and read leadfactory sends --why=BUSINESS of each",
    ),
    Invariant(
        "nothing_to_the_suppressed",
        "no send was claimed after its address, its plus-stripped form or its domain was suppressed",
        "email_sends",
        """SELECT s.send_id || ' (' || p.reason || ')' FROM email_sends s JOIN suppressions p
            ON (p.kind, p.subject_hmac) IN (('address', s.address_hmac), ('address_plus_stripped', s.address_plus_hmac),
                                            ('domain', s.domain_hmac))
            WHERE s.state IN ('claimed', 'accepted', 'unknown') AND s.claimed_at > p.suppressed_at""",
        "pause all sending: this is a breach; keep the rows as evidence",
    ),
    Invariant(
        "stops_are_suppressed",
        "whoever complained or unsubscribed is suppressed",
        "email_events",
        """SELECT e.event_id FROM email_events e JOIN email_sends s USING (send_id)
           WHERE e.kind IN ('spamreport', 'unsubscribe', 'group_unsubscribe')
             AND NOT EXISTS (SELECT FROM suppressions p WHERE p.kind = 'address' AND p.subject_hmac = s.address_hmac)""",
        "leadfactory inbox replay --type=spamreport (and unsubscribe): the drain suppresses them",
    ),
    Invariant(
        "drafts_of_mails_passed",
        "every mail was written by a draft that exists, unless it was archived, is of the same business and passed its gate",
        "email_sends",
        """SELECT s.send_id::text FROM email_sends s LEFT JOIN email_drafts d USING (draft_id)
            WHERE s.state IN ('claimed', 'accepted', 'unknown') AND (d.draft_id IS NULL OR d.business_id <> s.business_id OR NOT EXISTS (
              SELECT FROM quality_verdicts v WHERE v.asset = 'email_drafts' AND v.subject_id = d.draft_id AND v.passed))
            AND (d.draft_id IS NOT NULL OR NOT EXISTS (
              SELECT FROM campaign_days c WHERE (c.campaign, c.cohort_on) = (s.campaign, s.cohort_on) AND c.mail_archived_at IS NOT NULL))""",
        "leadfactory sends --why=BUSINESS; the draft's row shows what is missing",
    ),
    Invariant(
        "states_follow_transitions",
        "a send's state is where its last transition led, and each transition begins where the one before ended",
        "send_transitions",
        """SELECT DISTINCT send_id::text FROM (
             SELECT t.send_id, t.from_state, t.to_state, s.state,
               lag(t.to_state) OVER way AS before, lead(t.transition_id) OVER way IS NULL AS newest
             FROM send_transitions t JOIN email_sends s USING (send_id) WINDOW way AS (PARTITION BY t.send_id ORDER BY t.transition_id)
           ) moves WHERE from_state IS DISTINCT FROM before OR (newest AND to_state <> state)""",
        "leadfactory sends --why=BUSINESS shows the moves; settle the send by the vendor's evidence",
    ),
    Invariant(
        "cohorts_stay",
        "a send carries the campaign-day of a unique business",
        "email_sends",
        """SELECT s.send_id::text FROM email_sends s LEFT JOIN unique_businesses u USING (campaign, cohort_on, business_id)
           WHERE u.business_id IS NULL""",
        "restore unique_businesses of that campaign-day from a backup",
    ),
    Invariant(
        "businesses_are_registered",
        "every unique business is in the registry",
        "unique_businesses",
        """SELECT u.business_id || ' of ' || u.campaign || '|' || u.cohort_on FROM unique_businesses u
           LEFT JOIN businesses b USING (business_id) WHERE b.business_id IS NULL""",
        "restore businesses from a backup: ids are assigned once and cannot be made again",
    ),
    Invariant(
        "findings_have_audits",
        "every finding belongs to an audit",
        "audit_findings",
        """SELECT f.finding_id::text FROM audit_findings f LEFT JOIN site_audits a USING (audit_id) WHERE a.audit_id IS NULL""",
        "materialize site_audits of that campaign-day again",
    ),
    Invariant(
        "letters_cite_findings",
        "every finding that a written draft cites is stored, or was measured by the audit that it re-used, unless its audits were archived",
        "email_drafts",
        """SELECT DISTINCT d.draft_id::text FROM email_drafts d, jsonb_array_elements_text(to_jsonb(d.finding_ids)) cited
           WHERE d.status = 'drafted' AND NOT EXISTS (SELECT FROM audit_findings f WHERE f.finding_id::text = cited)
             AND NOT EXISTS (SELECT FROM campaign_days c WHERE (c.campaign, c.cohort_on) = (d.campaign, d.cohort_on)
                             AND c.audits_archived_at IS NOT NULL)""",
        "leadfactory explain BUSINESS; hold the draft back until its numbers have a source",
    ),
    Invariant(
        "budgets_hold",
        "no budget is over its cap, and campaign and day budgets booked no more than their calls cost, while Postgres has all of them",
        "budgets",
        """WITH purged AS (
             SELECT m.campaign, m.cohort_on FROM lake_manifest m
             WHERE m.table_name = 'vendor_calls' AND m.row_count > (
               SELECT count(*) FROM vendor_calls c WHERE coalesce(c.campaign, '_none') = m.campaign
                 AND coalesce(c.cohort_on, c.occurred_on) = m.cohort_on))
           SELECT b.scope || ' ' || b.key FROM budgets b LEFT JOIN LATERAL (
             SELECT coalesce(sum(c.cost_microusd), 0) AS cost FROM vendor_calls c
             WHERE (b.scope = 'campaign' AND c.campaign = b.key) OR (b.scope = 'day' AND c.occurred_on::text = b.key)
           ) calls ON true
           WHERE b.spent_microusd + b.reserved_microusd > b.cap_microusd
              OR (b.scope = 'campaign' AND b.spent_microusd > calls.cost AND NOT EXISTS (SELECT FROM purged p WHERE p.campaign = b.key))
              OR (b.scope = 'day' AND b.spent_microusd > calls.cost
                  AND (b.key >= (CAST(:now AS timestamptz) - make_interval(days => :kept_days))::date::text
                       OR NOT EXISTS (SELECT FROM purged)))""",
        "leadfactory quota, then compare vendor_calls of that scope with the vendor's invoice",
    ),
    Invariant(
        "calls_are_settled",
        "no attempt of a vendor call stays open for more than an hour",
        "vendor_calls",
        """SELECT vendor || ' ' || call_id FROM vendor_calls
           WHERE status = 'started' AND started_at < clock_timestamp() - interval '1 hour'""",
        "any running gateway settles them as unknown: start leadfactory dev, or run verify-integrations",
    ),
    Invariant(
        "vendor_terms_are_kept",
        "no vendor's answer is stored two hours past its term",
        "vendor_content",
        "SELECT vendor || ' ' || encode(content_key, 'hex') FROM vendor_content WHERE expires_at < :now - :late",
        "run the job vendor_terms (schedule vendor_terms_hourly must be on)",
    ),
    Invariant(
        "webhooks_are_processed",
        "an event that was processed has an outcome, and none waits for more than a day",
        "webhook_inbox",
        """SELECT source || ' ' || inbox_id FROM webhook_inbox
           WHERE (processed_at IS NULL) <> (outcome IS NULL) OR (processed_at IS NULL AND received_at < :now - interval '1 day')""",
        "materialize webhook_drain; leadfactory inbox list --state=waiting",
    ),
    Invariant(
        "events_have_sends",
        "every mail event belongs to a send, on the send's campaign-day",
        "email_events",
        """SELECT e.event_id FROM email_events e LEFT JOIN email_sends s USING (send_id)
           WHERE s.send_id IS NULL OR (s.campaign, s.cohort_on) <> (e.campaign, e.cohort_on)""",
        "leadfactory inbox replay --since=… folds them again",
    ),
    Invariant(
        "no_failed_checksums",
        "the server has read no page whose checksum was wrong",
        "pg_catalog.pg_stat_database",
        "SELECT datname::text FROM pg_stat_database WHERE checksum_failures > 0",
        "stop writing, leadfactory emergency-backup, and restore from the last backup that verifies",
    ),
)


def verify(tx: sa.Connection, *, now: dt.datetime, cooldown_days: int) -> list[Verified]:
    """Asks every invariant; nothing is changed.

    Args:
        tx: a transaction; all queries see one moment when it is REPEATABLE READ.
        now: the factory's clock.
        cooldown_days: config/delivery.yaml's recontact_cooldown_days.
    """
    kept_days = retention.rules().purge["vendor_calls"].days
    given = {"now": now, "late": PURGE_LATE, "cooldown_days": cooldown_days, "kept_days": kept_days}
    found = []
    for each in INVARIANTS:
        used = {name: value for name, value in given.items() if f":{name}" in each.broken}
        looked_at = tx.scalar(sa.text(f"SELECT count(*) FROM {each.table}")) or 0  # noqa: S608 - constants of this module
        query = f"SELECT key, count(*) OVER () AS n FROM ({each.broken}) AS broken (key) ORDER BY key LIMIT {SAMPLES}"  # noqa: S608
        rows = tx.execute(sa.text(query), used).all()
        found.append(
            Verified(
                each.name, each.promise, looked_at, rows[0].n if rows else 0, [row.key for row in rows], each.remedy
            )
        )
    return found
