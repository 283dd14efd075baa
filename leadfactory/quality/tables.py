"""Tables of quality: verdicts as rows, and the rows that rules refused."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata

rejected_rows = sa.Table(
    "rejected_rows",
    metadata,
    sa.Column("rejected_row_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("asset", sa.Text, nullable=False),
    *cohort(),
    sa.Column("row_key", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("value", sa.Text, comment="what broke the rule, redacted"),
    sa.Column("rejected_at", Moment, nullable=False),
    sa.UniqueConstraint("asset", "campaign", "cohort_on", "row_key", "rule"),
    comment="Rows that a row rule refused, with the rule and the value.",
)
quality_verdicts = sa.Table(
    "quality_verdicts",
    metadata,
    sa.Column("verdict_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("asset", sa.Text, nullable=False),
    *cohort(),
    sa.Column("subject_id", sa.Uuid, comment="the draft, for verdicts on one draft; NULL for the whole campaign-day"),
    sa.Column("suite", sa.Text, nullable=False),
    sa.Column("suite_version", sa.Text, nullable=False),
    sa.Column("input_hash", sa.LargeBinary, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("evaluated", sa.Integer, nullable=False),
    sa.Column("broken", Json, nullable=False, server_default=sa.text("'[]'::jsonb")),
    sa.Column("judged_at", Moment, nullable=False),
    sa.UniqueConstraint(
        "asset",
        "campaign",
        "cohort_on",
        "subject_id",
        "suite",
        "suite_version",
        "input_hash",
        name="uq_quality_verdicts_judged_once",
        postgresql_nulls_not_distinct=True,
    ),
    sa.Index(None, "campaign", "cohort_on", "asset"),
    sa.Index(None, "subject_id", postgresql_where=sa.text("subject_id IS NOT NULL")),
    comment="Every verdict of a gate, as a row: the claim of a send asks for the passing one of that very draft.",
)
