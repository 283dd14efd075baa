"""Sold reports, the mails that bring their links, and who opened them.

Revision ID: 0024_sold_reports
Revises: 0023_mailers
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024_sold_reports"
down_revision = "0023_mailers"
branch_labels = None
depends_on = None

STAYS = """CREATE OR REPLACE FUNCTION leadfactory.audit_reports_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a sold report is immutable: add a version';
END $$"""


def upgrade() -> None:
    op.create_table(
        "audit_reports",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column(
            "version", sa.SmallInteger(), nullable=False, comment="1 is what was bought; later ones were measured anew"
        ),
        sa.Column("report_on", sa.Date(), nullable=False, comment="on the cover: the day of the purchase"),
        sa.Column("measured_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("html_sha256", sa.Text(), nullable=False, comment="blob"),
        sa.Column("pdf_sha256", sa.Text(), nullable=True, comment="blob; NULL where no PDF could be made"),
        sa.Column("no_pdf", sa.Text(), nullable=True, comment="why there is no PDF"),
        sa.Column("pages", sa.SmallInteger(), nullable=True),
        sa.Column(
            "evidence_sha256", sa.Text(), nullable=False, comment="blob: every row that the report rests on, as JSON"
        ),
        sa.Column("template_version", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_audit_reports")),
        sa.UniqueConstraint("purchase_id", "version", name=op.f("uq_audit_reports_purchase_id_version")),
        schema="leadfactory",
        comment="One row per sold report and version: immutable, its bytes are blobs under these hashes.",
    )
    op.create_index(
        op.f("ix_audit_reports_campaign_cohort_on"),
        "audit_reports",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_table(
        "report_accesses",
        sa.Column("access_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False, comment="false when the access was revoked"),
        sa.Column("machine", sa.Boolean(), nullable=False, comment="the user agent says that no person did it"),
        sa.Column("accessed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('html', 'pdf')", name=op.f("ck_report_accesses_kind_known")),
        sa.PrimaryKeyConstraint("access_id", name=op.f("pk_report_accesses")),
        schema="leadfactory",
        comment="Append-only: one row per opening of a sold report by its link.",
    )
    op.create_index(
        op.f("ix_report_accesses_report_id"), "report_accesses", ["report_id"], unique=False, schema="leadfactory"
    )
    op.create_table(
        "report_deliveries",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False, comment="goes to the mailer as send_id"),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="sold: the mail of a version; lost: the links again, asked for"
        ),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("planned_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "claim_expires_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="database clock: a claim that nobody settled by then is of a dead process",
        ),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True, comment="the mailer's"),
        sa.Column("delivered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("bounced_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('sold', 'lost')", name=op.f("ck_report_deliveries_kind_known")),
        sa.CheckConstraint(
            "state IN ('planned', 'claimed', 'accepted', 'rejected', 'unknown', 'refused')",
            name=op.f("ck_report_deliveries_state_known"),
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_report_deliveries")),
        schema="leadfactory",
        comment="One row per mail with a report's link: claimed before the mailer is called, never sent twice. No address is stored.",
    )
    op.create_index(
        op.f("ix_report_deliveries_campaign_cohort_on"),
        "report_deliveries",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(
        "ix_report_deliveries_open",
        "report_deliveries",
        ["planned_at"],
        unique=False,
        schema="leadfactory",
        postgresql_where=sa.text("state IN ('planned', 'claimed', 'unknown')"),
    )
    op.create_index(
        op.f("ix_report_deliveries_purchase_id"),
        "report_deliveries",
        ["purchase_id"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(
        "uq_report_deliveries_sold",
        "report_deliveries",
        ["report_id"],
        unique=True,
        schema="leadfactory",
        postgresql_where=sa.text("kind = 'sold'"),
    )
    op.execute(STAYS)
    op.execute(
        "CREATE TRIGGER audit_reports_stay BEFORE UPDATE OR DELETE ON leadfactory.audit_reports "
        "FOR EACH ROW EXECUTE FUNCTION leadfactory.audit_reports_stay()"
    )


def downgrade() -> None:
    op.drop_index(
        "uq_report_deliveries_sold",
        table_name="report_deliveries",
        schema="leadfactory",
        postgresql_where=sa.text("kind = 'sold'"),
    )
    op.drop_index(op.f("ix_report_deliveries_purchase_id"), table_name="report_deliveries", schema="leadfactory")
    op.drop_index(
        "ix_report_deliveries_open",
        table_name="report_deliveries",
        schema="leadfactory",
        postgresql_where=sa.text("state IN ('planned', 'claimed', 'unknown')"),
    )
    op.drop_index(op.f("ix_report_deliveries_campaign_cohort_on"), table_name="report_deliveries", schema="leadfactory")
    op.drop_table("report_deliveries", schema="leadfactory")
    op.drop_index(op.f("ix_report_accesses_report_id"), table_name="report_accesses", schema="leadfactory")
    op.drop_table("report_accesses", schema="leadfactory")
    op.drop_index(op.f("ix_audit_reports_campaign_cohort_on"), table_name="audit_reports", schema="leadfactory")
    op.drop_table("audit_reports", schema="leadfactory")
    op.execute("DROP FUNCTION IF EXISTS leadfactory.audit_reports_stay()")
