"""Tables of D5: the score of a lead and its reasons."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata, one_of

lead_scores = sa.Table(
    "lead_scores",
    metadata,
    *cohort(),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("score", sa.SmallInteger, comment="0 to 100; NULL with a reason when there is nothing to score"),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("qualified", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, comment="why it is not qualified; NULL when it is"),
    sa.Column("components", Json, nullable=False, comment="signal → points"),
    sa.Column("rank", sa.Integer),
    sa.Column("rules_version", sa.Text, nullable=False),
    sa.Column("input_hash", sa.LargeBinary, nullable=False),
    sa.Column("scored_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id", "version"),
    one_of("tier", "A", "B", "C", "D", "none"),
    comment="One row per unique business and version; the newest version counts, a version that a claimed send used stays.",
)
