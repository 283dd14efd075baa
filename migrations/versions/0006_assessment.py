"""Audits hold our own crawl, field data, desktop runs, technologies and what could not be measured; findings their effort.

Revision ID: 0006_assessment
Revises: 0005_sourcing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006_assessment"
down_revision = "0005_sourcing"
branch_labels = None
depends_on = None

AUDITS = (
    ("site_host", sa.Text(), "of the website, for re-use by other campaign-days"),
    ("pagespeed_reason", sa.Text(), "why there is no lab measurement; NULL when there is one"),
    ("crawl_reason", sa.Text(), "why our own crawl did not read the home page; NULL when it did"),
    ("desktop_reason", sa.Text(), "why the desktop measurement failed; NULL when it did not or was not asked"),
    ("desktop", JSONB(), "scores and metrics of a desktop run, where the campaign wants one"),
    ("has_field_data", sa.Boolean(), "whether Chrome users' data exist; NULL without a PageSpeed answer"),
    ("field_data", JSONB(), "Chrome users' 75th percentiles, apart from the lab; NULL without field data"),
    ("measurement", JSONB(), "facts and evidence of our own crawl: leadfactory.d03_assessment.measurement"),
    ("technologies", JSONB(), "what the site is made of: id, category, version, dated, evidence"),
    ("unmeasured", JSONB(), "finding kind that could not be judged → reason"),
    ("rules_version", sa.Text(), "of the catalogue that judged"),
    ("reused_audit_id", sa.Uuid(), "the earlier audit of the same website that serves again"),
)
FINDINGS = (
    ("effort", sa.Text(), "low, medium or high"),
    ("effort_who", sa.Text(), "owner, editor, developer or host"),
    ("conversion_weight", sa.Numeric(4, 3), "0 to 1: how much it weighs on winning a customer"),
)
LAB = "One row per audited business: lab measurements of its own website by PageSpeed Insights."
BOTH = (
    "One row per audited business: its own website measured by PageSpeed Insights (lab and field) and by our own crawl."
)


def upgrade() -> None:
    for table, columns in (("site_audits", AUDITS), ("audit_findings", FINDINGS)):
        for name, kind, comment in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True, comment=comment), schema="leadfactory")
    op.create_index(op.f("ix_site_audits_business_id"), "site_audits", ["business_id"], schema="leadfactory")
    op.create_index(op.f("ix_site_audits_site_host"), "site_audits", ["site_host"], schema="leadfactory")
    op.create_table_comment("site_audits", BOTH, existing_comment=LAB, schema="leadfactory")
    op.alter_column(
        "audit_findings",
        "evidence",
        comment="URL, selector or audit, time, examples",
        existing_comment=None,
        schema="leadfactory",
    )
    told = "whether websites are measured as a computer too; NULL is no"
    op.add_column(
        "campaigns", sa.Column("pagespeed_desktop", sa.Boolean(), nullable=True, comment=told), schema="leadfactory"
    )


def downgrade() -> None:
    op.drop_column("campaigns", "pagespeed_desktop", schema="leadfactory")
    op.alter_column(
        "audit_findings",
        "evidence",
        comment=None,
        existing_comment="URL, selector or audit, time, examples",
        schema="leadfactory",
    )
    op.create_table_comment("site_audits", LAB, existing_comment=BOTH, schema="leadfactory")
    op.drop_index(op.f("ix_site_audits_site_host"), table_name="site_audits", schema="leadfactory")
    op.drop_index(op.f("ix_site_audits_business_id"), table_name="site_audits", schema="leadfactory")
    for table, columns in (("audit_findings", FINDINGS), ("site_audits", AUDITS)):
        for name, _, _ in reversed(columns):
            op.drop_column(table, name, schema="leadfactory")
