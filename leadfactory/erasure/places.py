"""Where a person can be: every text column of the schema, and what erasing does with it. A test finds columns that are not listed.

PERSONAL is emptied. Of everything else this says why it stays: it holds codes, versions, ids, hashes or our own words (NOT_PERSONAL),
or it must stay (KEPT).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

Found = Literal["business", "send", "address"]


@dataclasses.dataclass(frozen=True)
class Place:
    """Columns of a table with what stands there afterwards, and by what the person's rows are found.

    ``business``: by business_id, ``send``: by send_id, ``address``: by the keyed hash in ``hmac`` or by send_id.
    """

    table: str
    columns: dict[str, Any]
    by: Found
    hmac: str | None = None
    lake: bool = False


PERSONAL = (
    Place(
        "enriched_businesses",
        dict.fromkeys(
            ("site_url", "site_host", "own_name", "own_name_url", "own_phone", "own_address", "own_hours", "contact_email",
             "contact_email_url", "field_sources", "page_facts", "expires_at"),
        ) | {"retryable": False},
        "business", lake=True,
    ),
    Place("site_audits", dict.fromkeys(("requested_url", "final_url", "site_host", "measurement", "technologies")), "business", lake=True),
    Place("audit_findings", {"evidence": {}}, "business", lake=True),
    Place("site_insights", {"headline": None, "explanations": None}, "business", lake=True),
    Place("email_drafts", dict.fromkeys(("subject", "preview", "body_html", "body_text")), "business", lake=True),
    Place("lead_scores", dict.fromkeys(("sentence", "inputs")), "business", lake=True),
    Place("webhook_inbox", {"ip": None, "user_agent": None, "payload": {}}, "address", "address_hmac"),
    Place("inbound_mails", {"subject": None, "body": None}, "address", "sender_hmac"),
    Place("imported_businesses", {"fields": None}, "business"),  # by the address inside, and by what was sourced from it
    Place("vendor_content", {"content": {}}, "business"),  # the row goes: by the vendor's own id, and by the address inside
)  # fmt: skip

KEPT = {
    "erasure_requests.proof": "counts by place, never a value",
    **dict.fromkeys(
        ("audit_reports.html_sha256", "audit_reports.pdf_sha256", "audit_reports.evidence_sha256"),
        "what was sold, and so part of the record of the sale; a report that was not sold is not stored",
    ),
    "purchases": "the record of a sale, which the law asks for: Stripe's ids, amounts and a keyed hash of the payer",
    "suppressions": "a keyed hash, so that the person is never written to again",
    "draft_reviews.reviewer": "an operator, who answers for the letter",
    "draft_reviews.reason": "an operator's word about a letter, without an address",
    "campaigns.risk_acknowledged_by": "an operator, who answers for the campaign",
    "config_reloads.reloaded_by": "an operator",
    "pauses.key": "ours", "pauses.reason": "an operator's own words", "pauses.paused_by": "an operator",
    "pauses.resumed_by": "an operator", "pauses.resumed_why": "an operator's own words",
    "backups": "about the store of backups: ids, sizes, and our own words about what failed",
    "restore_drills": "the same about rehearsals",
    "file_looks": "names of files of ours, which are made of campaigns, days and hashes",
    "replayed_sends": "a keyed hash, so that nobody is written to twice after a restore",
    "send_fences": "our own words, and an operator who answers for lifting one",
    "halts.subject": "ours", "halts.resumed_by": "an operator, who let it go on", "halts.resumed_why": "an operator's own words",
    "campaigns.sender_name": "ours", "campaigns.sender_email": "ours", "campaigns.postal_address": "ours",
    "email_sends.sender_email": "ours",
    "exclusions.label": "a list of the operator's own, whose purpose is that somebody is left alone",
    "import_files.imported_by": "an operator", "import_files.file_name": "an operator's file",
    "experiments.accepted_weak_by": "an operator", "refund_requests.requested_by": "recipient, or which operator",
    "audit_log.detail": "ids and counts only; append-only",
    "api_keys.name": "an operator or a program of ours",
}  # fmt: skip

# Codes, versions, ids, keyed hashes, places, and sentences of ours without a word of the person's.
NOT_PERSONAL = {
    "api_keys": "scopes",
    "archived_responses": "campaign experiment arm metric",
    "alerts": "fingerprint name severity labels summary run_id",
    "audit_log": "actor action subject",
    "audit_reports": "campaign no_pdf template_version",
    "audit_digests": "problems",
    "auth_failures": "reason",
    "budgets": "scope key",
    "business_merges": "kind evidence",
    "businesses": "first_campaign yelp_ids",
    "campaign_days": "campaign state plan counts dirty",
    "campaign_targets": "campaign vertical kind place yelp_categories",
    "campaigns": "campaign vertical state min_tier consent_basis chain_policy mailer risk_acknowledged_for",
    "checkout_sessions": "campaign currency arm idempotency_key terms_version state reason stripe_id url",
    "contact_slots": "kind campaign",
    "draft_reviews": "campaign state",
    "email_drafts": "campaign status reason currency facts arms wording template_version prompt_version model finding_ids",
    "email_events": "campaign event_id kind bounce_type bounce_classification message_id url_hash bot_reason",
    "email_sends": "campaign state reason timezone sendgrid_id mail_provider",
    "enriched_businesses": "campaign status reason place_id place_match match_evidence rejected_candidate site_source contact_email_how "
    "contact_email_kind contact_email_check contact_email_check_reason platform site_language country state timezone",
    "erasure_requests": "source",
    "exclusions": "list campaign kind",
    "experiment_assignments": "campaign experiment arm",
    "experiment_readouts": "experiment arm broken_guardrails decision winner sentence",
    "experiments": "experiment state salt arms verticals design paused_arms",
    "import_files": "campaign sha256 consent_basis columns",
    "imported_businesses": "campaign",
    "inbound_mails": "fingerprint kind",
    "key_fingerprints": "key_name fingerprint",
    "lake_manifest": "table_name campaign path sha256",
    "lead_scores": "campaign tier reason components rules_version contributions min_tier revenue_basis",
    "money_entries": "kind account currency",
    "payment_events": "campaign event_id session_id kind facts",
    "price_book": "campaign product currency experiment arm list_version",
    "night_reviews": "channels",
    "quality_verdicts": "asset campaign suite suite_version broken",
    "refund_requests": "reason idempotency_key state why stripe_id",
    "rejected_rows": "asset campaign row_key rule value",
    "report_accesses": "kind",
    "report_deliveries": "campaign kind state reason message_id",
    "run_outcomes": "run_id job partition_key status failed_steps steps failed_checks",
    "send_outcomes": "campaign state delivery",
    "send_transitions": "from_state to_state reason",
    "sequence_stops": "campaign reason",
    "halts": "scope rule detail",
    "pauses": "kind",
    "config_reloads": "files",
    "site_audits": "campaign status reason strategy lighthouse_version pagespeed_reason crawl_reason desktop_reason desktop field_data "
    "unmeasured rules_version",
    "audit_findings": "campaign kind category unit source effort effort_who rules_version",
    "site_insights": "campaign status reason source model prompt_version finding_ids",
    "sourced_businesses": "campaign source yelp_id review_band excluded_reason",
    "target_parts": "yelp_categories price split_by deferred_reason",
    "suppression_polls": "mailer reason",
    "targets": "campaign vertical kind place",
    "unique_businesses": "campaign excluded_reason evidence merged_sourced_ids",
    "vendor_breakers": "vendor state forced reason",
    "vendor_calls": "vendor endpoint campaign asset status reason",
    "vendor_content": "vendor subject",
    "vendor_leases": "vendor windows",
    "vendor_quotas": "vendor rate recent",
    "webhook_inbox": "source event_id kind outcome reason",
    "webhook_refusals": "source reason",
}


def listed(table: str, column: str) -> bool:
    """Whether somebody decided what erasing does with a column."""
    return (
        any(place.table == table and column in place.columns for place in PERSONAL)
        or table in KEPT
        or f"{table}.{column}" in KEPT
        or column in NOT_PERSONAL.get(table, "").split()
    )
