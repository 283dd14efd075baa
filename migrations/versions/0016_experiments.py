"""What an experiment is judged by, who accepted a weak one, and its read-outs.

Revision ID: 0016_experiments
Revises: 0009_webhooks
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016_experiments"
down_revision = "0009_webhooks"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.DateTime(timezone=True)
STATES = "state IN ('draft', 'running', 'halted', 'stopped')"
DECISIONS = "decision IN ('running', 'winner', 'no_difference', 'stopped_by_guardrail', 'invalid_srm')"


def upgrade() -> None:
    for name, kind, comment in (
        (
            "design",
            postgresql.JSONB(astext_type=sa.Text()),
            "control, metric, effect, guardrails, layer, dates; NULL of versions before 2026-11-25",
        ),
        ("accepted_weak_at", MOMENT, "a person accepted that it takes longer than the limit to tell anything"),
        ("accepted_weak_by", sa.Text(), None),
    ):
        op.add_column("experiments", sa.Column(name, kind, nullable=True, comment=comment), schema=SCHEMA)
    op.drop_constraint(op.f("ck_experiments_state_known"), "experiments", schema=SCHEMA)
    op.create_check_constraint(op.f("ck_experiments_state_known"), "experiments", STATES, schema=SCHEMA)
    op.create_table(
        "experiment_readouts",
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("read_on", sa.Date(), nullable=False, comment="what was known at the end of this day, UTC"),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("exposed", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False, comment="businesses with the primary metric's event"),
        sa.Column("rate", sa.Double(), comment="events per exposed business; NULL while nobody is exposed"),
        sa.Column("rate_low", sa.Double(), nullable=False),
        sa.Column("rate_high", sa.Double(), nullable=False),
        sa.Column(
            "ratio", sa.Double(), comment="the arm's rate over the control's; NULL of the control or without events"
        ),
        sa.Column("ratio_low", sa.Double(), comment="NULL while the data do not bound it"),
        sa.Column("ratio_high", sa.Double(), comment="NULL while the data do not bound it"),
        sa.Column("log_e", sa.Double(), comment="natural log of the e-value against no difference"),
        sa.Column(
            "srm_log_e", sa.Double(), nullable=False, comment="natural log of the e-value against the planned split"
        ),
        sa.Column("broken_guardrails", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("winner", sa.Text()),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.CheckConstraint(DECISIONS, name=op.f("ck_experiment_readouts_decision_known")),
        sa.PrimaryKeyConstraint("experiment", "version", "read_on", "arm", name=op.f("pk_experiment_readouts")),
        schema=SCHEMA,
        comment="One row per experiment version, day and arm: what could be said on that day, by figures that hold at every look.",
    )


def downgrade() -> None:
    op.drop_table("experiment_readouts", schema=SCHEMA)
    op.execute("UPDATE leadfactory.experiments SET state = 'stopped' WHERE state NOT IN ('running', 'stopped')")
    op.drop_constraint(op.f("ck_experiments_state_known"), "experiments", schema=SCHEMA)
    op.create_check_constraint(
        op.f("ck_experiments_state_known"), "experiments", "state IN ('running', 'stopped')", schema=SCHEMA
    )
    for name in ("accepted_weak_by", "accepted_weak_at", "design"):
        op.drop_column("experiments", name, schema=SCHEMA)
