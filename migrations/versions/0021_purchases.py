"""Checkouts, what Stripe says of them, purchases, refunds, and a book that balances.

Revision ID: 0021_purchases
Revises: 0020_inbound_mails
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021_purchases"
down_revision = "0020_inbound_mails"
branch_labels = None
depends_on = None

# The book is closed: a row stays as it was written, and what was posted together sums to zero when the transaction commits.
CLOSED = """CREATE OR REPLACE FUNCTION leadfactory.money_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'money_entries is append-only: post the difference instead';
END $$"""
BALANCED = """CREATE OR REPLACE FUNCTION leadfactory.money_entries_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM leadfactory.money_entries WHERE posting_id = NEW.posting_id
               GROUP BY currency HAVING sum(amount_cents) <> 0) THEN
        RAISE EXCEPTION 'posting % does not sum to zero', NEW.posting_id;
    END IF;
    RETURN NULL;
END $$"""


def upgrade() -> None:
    op.create_table(
        "checkout_sessions",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("checkout_id", sa.Uuid(), nullable=False, comment="ours; goes to Stripe as metadata"),
        sa.Column("send_id", sa.Uuid(), nullable=False, comment="the letter whose link led here"),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False, comment="from the price book, never from a request"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=False, comment="stored before the first call"),
        sa.Column("terms_version", sa.Text(), nullable=False, comment="of the terms that held when it was asked for"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "stripe_id", sa.Text(), nullable=True, comment="of the Checkout Session; NULL until Stripe has answered"
        ),
        sa.Column("url", sa.Text(), nullable=True, comment="Stripe's page; NULL once it cannot be paid any more"),
        sa.Column("claimed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "expires_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="of a claim: when its key is no longer good; then Stripe's",
        ),
        sa.CheckConstraint(
            "state IN ('claimed', 'open', 'complete', 'expired', 'rejected')",
            name=op.f("ck_checkout_sessions_state_known"),
        ),
        sa.PrimaryKeyConstraint("checkout_id", name=op.f("pk_checkout_sessions")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_checkout_sessions_idempotency_key")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_checkout_sessions_stripe_id")),
        schema="leadfactory",
        comment="One row per checkout that somebody asked for by POST: claimed with its key before Stripe is called.",
    )
    op.create_index(
        op.f("ix_checkout_sessions_business_id"),
        "checkout_sessions",
        ["business_id"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(
        op.f("ix_checkout_sessions_campaign_cohort_on"),
        "checkout_sessions",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(
        "uq_checkout_sessions_running",
        "checkout_sessions",
        ["business_id"],
        unique=True,
        schema="leadfactory",
        postgresql_where=sa.text("state IN ('claimed', 'open')"),
    )
    op.create_table(
        "money_entries",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("posting_id", sa.Uuid(), nullable=False, comment="the entries of one posting sum to zero"),
        sa.Column("kind", sa.Text(), nullable=False, comment="sale, refund, dispute, or unexplained money"),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False, comment="debit above zero, credit below"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column(
            "occurred_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="of the event that moved the money"
        ),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "account IN ('stripe', 'sales', 'tax', 'refunds', 'disputes', 'unexplained')",
            name=op.f("ck_money_entries_account_known"),
        ),
        sa.CheckConstraint(
            "kind IN ('sale', 'refund', 'dispute', 'unexplained')", name=op.f("ck_money_entries_kind_known")
        ),
        sa.CheckConstraint("amount_cents <> 0", name=op.f("ck_money_entries_amount_moves")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_money_entries")),
        schema="leadfactory",
        comment="Append-only double entry: every posting sums to zero in its currency, which the database checks at commit.",
    )
    op.create_index(
        op.f("ix_money_entries_posting_id"), "money_entries", ["posting_id"], unique=False, schema="leadfactory"
    )
    op.create_index(
        op.f("ix_money_entries_purchase_id"), "money_entries", ["purchase_id"], unique=False, schema="leadfactory"
    )
    op.create_table(
        "payment_events",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column(
            "event_id",
            sa.Text(),
            nullable=False,
            comment="Stripe's; of what we saw ourselves observed:<session>:<what>",
        ),
        sa.Column("session_id", sa.Text(), nullable=False, comment="Stripe's Checkout Session that it belongs to"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what the fold reads; no name, no address",
        ),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_payment_events")),
        schema="leadfactory",
        comment="Append-only: one row per event of Stripe, or look of ours at a session, that belongs to a checkout of ours.",
    )
    op.create_index(
        op.f("ix_payment_events_campaign_cohort_on"),
        "payment_events",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(
        op.f("ix_payment_events_session_id"), "payment_events", ["session_id"], unique=False, schema="leadfactory"
    )
    op.create_table(
        "purchases",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("checkout_id", sa.Uuid(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False, comment="Stripe's Checkout Session: one purchase each"),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is quarantined, failed or disputed"),
        sa.Column("amount_cents", sa.Integer(), nullable=False, comment="paid, tax included; 0 while nothing is"),
        sa.Column("tax_cents", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=True),
        sa.Column("refunded_cents", sa.Integer(), nullable=False),
        sa.Column("disputed_cents", sa.Integer(), nullable=False, comment="withdrawn by open and lost disputes"),
        sa.Column(
            "payer_hmac",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash of the paying address; the address stays at Stripe",
        ),
        sa.Column("paid_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("refunded_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("disputed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("last_event_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'failed', 'expired', 'paid', 'partially_refunded', 'refunded', 'disputed', 'dispute_won', 'dispute_lost', 'quarantined')",
            name=op.f("ck_purchases_state_known"),
        ),
        sa.PrimaryKeyConstraint("purchase_id", name=op.f("pk_purchases")),
        sa.UniqueConstraint("session_id", name=op.f("uq_purchases_session_id")),
        schema="leadfactory",
        comment="One row per Stripe session that has events: what became of it, folded from all of them, in any order.",
    )
    op.create_index(op.f("ix_purchases_business_id"), "purchases", ["business_id"], unique=False, schema="leadfactory")
    op.create_index(
        op.f("ix_purchases_campaign_cohort_on"),
        "purchases",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(op.f("ix_purchases_checkout_id"), "purchases", ["checkout_id"], unique=False, schema="leadfactory")
    op.create_index(op.f("ix_purchases_payer_hmac"), "purchases", ["payer_hmac"], unique=False, schema="leadfactory")
    op.create_index(
        op.f("ix_purchases_payment_intent_id"), "purchases", ["payment_intent_id"], unique=False, schema="leadfactory"
    )
    op.create_table(
        "refund_requests",
        sa.Column("refund_id", sa.Uuid(), nullable=False, comment="ours; goes to Stripe as metadata"),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False, comment="operator, recipient"),
        sa.Column("idempotency_key", sa.Text(), nullable=False, comment="stored before the first call"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True, comment="of what was rejected or is open: Stripe's reason"),
        sa.Column("stripe_id", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'claimed', 'accepted', 'rejected')", name=op.f("ck_refund_requests_state_known")
        ),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_refund_requests_amount_positive")),
        sa.PrimaryKeyConstraint("refund_id", name=op.f("pk_refund_requests")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_refund_requests_idempotency_key")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_refund_requests_stripe_id")),
        schema="leadfactory",
        comment="One row per refund that somebody asked for: claimed with its key before Stripe is called, settled by the answer.",
    )
    op.create_index(
        op.f("ix_refund_requests_purchase_id"), "refund_requests", ["purchase_id"], unique=False, schema="leadfactory"
    )
    op.create_index(
        "uq_refund_requests_open",
        "refund_requests",
        ["purchase_id"],
        unique=True,
        schema="leadfactory",
        postgresql_where=sa.text("state IN ('planned', 'claimed')"),
    )
    op.create_index(
        "ix_webhook_inbox_unmatched",
        "webhook_inbox",
        ["source", "send_id"],
        unique=False,
        schema="leadfactory",
        postgresql_where=sa.text("outcome = 'unmatched'"),
    )
    op.execute(CLOSED)
    op.execute(BALANCED)
    op.execute(
        "CREATE TRIGGER money_entries_stay BEFORE UPDATE OR DELETE ON leadfactory.money_entries "
        "FOR EACH ROW EXECUTE FUNCTION leadfactory.money_entries_stay()"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER money_entries_balance AFTER INSERT ON leadfactory.money_entries DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION leadfactory.money_entries_balance()"
    )


def downgrade() -> None:
    op.drop_index(
        "ix_webhook_inbox_unmatched",
        table_name="webhook_inbox",
        schema="leadfactory",
        postgresql_where=sa.text("outcome = 'unmatched'"),
    )
    op.drop_index(
        "uq_refund_requests_open",
        table_name="refund_requests",
        schema="leadfactory",
        postgresql_where=sa.text("state IN ('planned', 'claimed')"),
    )
    op.drop_index(op.f("ix_refund_requests_purchase_id"), table_name="refund_requests", schema="leadfactory")
    op.drop_table("refund_requests", schema="leadfactory")
    op.drop_index(op.f("ix_purchases_payment_intent_id"), table_name="purchases", schema="leadfactory")
    op.drop_index(op.f("ix_purchases_payer_hmac"), table_name="purchases", schema="leadfactory")
    op.drop_index(op.f("ix_purchases_checkout_id"), table_name="purchases", schema="leadfactory")
    op.drop_index(op.f("ix_purchases_campaign_cohort_on"), table_name="purchases", schema="leadfactory")
    op.drop_index(op.f("ix_purchases_business_id"), table_name="purchases", schema="leadfactory")
    op.drop_table("purchases", schema="leadfactory")
    op.drop_index(op.f("ix_payment_events_session_id"), table_name="payment_events", schema="leadfactory")
    op.drop_index(op.f("ix_payment_events_campaign_cohort_on"), table_name="payment_events", schema="leadfactory")
    op.drop_table("payment_events", schema="leadfactory")
    op.drop_index(op.f("ix_money_entries_purchase_id"), table_name="money_entries", schema="leadfactory")
    op.drop_index(op.f("ix_money_entries_posting_id"), table_name="money_entries", schema="leadfactory")
    op.drop_table("money_entries", schema="leadfactory")
    op.drop_index(
        "uq_checkout_sessions_running",
        table_name="checkout_sessions",
        schema="leadfactory",
        postgresql_where=sa.text("state IN ('claimed', 'open')"),
    )
    op.drop_index(op.f("ix_checkout_sessions_campaign_cohort_on"), table_name="checkout_sessions", schema="leadfactory")
    op.drop_index(op.f("ix_checkout_sessions_business_id"), table_name="checkout_sessions", schema="leadfactory")
    op.drop_table("checkout_sessions", schema="leadfactory")
    for name in ("money_entries_balance", "money_entries_stay"):
        op.execute(f"DROP FUNCTION IF EXISTS leadfactory.{name}()")
