"""The mailer of a campaign, who takes the risk of mail that its terms do not accept, and bounces of an SMTP relay in the inbox.

Revision ID: 0023_mailers
Revises: 0022_erasure
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023_mailers"
down_revision = "0022_erasure"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
COLUMNS = (
    ("risk_acknowledged_by", sa.Text(), "who takes the risk of mail that the mailer's terms do not accept"),
    ("risk_acknowledged_for", sa.Text(), "the mailer that it was taken for; another one asks again"),
    ("risk_acknowledged_at", sa.TIMESTAMP(timezone=True), None),
)


def upgrade() -> None:
    op.add_column(
        "campaigns",
        sa.Column(
            "mailer", sa.Text(), nullable=False, server_default="sendgrid", comment="the adapter its letters leave by"
        ),
        schema=SCHEMA,
    )
    for name, kind, comment in COLUMNS:
        op.add_column("campaigns", sa.Column(name, kind, nullable=True, comment=comment), schema=SCHEMA)
    _sources("'sendgrid', 'smtp', 'stripe'")
    op.create_check_constraint(
        op.f("ck_campaigns_mailer_known"), "campaigns", "mailer IN ('sendgrid', 'smtp')", schema=SCHEMA
    )


def _sources(known: str) -> None:
    name = op.f("ck_webhook_inbox_source_known")
    op.drop_constraint(name, "webhook_inbox", schema=SCHEMA)
    op.create_check_constraint(name, "webhook_inbox", f"source IN ({known})", schema=SCHEMA)


def downgrade() -> None:
    op.execute("DELETE FROM leadfactory.webhook_inbox WHERE source = 'smtp'")
    _sources("'sendgrid', 'stripe'")
    op.drop_constraint(op.f("ck_campaigns_mailer_known"), "campaigns", schema=SCHEMA)
    for name in ("mailer", *(name for name, _, _ in COLUMNS)):
        op.drop_column("campaigns", name, schema=SCHEMA)
