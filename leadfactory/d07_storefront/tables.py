"""Tables of D7: what a report costs whom, checkouts, what Stripe says of them, purchases, and the money."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata, one_of

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

CHECKOUT_STATES = ("claimed", "open", "complete", "expired", "rejected")
checkout_sessions = sa.Table(
    "checkout_sessions",
    metadata,
    *cohort(),
    sa.Column("checkout_id", sa.Uuid, primary_key=True, comment="ours; goes to Stripe as metadata"),
    sa.Column("send_id", sa.Uuid, nullable=False, comment="the letter whose link led here"),
    sa.Column("business_id", sa.Uuid, nullable=False, index=True),
    sa.Column("amount_cents", sa.Integer, nullable=False, comment="from the price book, never from a request"),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("arm", sa.Text),
    sa.Column("idempotency_key", sa.Text, nullable=False, unique=True, comment="stored before the first call"),
    sa.Column("terms_version", sa.Text, nullable=False, comment="of the terms that held when it was asked for"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("stripe_id", sa.Text, unique=True, comment="of the Checkout Session; NULL until Stripe has answered"),
    sa.Column("url", sa.Text, comment="Stripe's page; NULL once it cannot be paid any more"),
    sa.Column("claimed_at", Moment, nullable=False),
    sa.Column(
        "expires_at", Moment, nullable=False, comment="of a claim: when its key is no longer good; then Stripe's"
    ),
    sa.Index(
        "uq_checkout_sessions_running",
        "business_id",
        unique=True,
        postgresql_where=sa.text("state IN ('claimed', 'open')"),
    ),
    sa.Index(None, "campaign", "cohort_on"),
    one_of("state", *CHECKOUT_STATES),
    comment="One row per checkout that somebody asked for by POST: claimed with its key before Stripe is called.",
)
payment_events = sa.Table(
    "payment_events",
    metadata,
    *cohort(),
    sa.Column(
        "event_id", sa.Text, primary_key=True, comment="Stripe's; of what we saw ourselves observed:<session>:<what>"
    ),
    sa.Column(
        "session_id", sa.Text, nullable=False, index=True, comment="Stripe's Checkout Session that it belongs to"
    ),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("occurred_at", Moment, nullable=False),
    sa.Column("facts", Json, nullable=False, comment="what the fold reads; no name, no address"),
    sa.Column("received_at", Moment, nullable=False),
    sa.Index(None, "campaign", "cohort_on"),
    comment="Append-only: one row per event of Stripe, or look of ours at a session, that belongs to a checkout of ours.",
)
PURCHASE_STATES = (
    "pending", "failed", "expired", "paid", "partially_refunded", "refunded", "disputed", "dispute_won", "dispute_lost", "quarantined",
)  # fmt: skip
purchases = sa.Table(
    "purchases",
    metadata,
    *cohort(),
    sa.Column("purchase_id", sa.Uuid, primary_key=True),
    sa.Column("checkout_id", sa.Uuid, nullable=False, index=True),
    sa.Column("send_id", sa.Uuid, nullable=False),
    sa.Column("business_id", sa.Uuid, nullable=False, index=True),
    sa.Column(
        "session_id", sa.Text, nullable=False, unique=True, comment="Stripe's Checkout Session: one purchase each"
    ),
    sa.Column("payment_intent_id", sa.Text, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, comment="why it is quarantined, failed or disputed"),
    sa.Column("amount_cents", sa.Integer, nullable=False, comment="paid, tax included; 0 while nothing is"),
    sa.Column("tax_cents", sa.Integer, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("arm", sa.Text),
    sa.Column("refunded_cents", sa.Integer, nullable=False),
    sa.Column("disputed_cents", sa.Integer, nullable=False, comment="withdrawn by open and lost disputes"),
    sa.Column(
        "payer_hmac",
        sa.LargeBinary,
        index=True,
        comment="keyed hash of the paying address; the address stays at Stripe",
    ),
    sa.Column("paid_at", Moment),
    sa.Column("refunded_at", Moment),
    sa.Column("disputed_at", Moment),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("last_event_at", Moment, nullable=False),
    sa.Index(None, "campaign", "cohort_on"),
    one_of("state", *PURCHASE_STATES),
    comment="One row per Stripe session that has events: what became of it, folded from all of them, in any order.",
)
ACCOUNTS = ("stripe", "sales", "tax", "refunds", "disputes", "unexplained")
money_entries = sa.Table(
    "money_entries",
    metadata,
    sa.Column("entry_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("posting_id", sa.Uuid, nullable=False, index=True, comment="the entries of one posting sum to zero"),
    sa.Column("kind", sa.Text, nullable=False, comment="sale, refund, dispute, or unexplained money"),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("amount_cents", sa.BigInteger, nullable=False, comment="debit above zero, credit below"),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("purchase_id", sa.Uuid, nullable=False, index=True),
    sa.Column("occurred_at", Moment, nullable=False, comment="of the event that moved the money"),
    sa.Column("recorded_at", Moment, nullable=False),
    one_of("account", *ACCOUNTS),
    one_of("kind", "sale", "refund", "dispute", "unexplained"),
    sa.CheckConstraint("amount_cents <> 0", name="amount_moves"),
    comment="Append-only double entry: every posting sums to zero in its currency, which the database checks at commit.",
)
refund_requests = sa.Table(
    "refund_requests",
    metadata,
    sa.Column("refund_id", sa.Uuid, primary_key=True, comment="ours; goes to Stripe as metadata"),
    sa.Column("purchase_id", sa.Uuid, nullable=False, index=True),
    sa.Column("amount_cents", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False, comment="operator, recipient"),
    sa.Column("idempotency_key", sa.Text, nullable=False, unique=True, comment="stored before the first call"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, comment="of what was rejected or is open: Stripe's reason"),
    sa.Column("stripe_id", sa.Text, unique=True),
    sa.Column("requested_at", Moment, nullable=False),
    sa.Column("claimed_at", Moment, comment="before the first call, from which on its key lives"),
    sa.Column("settled_at", Moment),
    one_of("state", "planned", "claimed", "accepted", "rejected"),
    sa.CheckConstraint("amount_cents > 0", name="amount_positive"),
    sa.Index(
        "uq_refund_requests_open",
        "purchase_id",
        unique=True,
        postgresql_where=sa.text("state IN ('planned', 'claimed')"),
    ),
    comment="One row per refund that somebody asked for: claimed with its key before Stripe is called, settled by the answer.",
)
