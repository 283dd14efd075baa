"""What a place was matched by, where each field comes from, and whether the contact address takes mail.

Revision ID: 0008_enrichment
Revises: 0007_scoring
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008_enrichment"
down_revision = "0007_scoring"
branch_labels = None
depends_on = None

TABLE, SCHEMA = "enriched_businesses", "leadfactory"
COLUMNS = (
    ("match_evidence", postgresql.JSONB(astext_type=sa.Text()), "codes of what spoke for and against the place; never Google's words"),
    (
        "rejected_candidate",
        postgresql.JSONB(astext_type=sa.Text()),
        "of an unmatched business: place_id, confidence and evidence of the likeliest",
    ),
    ("contact_email_kind", sa.Text(), "role, person, free_mail"),
    ("contact_email_check", sa.Text(), "accepted, weak, unknown, refused: whether its domain takes mail; unknown is asked again"),
    ("contact_email_check_reason", sa.Text(), "mx, no_mx_but_address, null_mx, no_such_domain, …"),
    ("site_language", sa.Text(), "ISO 639-1 code of the page's words; NULL when nothing tells"),
    (
        "field_sources",
        postgresql.JSONB(astext_type=sa.Text()),
        "per field: source, url, fetched_at, confidence; of an unknown field its reason",
    ),
)  # fmt: skip
CHECKS = {
    "contact_email_kind": "contact_email_kind IN ('role', 'person', 'free_mail')",
    "contact_email_check": "contact_email_check IN ('accepted', 'weak', 'unknown', 'refused')",
}


def upgrade() -> None:
    for name, kind, comment in COLUMNS:
        op.add_column(TABLE, sa.Column(name, kind, nullable=True, comment=comment), schema=SCHEMA)
    for name, rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_{TABLE}_{name}_known"), TABLE, rule, schema=SCHEMA)
    op.alter_column(
        TABLE, "match_score", comment="calibrated confidence that the place is the business, 0 to 1", schema=SCHEMA
    )
    op.alter_column(TABLE, "contact_email_how", comment="import, mailto, json_ld, text, decoded", schema=SCHEMA)


def downgrade() -> None:
    op.alter_column(TABLE, "contact_email_how", comment="mailto, json_ld, text", schema=SCHEMA)
    op.alter_column(TABLE, "match_score", comment=None, schema=SCHEMA)
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_{TABLE}_{name}_known"), TABLE, schema=SCHEMA)
    for name, _, _ in reversed(COLUMNS):
        op.drop_column(TABLE, name, schema=SCHEMA)
