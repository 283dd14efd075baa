"""The rooms from target to send, the gateway's books and the verdicts.

Revision ID: 0001
Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "budgets",
    "business_merges",
    "businesses",
    "campaign_days",
    "campaigns",
    "contact_slots",
    "email_drafts",
    "email_sends",
    "enriched_businesses",
    "experiment_assignments",
    "experiments",
    "lead_scores",
    "quality_verdicts",
    "rejected_rows",
    "send_transitions",
    "site_audits",
    "site_insights",
    "sourced_businesses",
    "suppressions",
    "unique_businesses",
    "vendor_breakers",
    "vendor_calls",
    "vendor_content",
    "vendor_leases",
    "vendor_quotas",
    "audit_findings",
    "targets",
    "campaign_targets",
)


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("cap_microusd", sa.BigInteger(), nullable=False),
        sa.Column("reserved_microusd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spent_microusd", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("scope IN ('vendor', 'campaign', 'day', 'lead')", name=op.f("ck_budgets_scope_known")),
        sa.CheckConstraint("reserved_microusd + spent_microusd <= cap_microusd", name=op.f("ck_budgets_never_over")),
        sa.CheckConstraint("reserved_microusd >= 0 AND spent_microusd >= 0", name=op.f("ck_budgets_not_negative")),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_budgets")),
        schema="leadfactory",
        comment="Spend in millionths of a dollar: key is vendor|YYYY-MM, campaign, YYYY-MM-DD or business_id. Never over its cap.",
    )
    op.create_table(
        "business_merges",
        sa.Column("merge_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("survivor_id", sa.Uuid(), nullable=False),
        sa.Column("merged_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merged_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('merge', 'unmerge')", name=op.f("ck_business_merges_kind_known")),
        sa.PrimaryKeyConstraint("merge_id", name=op.f("pk_business_merges")),
        schema="leadfactory",
        comment="Append-only: what was found to be one business, or two after all, and why.",
    )
    op.create_table(
        "businesses",
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("first_campaign", sa.Text(), nullable=False),
        sa.Column("first_cohort_on", sa.Date(), nullable=False),
        sa.Column("yelp_ids", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("name_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("phone_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("address_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("domain_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("registered_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("business_id", name=op.f("pk_businesses")),
        schema="leadfactory",
        comment="The registry: business_id is assigned once, by the first committed cohort that finds the business.",
    )
    op.create_index(
        op.f("ix_businesses_address_hmac"), "businesses", ["address_hmac"], unique=False, schema="leadfactory"
    )
    op.create_index(
        op.f("ix_businesses_domain_hmac"), "businesses", ["domain_hmac"], unique=False, schema="leadfactory"
    )
    op.create_index(op.f("ix_businesses_phone_hmac"), "businesses", ["phone_hmac"], unique=False, schema="leadfactory")
    op.create_index(
        "ix_businesses_yelp_ids", "businesses", ["yelp_ids"], unique=False, schema="leadfactory", postgresql_using="gin"
    )
    op.create_table(
        "campaign_days",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("dirty", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("last_event_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("opened_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'mailing', 'listening', 'closed')", name=op.f("ck_campaign_days_state_known")
        ),
        sa.PrimaryKeyConstraint("campaign", "cohort_on", name=op.f("pk_campaign_days")),
        schema="leadfactory",
        comment="One row per campaign-day: lifecycle state, plan, counts and which lake tables are behind.",
    )
    op.create_table(
        "campaigns",
        sa.Column("campaign", sa.Text(), nullable=False, comment="slug; half of every partition key"),
        sa.Column("vertical", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft_only", nullable=False),
        sa.Column("daily_quota", sa.Integer(), nullable=False, comment="businesses sourced a day"),
        sa.Column("top_share", sa.Numeric(precision=4, scale=3), server_default="0.100", nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("budget_cents", sa.BigInteger(), nullable=True),
        sa.Column("consent_basis", sa.Text(), nullable=True),
        sa.Column("sender_email", sa.Text(), nullable=True),
        sa.Column("sender_name", sa.Text(), nullable=True),
        sa.Column("postal_address", sa.Text(), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("launched_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('draft_only', 'launched', 'paused', 'closed')", name=op.f("ck_campaigns_state_known")
        ),
        sa.CheckConstraint("daily_quota BETWEEN 1 AND 100000", name=op.f("ck_campaigns_daily_quota_range")),
        sa.PrimaryKeyConstraint("campaign", name=op.f("pk_campaigns")),
        schema="leadfactory",
        comment="One row per campaign. draft_only sources, audits and drafts; only launched sends.",
    )
    op.create_table(
        "contact_slots",
        sa.Column("slot_hmac", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("held_until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('address', 'domain')", name=op.f("ck_contact_slots_kind_known")),
        sa.PrimaryKeyConstraint("slot_hmac", name=op.f("pk_contact_slots")),
        schema="leadfactory",
        comment="At most one running conversation per recipient over all campaigns.",
    )
    op.create_table(
        "email_drafts",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("body_html", sa.Text(), nullable=True),
        sa.Column("body_text", sa.Text(), nullable=True),
        sa.Column("price_cents", sa.Integer(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="number in the mail → finding_id or audit column it rests on",
        ),
        sa.Column("finding_ids", sa.ARRAY(sa.Uuid()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
        sa.Column(
            "arms", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("wording", sa.Text(), nullable=False, comment="openai or rules"),
        sa.Column("template_version", sa.Text(), nullable=False),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("cost_microusd", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("drafted_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('drafted', 'rejected', 'held_out')", name=op.f("ck_email_drafts_status_known")),
        sa.CheckConstraint("wording IN ('openai', 'rules')", name=op.f("ck_email_drafts_wording_known")),
        sa.PrimaryKeyConstraint("draft_id", name=op.f("pk_email_drafts")),
        sa.UniqueConstraint(
            "campaign",
            "cohort_on",
            "business_id",
            "step",
            "version",
            name=op.f("uq_email_drafts_campaign_cohort_on_business_id_step_version"),
        ),
        schema="leadfactory",
        comment="One row per qualified business, step and version: the mail as it would leave, or why there is none.",
    )
    op.create_index(
        op.f("ix_email_drafts_campaign_cohort_on"),
        "email_drafts",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_table(
        "email_sends",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("address_hmac", sa.LargeBinary(), nullable=False),
        sa.Column("address_plus_hmac", sa.LargeBinary(), nullable=False, comment="of the address without its +tag"),
        sa.Column(
            "domain_hmac",
            sa.LargeBinary(),
            nullable=True,
            comment="of the registrable domain; NULL for free mail",
        ),
        sa.Column("sender_email", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True, comment="the recipient's; NULL is never mailed"),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("planned_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "claim_expires_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="database clock: a claim that nobody settled by then is of a dead process",
        ),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("sendgrid_id", sa.Text(), nullable=True, comment="X-Message-Id"),
        sa.CheckConstraint(
            "state IN ('planned', 'claimed', 'accepted', 'rejected', 'unknown', 'expired', 'refused')",
            name=op.f("ck_email_sends_state_known"),
        ),
        sa.PrimaryKeyConstraint("send_id", name=op.f("pk_email_sends")),
        sa.UniqueConstraint("business_id", "campaign", "step", name=op.f("uq_email_sends_business_id_campaign_step")),
        schema="leadfactory",
        comment="One row per business, campaign and step. claimed is written before the vendor is called; unknown is settled by evidence only.",
    )
    op.create_index(
        op.f("ix_email_sends_address_hmac"), "email_sends", ["address_hmac"], unique=False, schema="leadfactory"
    )
    op.create_index(
        op.f("ix_email_sends_campaign_cohort_on"),
        "email_sends",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(
        "ix_email_sends_due",
        "email_sends",
        ["due_at"],
        unique=False,
        schema="leadfactory",
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_table(
        "enriched_businesses",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "reason", sa.Text(), nullable=True, comment="why there is no site or no answer; NULL when status is ok"
        ),
        sa.Column("retryable", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("place_id", sa.Text(), nullable=True, comment="Google's id; may be kept for ever"),
        sa.Column("place_match", sa.Text(), nullable=False),
        sa.Column("match_score", sa.Numeric(precision=4, scale=3), nullable=True),
        sa.Column("site_url", sa.Text(), nullable=True, comment="the final URL that we fetched ourselves"),
        sa.Column("site_host", sa.Text(), nullable=True),
        sa.Column("site_domain_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("site_source", sa.Text(), nullable=True, comment="places, yelp, import: who named the website"),
        sa.Column("own_name", sa.Text(), nullable=True, comment="as published on the own site, with own_name_url"),
        sa.Column("own_name_url", sa.Text(), nullable=True),
        sa.Column("own_phone", sa.Text(), nullable=True, comment="E.164, as published on the own site"),
        sa.Column("own_address", sa.Text(), nullable=True),
        sa.Column("own_hours", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("contact_email", sa.Text(), nullable=True, comment="as published on the own site"),
        sa.Column("contact_email_url", sa.Text(), nullable=True),
        sa.Column("contact_email_how", sa.Text(), nullable=True, comment="mailto, json_ld, text"),
        sa.Column("contact_email_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column(
            "country", sa.Text(), nullable=True, comment="ISO 3166-1 alpha-2; NULL when unknown, which is never mailed"
        ),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True, comment="IANA name, from the target's place"),
        sa.Column(
            "page_facts",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="what our own parser measured on the pages: see leadfactory.d04_enrichment.page",
        ),
        sa.Column("fetched_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="when the row is worth refreshing"),
        sa.CheckConstraint(
            "place_match IN ('matched', 'no_match', 'vetoed', 'unavailable', 'not_asked')",
            name=op.f("ck_enriched_businesses_place_match_known"),
        ),
        sa.CheckConstraint(
            "status IN ('ok', 'no_website', 'unreachable', 'unavailable')",
            name=op.f("ck_enriched_businesses_status_known"),
        ),
        sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id", name=op.f("pk_enriched_businesses")),
        schema="leadfactory",
        comment="One row per unique business: its own website and what it publishes there. status unavailable is retried.",
    )
    op.create_table(
        "experiment_assignments",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column(
            "bucket", sa.SmallInteger(), nullable=False, comment="0 to 9,999 from the salted hash of the business"
        ),
        sa.Column(
            "exposed_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="set in the transaction that claims the send; from then on immutable",
        ),
        sa.Column("assigned_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("bucket BETWEEN 0 AND 9999", name=op.f("ck_experiment_assignments_bucket_range")),
        sa.PrimaryKeyConstraint(
            "campaign", "cohort_on", "business_id", "experiment", name=op.f("pk_experiment_assignments")
        ),
        schema="leadfactory",
        comment="One row per qualified business and running experiment.",
    )
    op.create_table(
        "experiments",
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column(
            "arms",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="arm → basis points; they sum to 10,000 less the holdout",
        ),
        sa.Column("holdout_bp", sa.Integer(), server_default="0", nullable=False),
        sa.Column("verticals", sa.ARRAY(sa.Text()), nullable=True, comment="NULL means all"),
        sa.Column("loaded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('running', 'stopped')", name=op.f("ck_experiments_state_known")),
        sa.PrimaryKeyConstraint("experiment", "version", name=op.f("pk_experiments")),
        schema="leadfactory",
        comment="Experiments as loaded from experiments/*.yaml; a change is a new version.",
    )
    op.create_table(
        "lead_scores",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "score",
            sa.SmallInteger(),
            nullable=True,
            comment="0 to 100; NULL with a reason when there is nothing to score",
        ),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("qualified", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is not qualified; NULL when it is"),
        sa.Column("components", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="signal → points"),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scored_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("tier IN ('A', 'B', 'C', 'D', 'none')", name=op.f("ck_lead_scores_tier_known")),
        sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id", "version", name=op.f("pk_lead_scores")),
        schema="leadfactory",
        comment="One row per unique business and version; the newest version counts, a version that a claimed send used stays.",
    )
    op.create_table(
        "quality_verdicts",
        sa.Column("verdict_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column(
            "subject_id",
            sa.Uuid(),
            nullable=True,
            comment="the draft, for verdicts on one draft; NULL for the whole campaign-day",
        ),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("suite_version", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("evaluated", sa.Integer(), nullable=False),
        sa.Column(
            "broken", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("judged_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("verdict_id", name=op.f("pk_quality_verdicts")),
        sa.UniqueConstraint(
            "asset",
            "campaign",
            "cohort_on",
            "subject_id",
            "suite",
            "suite_version",
            "input_hash",
            name="uq_quality_verdicts_judged_once",
            postgresql_nulls_not_distinct=True,
        ),
        schema="leadfactory",
        comment="Every verdict of a gate, as a row: the claim of a send asks for the passing one of that very draft.",
    )
    op.create_index(
        op.f("ix_quality_verdicts_campaign_cohort_on_asset"),
        "quality_verdicts",
        ["campaign", "cohort_on", "asset"],
        unique=False,
        schema="leadfactory",
    )
    op.create_table(
        "rejected_rows",
        sa.Column("rejected_row_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True, comment="what broke the rule, redacted"),
        sa.Column("rejected_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rejected_row_id", name=op.f("pk_rejected_rows")),
        sa.UniqueConstraint(
            "asset",
            "campaign",
            "cohort_on",
            "row_key",
            "rule",
            name=op.f("uq_rejected_rows_asset_campaign_cohort_on_row_key_rule"),
        ),
        schema="leadfactory",
        comment="Rows that a row rule refused, with the rule and the value.",
    )
    op.create_table(
        "send_transitions",
        sa.Column("transition_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("happened_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("transition_id", name=op.f("pk_send_transitions")),
        schema="leadfactory",
        comment="Append-only: every change of a send's state.",
    )
    op.create_index(
        op.f("ix_send_transitions_send_id"), "send_transitions", ["send_id"], unique=False, schema="leadfactory"
    )
    op.create_table(
        "site_audits",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("audit_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("retryable", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("strategy", sa.Text(), server_default="mobile", nullable=False),
        sa.Column("requested_url", sa.Text(), nullable=True),
        sa.Column("final_url", sa.Text(), nullable=True),
        sa.Column("performance", sa.SmallInteger(), nullable=True, comment="0 to 100; NULL when Lighthouse gave none"),
        sa.Column("accessibility", sa.SmallInteger(), nullable=True),
        sa.Column("best_practices", sa.SmallInteger(), nullable=True),
        sa.Column("seo", sa.SmallInteger(), nullable=True),
        sa.Column("fcp_ms", sa.Integer(), nullable=True),
        sa.Column("lcp_ms", sa.Integer(), nullable=True),
        sa.Column("tbt_ms", sa.Integer(), nullable=True),
        sa.Column("speed_index_ms", sa.Integer(), nullable=True),
        sa.Column("cls", sa.Numeric(precision=8, scale=4), nullable=True),
        sa.Column("total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("lighthouse_version", sa.Text(), nullable=True),
        sa.Column("raw_sha256", sa.LargeBinary(), nullable=True, comment="of the vendor's answer"),
        sa.Column("fetched_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "expires_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when the measurement is too old to mail from",
        ),
        sa.CheckConstraint("status IN ('ok', 'failed', 'unavailable')", name=op.f("ck_site_audits_status_known")),
        sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id", name=op.f("pk_site_audits")),
        sa.UniqueConstraint("audit_id", name=op.f("uq_site_audits_audit_id")),
        schema="leadfactory",
        comment="One row per audited business: lab measurements of its own website by PageSpeed Insights.",
    )
    op.create_table(
        "site_insights",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("audit_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("retryable", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="openai, or rules when the deterministic fallback wrote it"
        ),
        sa.Column("headline", sa.Text(), nullable=True),
        sa.Column(
            "explanations",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="finding kind → one plain sentence",
        ),
        sa.Column("finding_ids", sa.ARRAY(sa.Uuid()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("cost_microusd", sa.BigInteger(), nullable=True),
        sa.Column("fetched_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("source IN ('openai', 'rules')", name=op.f("ck_site_insights_source_known")),
        sa.CheckConstraint("status IN ('ok', 'failed', 'unavailable')", name=op.f("ck_site_insights_status_known")),
        sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id", name=op.f("pk_site_insights")),
        schema="leadfactory",
        comment="One row per audited business: what its findings mean to its customers, in plain words, from our own measurements.",
    )
    op.create_table(
        "sourced_businesses",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("sourced_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "yelp_id",
            sa.Text(),
            nullable=True,
            comment="may be kept for ever; everything else from Yelp is in vendor_content",
        ),
        sa.Column("rank", sa.Integer(), nullable=False, comment="position in the source's answer"),
        sa.Column("name_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("phone_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("address_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("domain_hmac", sa.LargeBinary(), nullable=True),
        sa.Column(
            "review_band",
            sa.Text(),
            nullable=True,
            comment="0, 1-10, 11-50, >50; only where the vendor terms row names who accepted it",
        ),
        sa.Column(
            "excluded_reason",
            sa.Text(),
            nullable=True,
            comment="closed_permanently, closed_temporarily, …; NULL when the business is in",
        ),
        sa.Column("fetched_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "expires_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when the content behind the row must be gone",
        ),
        sa.CheckConstraint("source IN ('yelp', 'import')", name=op.f("ck_sourced_businesses_source_known")),
        sa.PrimaryKeyConstraint("campaign", "cohort_on", "sourced_id", name=op.f("pk_sourced_businesses")),
        sa.UniqueConstraint(
            "campaign",
            "cohort_on",
            "source",
            "yelp_id",
            name=op.f("uq_sourced_businesses_campaign_cohort_on_source_yelp_id"),
        ),
        sa.UniqueConstraint("sourced_id", name=op.f("uq_sourced_businesses_sourced_id")),
        schema="leadfactory",
        comment="One row per listing that the campaign-day sourced; holds the vendor's id and keyed hashes, never its content.",
    )
    op.create_table(
        "suppressions",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_hmac", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("suppressed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('address', 'address_plus_stripped', 'domain', 'business')",
            name=op.f("ck_suppressions_kind_known"),
        ),
        sa.PrimaryKeyConstraint("kind", "subject_hmac", name=op.f("pk_suppressions")),
        schema="leadfactory",
        comment="Who is never mailed, by keyed hash; survives the erasure of the person.",
    )
    op.create_table(
        "unique_businesses",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("sourced_id", sa.Uuid(), nullable=False, comment="the surviving listing"),
        sa.Column("merged_sourced_ids", sa.ARRAY(sa.Uuid()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
        sa.Column(
            "duplicate_of",
            sa.Uuid(),
            nullable=True,
            comment="set when an earlier cohort already holds this business: never mailed from here",
        ),
        sa.Column("excluded_reason", sa.Text(), nullable=True),
        sa.Column(
            "evidence", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("decided_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id", name=op.f("pk_unique_businesses")),
        sa.UniqueConstraint(
            "campaign", "cohort_on", "sourced_id", name=op.f("uq_unique_businesses_campaign_cohort_on_sourced_id")
        ),
        schema="leadfactory",
        comment="One row per distinct business of the campaign-day.",
    )
    op.create_table(
        "vendor_breakers",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="closed", nullable=False),
        sa.Column("forced", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("opened_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("retry_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("probe_id", sa.Uuid(), nullable=True),
        sa.Column("probe_expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("forced IN ('open', 'closed')", name=op.f("ck_vendor_breakers_forced_known")),
        sa.CheckConstraint("state IN ('closed', 'open', 'half_open')", name=op.f("ck_vendor_breakers_state_known")),
        sa.PrimaryKeyConstraint("vendor", name=op.f("pk_vendor_breakers")),
        schema="leadfactory",
        comment="One row per vendor: the circuit breaker that all processes share.",
    )
    op.create_table(
        "vendor_calls",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("cohort_on", sa.Date(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("business_id", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reserved_microusd", sa.BigInteger(), nullable=False),
        sa.Column("cost_microusd", sa.BigInteger(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("cache_hit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("lease_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('started', 'ok', 'rejected', 'unavailable', 'unknown', 'not_sent')",
            name=op.f("ck_vendor_calls_status_known"),
        ),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_vendor_calls")),
        schema="leadfactory",
        comment="One row per attempt of a vendor call: who asked, what it cost, how it ended. occurred_on is the factory clock's day.",
    )
    op.create_index(
        op.f("ix_vendor_calls_campaign_cohort_on"),
        "vendor_calls",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(
        op.f("ix_vendor_calls_lease_id"),
        "vendor_calls",
        ["lease_id"],
        unique=False,
        schema="leadfactory",
        postgresql_where=sa.text("lease_id IS NOT NULL"),
    )
    op.create_index(
        "ix_vendor_calls_open",
        "vendor_calls",
        ["started_at"],
        unique=False,
        schema="leadfactory",
        postgresql_where=sa.text("status = 'started'"),
    )
    op.create_index(
        op.f("ix_vendor_calls_vendor_started_at"),
        "vendor_calls",
        ["vendor", "started_at"],
        unique=False,
        schema="leadfactory",
    )
    op.create_table(
        "vendor_content",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column(
            "content_key", sa.LargeBinary(), nullable=False, comment="SHA-256 of method, URL, parameters and body"
        ),
        sa.Column("subject", sa.Text(), nullable=True, comment="the vendor's own id of what the content is about"),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fetched_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("vendor", "content_key", name=op.f("pk_vendor_content")),
        schema="leadfactory",
        comment="Vendor answers whose terms limit storage. UNLOGGED: never in WAL, backups or replicas; empty after a crash.",
        prefixes=["UNLOGGED"],
    )
    op.create_index(
        op.f("ix_vendor_content_expires_at"), "vendor_content", ["expires_at"], unique=False, schema="leadfactory"
    )
    op.create_index(
        op.f("ix_vendor_content_subject"), "vendor_content", ["subject"], unique=False, schema="leadfactory"
    )
    op.create_table(
        "vendor_leases",
        sa.Column("lease_id", sa.Uuid(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column(
            "windows",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="rate → window_started_at it was taken from",
        ),
        sa.Column("leased_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lease_id", name=op.f("pk_vendor_leases")),
        schema="leadfactory",
        comment="Permits handed to one process in a batch; what its ledger rows did not use returns at expiry.",
    )
    op.create_index(
        op.f("ix_vendor_leases_expires_at"), "vendor_leases", ["expires_at"], unique=False, schema="leadfactory"
    )
    op.create_table(
        "vendor_quotas",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=False, comment="second, minute or day"),
        sa.Column("limit_units", sa.BigInteger(), nullable=False),
        sa.Column("window_started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("resets_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_units", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased_units", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "recent",
            sa.ARRAY(sa.BigInteger()),
            server_default=sa.text("'{}'::bigint[]"),
            nullable=False,
            comment="second and minute only: units granted in the last 22 slices of a twentieth of the window, newest last",
        ),
        sa.Column("blocked_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("waited", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("vendor", "rate", name=op.f("pk_vendor_quotas")),
        schema="leadfactory",
        comment="One row per vendor and rate: what the window has used and leased; corrected by the vendor's own headers.",
    )
    op.create_table(
        "audit_findings",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("finding_id", sa.Uuid(), nullable=False),
        sa.Column("audit_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False, comment="1 (minor) to 4 (critical)"),
        sa.Column(
            "measured",
            sa.Numeric(precision=14, scale=4),
            nullable=True,
            comment="the number behind the finding, in unit; NULL for yes/no findings",
        ),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("threshold", sa.Numeric(precision=14, scale=4), nullable=True),
        sa.Column("source", sa.Text(), nullable=False, comment="lighthouse audit id, or page:<fact>"),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.CheckConstraint("severity BETWEEN 1 AND 4", name=op.f("ck_audit_findings_severity_range")),
        sa.ForeignKeyConstraint(
            ["audit_id"], ["leadfactory.site_audits.audit_id"], name=op.f("fk_audit_findings_audit_id")
        ),
        sa.PrimaryKeyConstraint("finding_id", name=op.f("pk_audit_findings")),
        sa.UniqueConstraint("audit_id", "kind", name=op.f("uq_audit_findings_audit_id_kind")),
        schema="leadfactory",
        comment="One row per thing that is wrong with an audited website, with the measurement that shows it.",
    )
    op.create_index(
        op.f("ix_audit_findings_campaign_cohort_on"),
        "audit_findings",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_table(
        "targets",
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("vertical", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False, comment="10001, 'New York, NY', 'NY'"),
        sa.Column("quota", sa.Integer(), nullable=False, comment="businesses a day from this target"),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("next_offset", sa.Integer(), server_default="0", nullable=False),
        sa.Column("exhausted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('zip', 'city', 'metro', 'state')", name=op.f("ck_targets_kind_known")),
        sa.ForeignKeyConstraint(["campaign"], ["leadfactory.campaigns.campaign"], name=op.f("fk_targets_campaign")),
        sa.PrimaryKeyConstraint("target_id", name=op.f("pk_targets")),
        sa.UniqueConstraint(
            "campaign", "vertical", "kind", "place", name=op.f("uq_targets_campaign_vertical_kind_place")
        ),
        schema="leadfactory",
        comment="What a campaign aims at: a vertical in a place. Overlaps within a vertical are refused.",
    )
    op.create_table(
        "campaign_targets",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("vertical", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("yelp_categories", sa.Text(), nullable=False, comment="comma list of aliases"),
        sa.Column("from_offset", sa.Integer(), nullable=False),
        sa.Column("businesses_planned", sa.Integer(), nullable=False),
        sa.Column("calls_planned", sa.Integer(), nullable=False),
        sa.Column("expected_leads", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("expected_cost_microusd", sa.BigInteger(), nullable=False),
        sa.Column("planned_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["target_id"], ["leadfactory.targets.target_id"], name=op.f("fk_campaign_targets_target_id")
        ),
        sa.PrimaryKeyConstraint("campaign", "cohort_on", "target_id", name=op.f("pk_campaign_targets")),
        schema="leadfactory",
        comment="One row per target that the campaign-day may source from: calls and businesses allotted.",
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema="leadfactory")
