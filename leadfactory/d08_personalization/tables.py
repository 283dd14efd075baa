"""Tables of D8: drafts."""

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
    sa.Column("wording", sa.Text, nullable=False, comment="openai or rules"),
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
    one_of("wording", "openai", "rules"),
    comment="One row per qualified business, step and version: the mail as it would leave, or why there is none.",
)
