"""The planner keeps no samples of vendor content.

ANALYZE, autovacuum's too, copies values of a column into pg_statistic: a logged catalogue, which reaches the write-ahead log,
physical backups and replicas, and outlives the rows. A target of 0 keeps what may expire out of it; no query filters by it.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLE = "leadfactory.vendor_content"


def upgrade() -> None:
    op.execute(f"ALTER TABLE {TABLE} ALTER COLUMN content SET STATISTICS 0")
    # A target of 0 leaves old samples where they are, and no ANALYZE removes them any more; a change of type does, even to the
    # type that the column has, and rewrites nothing.
    op.execute(f"ALTER TABLE {TABLE} ALTER COLUMN content TYPE jsonb")


def downgrade() -> None:
    op.execute(f"ALTER TABLE {TABLE} ALTER COLUMN content SET STATISTICS -1")
