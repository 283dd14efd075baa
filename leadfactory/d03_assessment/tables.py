"""Tables of D3: audits, findings and insights."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata, one_of

site_audits = sa.Table(
    "site_audits",
    metadata,
    *cohort(),
    sa.Column("audit_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("retryable", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("strategy", sa.Text, nullable=False, server_default="mobile"),
    sa.Column("requested_url", sa.Text),
    sa.Column("final_url", sa.Text),
    sa.Column("performance", sa.SmallInteger, comment="0 to 100; NULL when Lighthouse gave none"),
    sa.Column("accessibility", sa.SmallInteger),
    sa.Column("best_practices", sa.SmallInteger),
    sa.Column("seo", sa.SmallInteger),
    sa.Column("fcp_ms", sa.Integer),
    sa.Column("lcp_ms", sa.Integer),
    sa.Column("tbt_ms", sa.Integer),
    sa.Column("speed_index_ms", sa.Integer),
    sa.Column("cls", sa.Numeric(8, 4)),
    sa.Column("total_bytes", sa.BigInteger),
    sa.Column("lighthouse_version", sa.Text),
    sa.Column("raw_sha256", sa.LargeBinary, comment="of the vendor's answer"),
    sa.Column("site_host", sa.Text, comment="of the website, for re-use by other campaign-days"),
    sa.Column("pagespeed_reason", sa.Text, comment="why there is no lab measurement; NULL when there is one"),
    sa.Column("crawl_reason", sa.Text, comment="why our own crawl did not read the home page; NULL when it did"),
    sa.Column(
        "desktop_reason", sa.Text, comment="why the desktop measurement failed; NULL when it did not or was not asked"
    ),
    sa.Column("desktop", Json, comment="scores and metrics of a desktop run, where the campaign wants one"),
    sa.Column(
        "has_field_data", sa.Boolean, comment="whether Chrome users' data exist; NULL without a PageSpeed answer"
    ),
    sa.Column(
        "field_data", Json, comment="Chrome users' 75th percentiles, apart from the lab; NULL without field data"
    ),
    sa.Column(
        "measurement", Json, comment="facts and evidence of our own crawl: leadfactory.d03_assessment.measurement"
    ),
    sa.Column("technologies", Json, comment="what the site is made of: id, category, version, dated, evidence"),
    sa.Column("unmeasured", Json, comment="finding kind that could not be judged → reason"),
    sa.Column("rules_version", sa.Text, comment="of the catalogue that judged"),
    sa.Column("reused_audit_id", sa.Uuid, comment="the earlier audit of the same website that serves again"),
    sa.Column("fetched_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, comment="when the measurement is too old to mail from"),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id"),
    sa.Index(None, "business_id"),
    sa.Index(None, "site_host"),
    one_of("status", "ok", "failed", "unavailable"),
    comment="One row per audited business: its own website measured by PageSpeed Insights (lab and field) and by our own crawl.",
)
audit_findings = sa.Table(
    "audit_findings",
    metadata,
    *cohort(),
    sa.Column("finding_id", sa.Uuid, primary_key=True),
    sa.Column("audit_id", sa.Uuid, sa.ForeignKey(site_audits.c.audit_id), nullable=False),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("severity", sa.SmallInteger, nullable=False, comment="1 (minor) to 4 (critical)"),
    sa.Column(
        "measured", sa.Numeric(14, 4), comment="the number behind the finding, in unit; NULL for yes/no findings"
    ),
    sa.Column("unit", sa.Text),
    sa.Column("threshold", sa.Numeric(14, 4)),
    sa.Column("source", sa.Text, nullable=False, comment="lighthouse audit id, or page:<fact>"),
    sa.Column("evidence", Json, nullable=False, comment="URL, selector or audit, time, examples"),
    sa.Column("effort", sa.Text, comment="low, medium or high"),
    sa.Column("effort_who", sa.Text, comment="owner, editor, developer or host"),
    sa.Column("conversion_weight", sa.Numeric(4, 3), comment="0 to 1: how much it weighs on winning a customer"),
    sa.Column("rules_version", sa.Text, nullable=False),
    sa.UniqueConstraint("audit_id", "kind"),
    sa.Index(None, "campaign", "cohort_on"),
    sa.CheckConstraint("severity BETWEEN 1 AND 4", name="severity_range"),
    comment="One row per thing that is wrong with an audited website, with the measurement that shows it.",
)
site_insights = sa.Table(
    "site_insights",
    metadata,
    *cohort(),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("audit_id", sa.Uuid, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("retryable", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("source", sa.Text, nullable=False, comment="openai, or rules when the deterministic fallback wrote it"),
    sa.Column("headline", sa.Text),
    sa.Column("explanations", Json, comment="finding kind → one plain sentence"),
    sa.Column("finding_ids", sa.ARRAY(sa.Uuid), nullable=False, server_default=sa.text("'{}'::uuid[]")),
    sa.Column("model", sa.Text),
    sa.Column("prompt_version", sa.Text, nullable=False),
    sa.Column("input_tokens", sa.Integer),
    sa.Column("output_tokens", sa.Integer),
    sa.Column("cost_microusd", sa.BigInteger),
    sa.Column("fetched_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id"),
    one_of("status", "ok", "failed", "unavailable"),
    one_of("source", "openai", "rules"),
    comment="One row per audited business: what its findings mean to its customers, in plain words, from our own measurements.",
)
