"""Tables of D1: campaigns, what they aim at, and the day's allotment."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Moment, cohort, metadata, one_of

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("campaign", sa.Text, primary_key=True, comment="slug; half of every partition key"),
    sa.Column("vertical", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="draft_only"),
    sa.Column("daily_quota", sa.Integer, nullable=False, comment="businesses sourced a day"),
    sa.Column("top_share", sa.Numeric(4, 3), nullable=False, server_default="0.100"),
    sa.Column("min_tier", sa.Text, comment="lowest tier that may be written to; NULL: the scoring rules' own"),
    sa.Column("starts_on", sa.Date, nullable=False),
    sa.Column("ends_on", sa.Date),
    sa.Column("budget_cents", sa.BigInteger),
    sa.Column("consent_basis", sa.Text),
    sa.Column("sender_email", sa.Text),
    sa.Column("sender_name", sa.Text),
    sa.Column("postal_address", sa.Text),
    sa.Column("pagespeed_desktop", sa.Boolean, comment="whether websites are measured as a computer too; NULL is no"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("launched_at", Moment),
    sa.Column(
        "chain_policy",
        sa.Text,
        nullable=False,
        server_default="skip",
        comment="what becomes of branches of chains, recognised or on the exclusion list",
    ),
    sa.Column(
        "review_percent",
        sa.SmallInteger,
        nullable=False,
        server_default="0",
        comment="share of the letters that wait for a person: 0 none, 100 all; always of the same businesses",
    ),
    sa.CheckConstraint("review_percent BETWEEN 0 AND 100", name="review_percent_range"),
    sa.Column("mailer", sa.Text, nullable=False, server_default="sendgrid", comment="the adapter its letters leave by"),
    sa.Column(
        "risk_acknowledged_by", sa.Text, comment="who takes the risk of mail that the mailer's terms do not accept"
    ),
    sa.Column("risk_acknowledged_for", sa.Text, comment="the mailer that it was taken for; another one asks again"),
    sa.Column("risk_acknowledged_at", Moment),
    one_of("chain_policy", "all", "one", "skip"),
    one_of("mailer", "sendgrid", "smtp"),
    one_of("state", "draft_only", "launched", "paused", "closed"),
    one_of("min_tier", "A", "B", "C", "D"),
    sa.CheckConstraint("daily_quota BETWEEN 1 AND 100000", name="daily_quota_range"),
    comment="One row per campaign. draft_only sources, audits and drafts; only launched sends.",
)
targets = sa.Table(
    "targets",
    metadata,
    sa.Column("target_id", sa.Uuid, primary_key=True),
    sa.Column("campaign", sa.Text, sa.ForeignKey(campaigns.c.campaign), nullable=False),
    sa.Column("vertical", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False, comment="10001, 'New York, NY', 'NY'"),
    sa.Column("quota", sa.Integer, nullable=False, comment="businesses a day from this target"),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("next_offset", sa.Integer, nullable=False, server_default="0"),
    sa.Column("exhausted_at", Moment),
    sa.Column("created_at", Moment, nullable=False),
    one_of("kind", "zip", "city", "metro", "state"),
    sa.UniqueConstraint("campaign", "vertical", "kind", "place"),
    comment="What a campaign aims at: a vertical in a place. Overlaps within a vertical are refused.",
)
campaign_targets = sa.Table(
    "campaign_targets",
    metadata,
    *cohort(),
    sa.Column("target_id", sa.Uuid, sa.ForeignKey(targets.c.target_id), nullable=False),
    sa.Column("vertical", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("yelp_categories", sa.Text, nullable=False, comment="comma list of aliases"),
    sa.Column("from_offset", sa.Integer, nullable=False),
    sa.Column("businesses_planned", sa.Integer, nullable=False),
    sa.Column("calls_planned", sa.Integer, nullable=False),
    sa.Column("expected_leads", sa.Numeric(10, 2)),
    sa.Column("expected_cost_microusd", sa.BigInteger, nullable=False),
    sa.Column("planned_at", Moment, nullable=False),
    sa.Column(
        "audits_planned",
        sa.Integer,
        comment="website audits expected of these businesses; NULL in plans before they were counted",
    ),
    sa.Column("expected_mails", sa.Numeric(10, 2)),
    sa.Column("expected_sales", sa.Numeric(12, 5), comment="an estimate: rests on config/planning.yaml"),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "target_id"),
    comment="One row per target that the campaign-day may source from: calls and businesses allotted.",
)
exclusions = sa.Table(
    "exclusions",
    metadata,
    sa.Column(
        "subject_hmac", sa.LargeBinary, primary_key=True, comment="keyed hash of a phone, domain, address or name"
    ),
    sa.Column("list", sa.Text, primary_key=True),
    sa.Column("campaign", sa.Text, primary_key=True, server_default="", comment="empty: every campaign"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column(
        "label", sa.Text, nullable=False, comment="the operator's own word for where it came from; never the value"
    ),
    sa.Column("added_at", Moment, nullable=False),
    one_of("list", "customers", "competitors", "chains", "own"),
    one_of("kind", "phone", "domain", "address", "name"),
    comment="Whom the operator keeps out of campaigns, by keyed hash: never sourced further, never mailed.",
)
