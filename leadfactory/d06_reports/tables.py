"""Tables of D6: sealed reports, the mails that brought their links, and who opened them."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Moment, cohort, metadata, one_of

audit_reports = sa.Table(
    "audit_reports",
    metadata,
    *cohort(),
    sa.Column("report_id", sa.Uuid, primary_key=True),
    sa.Column("purchase_id", sa.Uuid, nullable=False),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column(
        "version", sa.SmallInteger, nullable=False, comment="1 is what was bought; later ones were measured anew"
    ),
    sa.Column("report_on", sa.Date, nullable=False, comment="on the cover: the day of the purchase"),
    sa.Column("measured_at", Moment, nullable=False),
    sa.Column("html_sha256", sa.Text, nullable=False, comment="blob"),
    sa.Column("pdf_sha256", sa.Text, comment="blob; NULL where no PDF could be made"),
    sa.Column("no_pdf", sa.Text, comment="why there is no PDF"),
    sa.Column("pages", sa.SmallInteger),
    sa.Column("evidence_sha256", sa.Text, nullable=False, comment="blob: every row that the report rests on, as JSON"),
    sa.Column("template_version", sa.Text, nullable=False),
    sa.Column("sealed_at", Moment, nullable=False),
    sa.UniqueConstraint("purchase_id", "version"),
    sa.Index(None, "campaign", "cohort_on"),
    comment="One row per sold report and version: immutable, its bytes are blobs under these hashes.",
)
DELIVERY_STATES = ("planned", "claimed", "accepted", "rejected", "unknown", "refused")
report_deliveries = sa.Table(
    "report_deliveries",
    metadata,
    *cohort(),
    sa.Column("delivery_id", sa.Uuid, primary_key=True, comment="goes to the mailer as send_id"),
    sa.Column("kind", sa.Text, nullable=False, comment="sold: the mail of a version; lost: the links again, asked for"),
    sa.Column("report_id", sa.Uuid, nullable=False),
    sa.Column("purchase_id", sa.Uuid, nullable=False, index=True),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("planned_at", Moment, nullable=False),
    sa.Column("claimed_at", Moment),
    sa.Column(
        "claim_expires_at", Moment, comment="database clock: a claim that nobody settled by then is of a dead process"
    ),
    sa.Column("settled_at", Moment),
    sa.Column("message_id", sa.Text, comment="the mailer's"),
    sa.Column("delivered_at", Moment),
    sa.Column("bounced_at", Moment),
    sa.Index("uq_report_deliveries_sold", "report_id", unique=True, postgresql_where=sa.text("kind = 'sold'")),
    sa.Index(
        "ix_report_deliveries_open",
        "planned_at",
        postgresql_where=sa.text("state IN ('planned', 'claimed', 'unknown')"),
    ),
    sa.Index(None, "campaign", "cohort_on"),
    one_of("state", *DELIVERY_STATES),
    one_of("kind", "sold", "lost"),
    comment="One row per mail with a report's link: claimed before the mailer is called, never sent twice. No address is stored.",
)
report_accesses = sa.Table(
    "report_accesses",
    metadata,
    sa.Column("access_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("report_id", sa.Uuid, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("given", sa.Boolean, nullable=False, comment="false when the access was revoked"),
    sa.Column("machine", sa.Boolean, nullable=False, comment="the user agent says that no person did it"),
    sa.Column("accessed_at", Moment, nullable=False),
    one_of("kind", "html", "pdf"),
    comment="Append-only: one row per opening of a sold report by its link.",
)
