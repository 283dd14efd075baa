"""Tables of D8: drafts, and what people said about them."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata, one_of

email_drafts = sa.Table(
    "email_drafts",
    metadata,
    *cohort(),
    sa.Column("draft_id", sa.Uuid, primary_key=True),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("step", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("preview", sa.Text),
    sa.Column("body_html", sa.Text),
    sa.Column("body_text", sa.Text),
    sa.Column("price_cents", sa.Integer),
    sa.Column("currency", sa.Text),
    sa.Column("facts", Json, nullable=False, comment="number in the mail → finding_id or audit column it rests on"),
    sa.Column("finding_ids", sa.ARRAY(sa.Uuid), nullable=False, server_default=sa.text("'{}'::uuid[]")),
    sa.Column("arms", Json, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("wording", sa.Text, nullable=False, comment="openai, rules or operator"),
    sa.Column("template_version", sa.Text, nullable=False),
    sa.Column("prompt_version", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("input_tokens", sa.Integer),
    sa.Column("output_tokens", sa.Integer),
    sa.Column("cost_microusd", sa.BigInteger),
    sa.Column("content_hash", sa.LargeBinary, nullable=False),
    sa.Column("drafted_at", Moment, nullable=False),
    sa.UniqueConstraint("campaign", "cohort_on", "business_id", "step", "version"),
    sa.Index(None, "campaign", "cohort_on"),
    one_of("status", "drafted", "rejected", "held_out"),
    one_of("wording", "openai", "rules", "operator"),
    comment="One row per qualified business, step and version: the mail as it would leave, or why there is none.",
)
REVIEW_STATES = ("waiting", "approved", "edited", "rejected")
draft_reviews = sa.Table(
    "draft_reviews",
    metadata,
    *cohort(),
    sa.Column("review_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("draft_id", sa.Uuid, nullable=False),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("step", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column(
        "reason", sa.Text, comment="policy of what waits by the campaign's policy; else words of a person or of ours"
    ),
    sa.Column("reviewer", sa.Text, comment="who said it; NULL of what waits"),
    sa.Column("edited_from", sa.Uuid, comment="of an edit: the version that was edited"),
    sa.Column("content_hash", sa.LargeBinary, nullable=False, comment="of the very text that was looked at"),
    sa.Column("reviewed_at", Moment, nullable=False),
    sa.Index(None, "draft_id", "review_id"),
    sa.CheckConstraint("(state = 'waiting') = (reviewer IS NULL)", name="decided_by_a_person"),
    one_of("state", *REVIEW_STATES),
    comment="Append-only: what was said about a draft. The newest row of a draft is its state; draft_cleared() says whether it may leave.",
)
