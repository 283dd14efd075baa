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
    sa.Column(
        "design", Json, comment="control, metric, effect, guardrails, layer, dates; NULL of versions before 2026-11-25"
    ),
    sa.Column(
        "accepted_weak_at", Moment, comment="a person accepted that it takes longer than the limit to tell anything"
    ),
    sa.Column("accepted_weak_by", sa.Text),
    sa.Column(
        "paused_arms",
        sa.ARRAY(sa.Text),
        nullable=False,
        server_default=sa.text("'{}'::text[]"),
        comment="arms over a guardrail: they get nobody more",
    ),
    sa.Column("loaded_at", Moment, nullable=False),
    one_of("state", "draft", "running", "halted", "stopped"),
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
experiment_readouts = sa.Table(
    "experiment_readouts",
    metadata,
    sa.Column("experiment", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("read_on", sa.Date, primary_key=True, comment="what was known at the end of this day, UTC"),
    sa.Column("arm", sa.Text, primary_key=True),
    sa.Column("exposed", sa.Integer, nullable=False),
    sa.Column("events", sa.Integer, nullable=False, comment="businesses with the primary metric's event"),
    sa.Column("rate", sa.Double, comment="events per exposed business; NULL while nobody is exposed"),
    sa.Column("rate_low", sa.Double, nullable=False),
    sa.Column("rate_high", sa.Double, nullable=False),
    sa.Column("ratio", sa.Double, comment="the arm's rate over the control's; NULL of the control or without events"),
    sa.Column("ratio_low", sa.Double, comment="NULL while the data do not bound it"),
    sa.Column("ratio_high", sa.Double, comment="NULL while the data do not bound it"),
    sa.Column("log_e", sa.Double, comment="natural log of the e-value against no difference"),
    sa.Column("srm_log_e", sa.Double, nullable=False, comment="natural log of the e-value against the planned split"),
    sa.Column("broken_guardrails", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("winner", sa.Text),
    sa.Column("sentence", sa.Text, nullable=False),
    one_of("decision", "running", "winner", "no_difference", "stopped_by_guardrail", "invalid_srm"),
    comment="One row per experiment version, day and arm: what could be said on that day, by figures that hold at every look.",
)
archived_responses = sa.Table(
    "archived_responses",
    metadata,
    *cohort(),
    sa.Column("experiment", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("happened_on", sa.Date, nullable=False, comment="day of the first event of each, UTC"),
    sa.Column("businesses", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "experiment", "version", "arm", "metric", "happened_on"),
    sa.Index(None, "experiment", "version"),
    comment="What read-outs go on counting of a campaign-day whose mail was archived: counts by arm, metric and day, of rows that left.",
)
