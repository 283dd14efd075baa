"""Sends know the mail provider of their recipient, and are counted by the day they were claimed on: caps by recipient domain, warm-up.

Revision ID: 0028_caps
Revises: 0027_operators
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028_caps"
down_revision = "0027_operators"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.add_column(
        "email_sends",
        sa.Column(
            "mail_provider", sa.Text(), comment="the provider's domain where the address is free mail, else NULL"
        ),
        schema=SCHEMA,
    )
    op.execute(
        """UPDATE leadfactory.email_sends s SET mail_provider = lower(split_part(e.contact_email, '@', 2))
           FROM leadfactory.enriched_businesses e
           WHERE (e.campaign, e.cohort_on, e.business_id) = (s.campaign, s.cohort_on, s.business_id)
             AND s.domain_hmac IS NULL AND e.contact_email IS NOT NULL"""
    )
    op.create_index("ix_email_sends_claimed", "email_sends", ["claimed_at", "sender_email"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index("ix_email_sends_claimed", "email_sends", schema=SCHEMA)
    op.drop_column("email_sends", "mail_provider", schema=SCHEMA)
