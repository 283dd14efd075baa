"""Which alerts fired, and which nights were told of.

Revision ID: 0033_alerts
Revises: 0032_backups
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033_alerts"
down_revision = "0032_backups"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="Alertmanager's, over the labels"),
        sa.Column("started_at", MOMENT, nullable=False, comment="real time, as all of this table"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), comment="Dagster's, of an alert about a run"),
        sa.Column(
            "levels_told", sa.SmallInteger(), nullable=False, comment="how many levels of config/contacts.yaml know"
        ),
        sa.Column("ended_at", MOMENT, comment="NULL while it fires"),
        sa.CheckConstraint("severity IN ('critical', 'warning')", name=op.f("ck_alerts_severity_known")),
        sa.PrimaryKeyConstraint("fingerprint", "started_at", name=op.f("pk_alerts")),
        schema=SCHEMA,
        comment="One row per time that an alert fired: how long, and how far it climbed.",
    )
    op.create_index(op.f("ix_alerts_started_at"), "alerts", ["started_at"], schema=SCHEMA)
    op.create_table(
        "night_reviews",
        sa.Column("night_on", sa.Date(), nullable=False),
        sa.Column("told_at", MOMENT, nullable=False, comment="real time; claimed before the message is handed over"),
        sa.Column("channels", sa.Text(), comment="who took it; NULL until known, or when nobody did"),
        sa.PrimaryKeyConstraint("night_on", name=op.f("pk_night_reviews")),
        schema=SCHEMA,
        comment="One row per night whose review was sent to people, so that it is sent once.",
    )


def downgrade() -> None:
    op.drop_table("night_reviews", schema=SCHEMA)
    op.drop_table("alerts", schema=SCHEMA)
