"""Tables of D11: experiments and who is in which arm."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata, one_of

experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("experiment", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("salt", sa.Text, nullable=False),
    sa.Column("arms", Json, nullable=False, comment="arm → basis points; they sum to 10,000 less the holdout"),
    sa.Column("holdout_bp", sa.Integer, nullable=False, server_default="0"),
    sa.Column("verticals", sa.ARRAY(sa.Text), comment="NULL means all"),
    sa.Column("loaded_at", Moment, nullable=False),
    one_of("state", "running", "stopped"),
    comment="Experiments as loaded from experiments/*.yaml; a change is a new version.",
)
experiment_assignments = sa.Table(
    "experiment_assignments",
    metadata,
    *cohort(),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("experiment", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("bucket", sa.SmallInteger, nullable=False, comment="0 to 9,999 from the salted hash of the business"),
    sa.Column("exposed_at", Moment, comment="set in the transaction that claims the send; from then on immutable"),
    sa.Column("assigned_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id", "experiment"),
    sa.CheckConstraint("bucket BETWEEN 0 AND 9999", name="bucket_range"),
    comment="One row per qualified business and running experiment.",
)
