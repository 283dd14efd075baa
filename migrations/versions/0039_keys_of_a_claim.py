"""A claim finds a draft's verdict, and how much went to a domain today, by their own keys: it costs what it takes, not what there is.

Revision ID: 0039_keys_of_a_claim
Revises: 0038_file_looks
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039_keys_of_a_claim"
down_revision = "0038_file_looks"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    for table, column in (("quality_verdicts", "subject_id"), ("email_sends", "domain_hmac")):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], schema=SCHEMA, postgresql_where=where)


def downgrade() -> None:
    op.drop_index(op.f("ix_email_sends_domain_hmac"), "email_sends", schema=SCHEMA)
    op.drop_index(op.f("ix_quality_verdicts_subject_id"), "quality_verdicts", schema=SCHEMA)
