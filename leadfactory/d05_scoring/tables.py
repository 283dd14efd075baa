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
    sa.Column("components", Json, nullable=False, comment="need, ability, reachability, confidence: 0 to 1"),
    sa.Column("rank", sa.Integer),
    sa.Column("rules_version", sa.Text, nullable=False),
    sa.Column("input_hash", sa.LargeBinary, nullable=False),
    sa.Column("scored_at", Moment, nullable=False),
    sa.Column("need", sa.Numeric(5, 4), comment="0 to 1"),
    sa.Column("ability", sa.Numeric(5, 4), comment="to pay, 0 to 1"),
    sa.Column("reachability", sa.Numeric(5, 4), comment="0 to 1"),
    sa.Column("confidence", sa.Numeric(4, 3), comment="share of the signals' weight that is known, 0 to 1"),
    sa.Column("sentence", sa.Text, comment="the score in words"),
    sa.Column(
        "inputs", Json(none_as_null=True), comment="what the score rests on: see leadfactory.d05_scoring.leads.Lead"
    ),
    sa.Column(
        "contributions", Json(none_as_null=True), comment="per signal: factor, value, points, weight, share, known"
    ),
    sa.Column("min_tier", sa.Text, comment="the lowest tier that qualified when it was judged"),
    sa.Column("revenue_low_cents", sa.BigInteger, comment="a year's impact, an estimate: lower end"),
    sa.Column("revenue_high_cents", sa.BigInteger, comment="upper end; NULL when nothing can be estimated"),
    sa.Column("revenue_confidence", sa.Numeric(4, 3), comment="of the estimate, 0 to 1"),
    sa.Column("revenue_basis", Json(none_as_null=True), comment="what the estimate rests on, in words"),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id", "version"),
    one_of("tier", "A", "B", "C", "D", "none"),
    comment="One row per unique business and version; the newest version counts, a version that a claimed send used stays.",
)
