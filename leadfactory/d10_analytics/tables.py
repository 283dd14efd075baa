"""Tables of D10: what the lake holds."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Moment, metadata

lake_manifest = sa.Table(
    "lake_manifest",
    metadata,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("cohort_on", sa.Date, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("exported_at", Moment, nullable=False),
    comment="One row per lake file: what it holds and when it was written.",
)
