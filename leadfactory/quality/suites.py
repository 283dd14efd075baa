"""What must hold of a whole campaign-day of each asset: set rules, as data, without importing Great Expectations.

Rules on single rows are row rules (``records.ROW_RULES`` of each room). Here: keys are unique, references exist,
in = out + rejected, the share rejected stays below a limit. Every query reads ids, numbers and booleans only.
"""

from __future__ import annotations

import dataclasses
from typing import Any

REJECTED_SHARE_LIMIT = 0.2  # a fifth of a day refused by row rules means the source changed, not the businesses

UNIT = "campaign = :campaign AND cohort_on = :cohort_on"
REFUSED = (
    "(SELECT count(DISTINCT row_key) FROM rejected_rows r WHERE r.asset = '{asset}' AND r.campaign = :campaign "
    "AND r.cohort_on = :cohort_on AND NOT EXISTS (SELECT 1 FROM {asset} o WHERE o.campaign = r.campaign "
    "AND o.cohort_on = r.cohort_on AND o.{key}::text = r.row_key))"
)


@dataclasses.dataclass(frozen=True)
class Expect:
    """One expectation by its Great Expectations class name, with its arguments."""

    kind: str
    arguments: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Suite:
    """``rows`` gives one row per row of the asset; ``totals`` one row of sums. Both take :campaign and :cohort_on."""

    asset: str
    version: str
    rows: str
    of_rows: tuple[Expect, ...]
    totals: str
    of_totals: tuple[Expect, ...]


def unique(column: str) -> Expect:
    return Expect("ExpectColumnValuesToBeUnique", {"column": column})


def true(column: str) -> Expect:
    return Expect("ExpectColumnValuesToBeInSet", {"column": column, "value_set": [True]})


def between(column: str, low: float | None, high: float | None) -> Expect:
    return Expect("ExpectColumnValuesToBeBetween", {"column": column, "min_value": low, "max_value": high})


def equal(left: str, right: str) -> Expect:
    return Expect("ExpectColumnPairValuesToBeEqual", {"column_A": left, "column_B": right})


def _totals(asset: str, key: str, expected: str) -> str:
    """One row: how many rows went in, how many came out or were refused, and the share refused."""
    refused = REFUSED.format(asset=asset, key=key)
    return f"""
        SELECT rows_in, rows_out + rows_refused AS rows_accounted,
               CASE WHEN rows_in = 0 THEN 0 ELSE rows_refused::float / rows_in END AS share_refused
        FROM (SELECT ({expected}) AS rows_in, (SELECT count(DISTINCT {key}) FROM {asset} WHERE {UNIT}) AS rows_out,
                     {refused} AS rows_refused) counted"""  # noqa: S608 - constants of this module only


ACCOUNTED = (equal("rows_in", "rows_accounted"), between("share_refused", 0, REJECTED_SHARE_LIMIT))

# The expected inputs of each stage, said once.
CONTACTABLE = (
    f"SELECT count(*) FROM unique_businesses WHERE {UNIT} AND duplicate_of IS NULL AND excluded_reason IS NULL"  # noqa: S608
)
WITH_SITE = f"SELECT count(*) FROM enriched_businesses WHERE {UNIT} AND status = 'ok'"  # noqa: S608
AUDITED = f"SELECT count(*) FROM site_audits WHERE {UNIT} AND status = 'ok'"  # noqa: S608
NEWEST_SCORES = f"""(SELECT DISTINCT ON (business_id) * FROM lead_scores WHERE {UNIT}
                     ORDER BY business_id, version DESC) newest"""  # noqa: S608
QUALIFIED = f"SELECT count(*) FROM {NEWEST_SCORES} WHERE qualified"  # noqa: S608

SUITES: dict[str, Suite] = {
    suite.asset: suite
    for suite in (
        Suite(
            "campaign_targets",
            "1",
            f"""SELECT c.target_id::text, c.businesses_planned, c.calls_planned, t.target_id IS NOT NULL AS target_exists
                FROM campaign_targets c LEFT JOIN targets t USING (target_id)
                WHERE c.{UNIT.replace(" AND ", " AND c.")}""",  # noqa: S608
            (unique("target_id"), true("target_exists"), between("businesses_planned", 0, 100_000)),
            f"""SELECT coalesce(sum(businesses_planned), 0) AS planned,
                       (SELECT daily_quota FROM campaigns WHERE campaign = :campaign) AS quota,
                       coalesce(sum(businesses_planned), 0)
                         <= (SELECT daily_quota FROM campaigns WHERE campaign = :campaign) AS within_quota
                FROM campaign_targets WHERE {UNIT}""",  # noqa: S608
            (true("within_quota"),),
        ),
        Suite(
            "sourced_businesses",
            "1",
            f"""SELECT s.sourced_id::text, s.source || ':' || coalesce(s.yelp_id, s.sourced_id::text) AS listing,
                       s.source = 'import' OR EXISTS (SELECT 1 FROM campaign_targets c WHERE c.campaign = s.campaign
                               AND c.cohort_on = s.cohort_on AND c.target_id = s.target_id) AS target_planned
                FROM sourced_businesses s WHERE s.{UNIT.replace(" AND ", " AND s.")}""",  # noqa: S608
            (unique("sourced_id"), unique("listing"), true("target_planned")),
            f"""SELECT CASE WHEN n = 0 THEN 0 ELSE refused::float / (n + refused) END AS share_refused FROM (
                  SELECT (SELECT count(*) FROM sourced_businesses WHERE {UNIT}) AS n,
                         (SELECT count(DISTINCT row_key) FROM rejected_rows
                          WHERE asset = 'sourced_businesses' AND {UNIT}) AS refused) counted""",  # noqa: S608
            (between("share_refused", 0, REJECTED_SHARE_LIMIT),),
        ),
        Suite(
            "unique_businesses",
            "1",
            f"""SELECT u.business_id::text, b.business_id IS NOT NULL AS registered
                FROM unique_businesses u LEFT JOIN businesses b USING (business_id)
                WHERE u.{UNIT.replace(" AND ", " AND u.")}""",  # noqa: S608
            (unique("business_id"), true("registered")),
            f"""SELECT (SELECT count(*) FROM sourced_businesses WHERE {UNIT}) AS rows_in,
                       (SELECT coalesce(sum(1 + cardinality(merged_sourced_ids)), 0)
                        FROM unique_businesses WHERE {UNIT}) AS rows_accounted""",  # noqa: S608
            (equal("rows_in", "rows_accounted"),),
        ),
        Suite(
            "enriched_businesses",
            "1",
            f"""SELECT e.business_id::text, u.business_id IS NOT NULL AS is_unique_business,
                       e.status = 'ok' OR e.reason IS NOT NULL AS explained
                FROM enriched_businesses e LEFT JOIN unique_businesses u USING (campaign, cohort_on, business_id)
                WHERE e.{UNIT.replace(" AND ", " AND e.")}""",  # noqa: S608
            (unique("business_id"), true("is_unique_business"), true("explained")),
            _totals("enriched_businesses", "business_id", CONTACTABLE),
            ACCOUNTED,
        ),
        Suite(
            "site_audits",
            "1",
            f"""SELECT a.business_id::text, e.status = 'ok' AS has_site,
                       a.status = 'ok' OR a.reason IS NOT NULL AS explained
                FROM site_audits a LEFT JOIN enriched_businesses e USING (campaign, cohort_on, business_id)
                WHERE a.{UNIT.replace(" AND ", " AND a.")}""",  # noqa: S608
            (unique("business_id"), true("has_site"), true("explained")),
            _totals("site_audits", "business_id", WITH_SITE),
            ACCOUNTED,
        ),
        Suite(
            "site_insights",
            "1",
            f"""SELECT i.business_id::text, a.status = 'ok' AS audited, i.status = 'ok' OR i.reason IS NOT NULL AS explained
                FROM site_insights i LEFT JOIN site_audits a USING (campaign, cohort_on, business_id)
                WHERE i.{UNIT.replace(" AND ", " AND i.")}""",  # noqa: S608
            (unique("business_id"), true("audited"), true("explained")),
            _totals("site_insights", "business_id", AUDITED),
            ACCOUNTED,
        ),
        Suite(
            "lead_scores",
            "1",
            f"""SELECT n.business_id::text, n.score, n.qualified OR n.reason IS NOT NULL AS explained,
                       n.score IS NOT NULL OR n.tier = 'none' AS unknown_is_null
                FROM {NEWEST_SCORES.replace("newest", "n")}""",  # noqa: S608
            (unique("business_id"), between("score", 0, 100), true("explained"), true("unknown_is_null")),
            _totals("lead_scores", "business_id", f"SELECT count(*) FROM unique_businesses WHERE {UNIT}"),  # noqa: S608
            ACCOUNTED,
        ),
        Suite(
            "experiment_assignments",
            "1",
            f"""SELECT a.business_id::text || a.experiment AS assignment, a.bucket,
                       EXISTS (SELECT 1 FROM experiments e WHERE e.experiment = a.experiment
                               AND e.version = a.version) AS experiment_exists
                FROM experiment_assignments a WHERE a.{UNIT.replace(" AND ", " AND a.")}""",  # noqa: S608
            (unique("assignment"), between("bucket", 0, 9_999), true("experiment_exists")),
            f"""SELECT count(*) = count(DISTINCT (business_id, experiment)) AS one_arm_each
                FROM experiment_assignments WHERE {UNIT}""",  # noqa: S608
            (true("one_arm_each"),),
        ),
        Suite(
            "email_drafts",
            "1",
            f"""SELECT d.draft_id::text, d.status <> 'drafted' OR v.passed AS guard_passed,
                       d.status = 'drafted' OR d.reason IS NOT NULL AS explained
                FROM email_drafts d
                LEFT JOIN quality_verdicts v ON v.subject_id = d.draft_id AND v.asset = 'email_drafts'
                     AND v.input_hash = d.content_hash AND v.passed
                WHERE d.{UNIT.replace(" AND ", " AND d.")}""",  # noqa: S608
            (unique("draft_id"), true("explained"), true("guard_passed")),
            f"""SELECT ({QUALIFIED}) AS rows_in,
                       (SELECT count(DISTINCT d.business_id) FROM email_drafts d
                        JOIN {NEWEST_SCORES} USING (business_id)
                        WHERE newest.qualified AND d.step = 1 AND d.{UNIT.replace(" AND ", " AND d.")}) AS rows_accounted""",  # noqa: S608
            (equal("rows_in", "rows_accounted"),),
        ),
        Suite(
            "email_sends",
            "1",
            f"""SELECT s.send_id::text, s.business_id::text || s.step AS conversation, d.draft_id IS NOT NULL AS draft_exists,
                       s.state NOT IN ('unknown', 'rejected', 'expired', 'refused') OR s.reason IS NOT NULL AS explained,
                       s.state <> 'accepted' OR s.sendgrid_id IS NOT NULL AS evidence
                FROM email_sends s LEFT JOIN email_drafts d USING (draft_id)
                WHERE s.{UNIT.replace(" AND ", " AND s.")}""",  # noqa: S608
            (unique("send_id"), unique("conversation"), true("draft_exists"), true("explained"), true("evidence")),
            f"""SELECT NOT EXISTS (SELECT 1 FROM email_sends s WHERE s.state = 'accepted' AND NOT EXISTS (
                         SELECT 1 FROM send_transitions t WHERE t.send_id = s.send_id AND t.to_state = 'claimed')
                         AND s.{UNIT.replace(" AND ", " AND s.")}) AS claimed_before_accepted""",  # noqa: S608
            (true("claimed_before_accepted"),),
        ),
        Suite(
            "email_events",
            "1",
            f"""SELECT v.event_id, s.send_id IS NOT NULL AS send_exists, o.send_id IS NOT NULL AS folded,
                       v.kind IN ('open', 'click') OR v.bot_reason IS NULL AS only_visits_are_bots
                FROM email_events v
                LEFT JOIN email_sends s ON (s.send_id, s.campaign, s.cohort_on) = (v.send_id, v.campaign, v.cohort_on)
                LEFT JOIN send_outcomes o ON o.send_id = v.send_id
                WHERE v.{UNIT.replace(" AND ", " AND v.")}""",  # noqa: S608
            (unique("event_id"), true("send_exists"), true("folded"), true("only_visits_are_bots")),
            f"""SELECT (SELECT count(*) FROM email_events WHERE {UNIT}) AS events_stored,
                       (SELECT coalesce(sum(events), 0) FROM send_outcomes WHERE {UNIT}) AS events_folded""",  # noqa: S608
            (equal("events_stored", "events_folded"),),
        ),
        Suite(
            "purchases",
            "1",
            f"""SELECT p.purchase_id::text, c.checkout_id IS NOT NULL AS checkout_exists,
                       p.state = 'quarantined' OR p.paid_at IS NULL
                           OR (p.amount_cents - p.tax_cents, p.currency) = (c.amount_cents, c.currency) AS price_is_ours,
                       p.state NOT IN ('quarantined', 'failed') OR p.reason IS NOT NULL AS explained,
                       p.amount_cents - p.refunded_cents - p.disputed_cents = coalesce((
                           SELECT sum(m.amount_cents) FROM money_entries m
                           WHERE m.purchase_id = p.purchase_id AND m.account = 'stripe'), 0) AS book_agrees
                FROM purchases p LEFT JOIN checkout_sessions c USING (checkout_id)
                WHERE p.{UNIT.replace(" AND ", " AND p.")}""",  # noqa: S608
            (
                unique("purchase_id"),
                true("checkout_exists"),
                true("price_is_ours"),
                true("explained"),
                true("book_agrees"),
            ),
            f"""SELECT (SELECT count(*) FROM payment_events WHERE {UNIT}) AS events_stored,
                       (SELECT coalesce(sum(events), 0) FROM purchases WHERE {UNIT}) AS events_folded,
                       NOT EXISTS (SELECT FROM money_entries GROUP BY currency HAVING sum(amount_cents) <> 0) AS book_is_zero""",  # noqa: S608
            (equal("events_stored", "events_folded"), true("book_is_zero")),
        ),
        Suite(
            "audit_reports",
            "1",
            f"""SELECT r.report_id::text, p.purchase_id IS NOT NULL AS purchase_exists,
                       r.pdf_sha256 IS NOT NULL OR r.no_pdf IS NOT NULL AS explained,
                       d.delivery_id IS NOT NULL AS mail_planned
                FROM audit_reports r LEFT JOIN purchases p USING (purchase_id)
                LEFT JOIN report_deliveries d ON d.report_id = r.report_id AND d.kind = 'sold'
                WHERE r.{UNIT.replace(" AND ", " AND r.")}""",  # noqa: S608
            (unique("report_id"), true("purchase_exists"), true("explained"), true("mail_planned")),
            f"""SELECT NOT EXISTS (SELECT FROM purchases p WHERE p.state IN ('paid', 'partially_refunded', 'dispute_won')
                         AND NOT EXISTS (SELECT FROM audit_reports r WHERE r.purchase_id = p.purchase_id)
                         AND p.{UNIT.replace(" AND ", " AND p.")}) AS every_purchase_has_its_report""",  # noqa: S608
            (true("every_purchase_has_its_report"),),
        ),
        Suite(
            "report_deliveries",
            "1",
            f"""SELECT d.delivery_id::text, r.report_id IS NOT NULL AS report_exists,
                       d.state NOT IN ('unknown', 'rejected', 'refused') OR d.reason IS NOT NULL AS explained,
                       d.state <> 'accepted' OR d.message_id IS NOT NULL OR d.reason IS NOT NULL AS evidence
                FROM report_deliveries d LEFT JOIN audit_reports r USING (report_id)
                WHERE d.{UNIT.replace(" AND ", " AND d.")}""",  # noqa: S608
            (unique("delivery_id"), true("report_exists"), true("explained"), true("evidence")),
            f"""SELECT (SELECT count(*) FROM audit_reports WHERE {UNIT}) AS reports,
                       (SELECT count(*) FROM report_deliveries WHERE kind = 'sold' AND {UNIT}) AS mails""",  # noqa: S608
            (equal("reports", "mails"),),
        ),
    )
}
