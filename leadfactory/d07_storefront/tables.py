"""Tables of D7: what a report costs whom."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Moment, metadata

price_book = sa.Table(
    "price_book",
    metadata,
    sa.Column("business_id", sa.Uuid, primary_key=True),
    sa.Column("campaign", sa.Text, nullable=False, comment="the one that asked first"),
    sa.Column("product", sa.Text, nullable=False),
    sa.Column("amount_cents", sa.Integer, nullable=False),
    sa.Column("currency", sa.Text, nullable=False, comment="ISO 4217 in lower case, as Stripe writes it"),
    sa.Column("experiment", sa.Text, comment="the price experiment that decided; NULL when the list price holds"),
    sa.Column("arm", sa.Text, comment="its arm; NULL when the list price holds"),
    sa.Column("list_version", sa.Text, nullable=False, comment="version of config/prices.yaml"),
    sa.Column("fixed_at", Moment, nullable=False),
    sa.CheckConstraint("amount_cents > 0", name="amount_positive"),
    sa.CheckConstraint("currency ~ '^[a-z]{3}$'", name="currency_code"),
    comment="One row per business that was ever told a price: the same from letter to checkout, for life.",
)
