"""The price book: what a business was told once holds for life.

Revision ID: 0017_price_book
Revises: 0016_experiments
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017_price_book"
down_revision = "0016_experiments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_book",
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False, comment="the one that asked first"),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False, comment="ISO 4217 in lower case, as Stripe writes it"),
        sa.Column("experiment", sa.Text(), comment="the price experiment that decided; NULL when the list price holds"),
        sa.Column("arm", sa.Text(), comment="its arm; NULL when the list price holds"),
        sa.Column("list_version", sa.Text(), nullable=False, comment="version of config/prices.yaml"),
        sa.Column("fixed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_price_book_amount_positive")),
        sa.CheckConstraint("currency ~ '^[a-z]{3}$'", name=op.f("ck_price_book_currency_code")),
        sa.PrimaryKeyConstraint("business_id", name=op.f("pk_price_book")),
        schema="leadfactory",
        comment="One row per business that was ever told a price: the same from letter to checkout, for life.",
    )


def downgrade() -> None:
    op.drop_table("price_book", schema="leadfactory")
