"""What crosses a process's or a store's border: run outcomes, key fingerprints, the lake's manifest.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("key_fingerprints", "lake_manifest", "run_outcomes")


def upgrade() -> None:
    op.create_table(
        "key_fingerprints",
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_name", name=op.f("pk_key_fingerprints")),
        schema="leadfactory",
        comment="Which suppression key made the hashes here; with another key nothing can be sent.",
    )
    op.create_table(
        "lake_manifest",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("exported_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "campaign", "cohort_on", name=op.f("pk_lake_manifest")),
        schema="leadfactory",
        comment="One row per lake file: what it holds and when it was written.",
    )
    op.create_table(
        "run_outcomes",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "failed_steps",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_outcomes")),
        schema="leadfactory",
        comment="How Dagster's runs ended, for processes that do not know Dagster.",
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema="leadfactory")
