"""Targeting: exclusion lists, and what a plan expects of audits, mails and sales.

Revision ID: 0004_targeting
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_targeting"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
EXPECTED = (
    sa.Column(
        "audits_planned",
        sa.Integer(),
        nullable=True,
        comment="website audits expected of these businesses; NULL in plans before they were counted",
    ),
    sa.Column("expected_mails", sa.Numeric(precision=10, scale=2), nullable=True),
    sa.Column(
        "expected_sales",
        sa.Numeric(precision=12, scale=5),
        nullable=True,
        comment="an estimate: rests on config/planning.yaml",
    ),
)


def upgrade() -> None:
    op.create_table(
        "exclusions",
        sa.Column(
            "subject_hmac",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of a phone, domain, address or name",
        ),
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), server_default="", nullable=False, comment="empty: every campaign"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "label",
            sa.Text(),
            nullable=False,
            comment="the operator's own word for where it came from; never the value",
        ),
        sa.Column("added_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "list IN ('customers', 'competitors', 'chains', 'own')", name=op.f("ck_exclusions_list_known")
        ),
        sa.CheckConstraint("kind IN ('phone', 'domain', 'address', 'name')", name=op.f("ck_exclusions_kind_known")),
        sa.PrimaryKeyConstraint("subject_hmac", "list", "campaign", name=op.f("pk_exclusions")),
        schema=SCHEMA,
        comment="Whom the operator keeps out of campaigns, by keyed hash: never sourced further, never mailed.",
    )
    for column in EXPECTED:
        op.add_column("campaign_targets", column.copy(), schema=SCHEMA)


def downgrade() -> None:
    for column in reversed(EXPECTED):
        op.drop_column("campaign_targets", column.name, schema=SCHEMA)
    op.drop_table("exclusions", schema=SCHEMA)
