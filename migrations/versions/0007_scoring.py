"""Scores with their inputs, contributions, sentence and revenue estimate; a campaign's own lowest tier.

Revision ID: 0007_scoring
Revises: 0006_assessment
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_scoring"
down_revision = "0006_assessment"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
_JSON = postgresql.JSONB(astext_type=sa.Text())
_NOW = "need, ability, reachability, confidence: 0 to 1"


def _columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("need", sa.Numeric(5, 4), comment="0 to 1"),
        sa.Column("ability", sa.Numeric(5, 4), comment="to pay, 0 to 1"),
        sa.Column("reachability", sa.Numeric(5, 4), comment="0 to 1"),
        sa.Column("confidence", sa.Numeric(4, 3), comment="share of the signals' weight that is known, 0 to 1"),
        sa.Column("sentence", sa.Text(), comment="the score in words"),
        sa.Column("inputs", _JSON, comment="what the score rests on: see leadfactory.d05_scoring.leads.Lead"),
        sa.Column("contributions", _JSON, comment="per signal: factor, value, points, weight, share, known"),
        sa.Column("min_tier", sa.Text(), comment="the lowest tier that qualified when it was judged"),
        sa.Column("revenue_low_cents", sa.BigInteger(), comment="a year's impact, an estimate: lower end"),
        sa.Column("revenue_high_cents", sa.BigInteger(), comment="upper end; NULL when nothing can be estimated"),
        sa.Column("revenue_confidence", sa.Numeric(4, 3), comment="of the estimate, 0 to 1"),
        sa.Column("revenue_basis", _JSON, comment="what the estimate rests on, in words"),
    )


def upgrade() -> None:
    for column in _columns():
        op.add_column("lead_scores", column, schema=SCHEMA)
    op.alter_column(
        "lead_scores", "components", existing_type=_JSON, existing_nullable=False, comment=_NOW, schema=SCHEMA
    )
    op.add_column(
        "campaigns",
        sa.Column("min_tier", sa.Text(), comment="lowest tier that may be written to; NULL: the scoring rules' own"),
        schema=SCHEMA,
    )
    op.create_check_constraint(
        op.f("ck_campaigns_min_tier_known"), "campaigns", "min_tier IN ('A', 'B', 'C', 'D')", schema=SCHEMA
    )


def downgrade() -> None:
    op.drop_column("campaigns", "min_tier", schema=SCHEMA)
    op.alter_column(
        "lead_scores",
        "components",
        existing_type=_JSON,
        existing_nullable=False,
        comment="signal → points",
        schema=SCHEMA,
    )
    for column in reversed(_columns()):
        op.drop_column("lead_scores", column.name, schema=SCHEMA)
