"""Operator review: what people said about drafts, and whether a draft may leave by its campaign's policy.

Revision ID: 0026_draft_reviews
Revises: 0025_halts
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026_draft_reviews"
down_revision = "0025_halts"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
# The newest review of a draft decides; without one, or while it waits by policy alone, the campaign's percentage does, always for
# the same businesses. leadfactory/d08_personalization/reviews.py: sampled() is the same rule.
CLEARED = """
CREATE FUNCTION leadfactory.draft_cleared(draft uuid, business uuid, step smallint, percent smallint) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT CASE WHEN r.state IN ('approved', 'edited') THEN TRUE
                 WHEN r.state = 'rejected' OR r.reason IS DISTINCT FROM 'policy' THEN FALSE END
     FROM leadfactory.draft_reviews r WHERE r.draft_id = draft ORDER BY r.review_id DESC LIMIT 1),
    ('x' || substr(md5(business::text || ':' || step::text), 1, 8))::bit(32)::bigint % 100 >= percent)
$$
"""


def upgrade() -> None:
    op.add_column(
        "campaigns",
        sa.Column(
            "review_percent",
            sa.SmallInteger(),
            nullable=False,
            server_default="0",
            comment="share of the letters that wait for a person: 0 none, 100 all; always of the same businesses",
        ),
        schema=SCHEMA,
    )
    op.create_check_constraint(
        op.f("ck_campaigns_review_percent_range"), "campaigns", "review_percent BETWEEN 0 AND 100", schema=SCHEMA
    )
    op.create_table(
        "draft_reviews",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("review_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            comment="policy of what waits by the campaign's policy; else words of a person or of ours",
        ),
        sa.Column("reviewer", sa.Text(), comment="who said it; NULL of what waits"),
        sa.Column("edited_from", sa.Uuid(), comment="of an edit: the version that was edited"),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False, comment="of the very text that was looked at"),
        sa.Column("reviewed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'waiting') = (reviewer IS NULL)", name=op.f("ck_draft_reviews_decided_by_a_person")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'edited', 'rejected')", name=op.f("ck_draft_reviews_state_known")
        ),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_draft_reviews")),
        schema=SCHEMA,
        comment="Append-only: what was said about a draft. The newest row of a draft is its state; draft_cleared() says whether it may leave.",
    )
    op.create_index(
        op.f("ix_draft_reviews_draft_id_review_id"), "draft_reviews", ["draft_id", "review_id"], schema=SCHEMA
    )
    _wording("'openai', 'rules', 'operator'", "openai, rules or operator")
    op.execute(CLEARED)


def downgrade() -> None:
    op.execute("DROP FUNCTION leadfactory.draft_cleared(uuid, uuid, smallint, smallint)")
    op.execute("UPDATE leadfactory.email_drafts SET wording = 'rules' WHERE wording = 'operator'")
    _wording("'openai', 'rules'", "openai or rules")
    op.drop_table("draft_reviews", schema=SCHEMA)
    op.drop_constraint(op.f("ck_campaigns_review_percent_range"), "campaigns", schema=SCHEMA)
    op.drop_column("campaigns", "review_percent", schema=SCHEMA)


def _wording(values: str, comment: str) -> None:
    name = op.f("ck_email_drafts_wording_known")
    op.drop_constraint(name, "email_drafts", schema=SCHEMA)
    op.create_check_constraint(name, "email_drafts", f"wording IN ({values})", schema=SCHEMA)
    op.alter_column(
        "email_drafts", "wording", existing_type=sa.Text(), existing_nullable=False, comment=comment, schema=SCHEMA
    )
