"""Tables of D9: sends, their transitions, contact slots and suppressions."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Moment, cohort, metadata, one_of

SEND_STATES = ("planned", "claimed", "accepted", "rejected", "unknown", "expired", "refused")

email_sends = sa.Table(
    "email_sends",
    metadata,
    *cohort(),
    sa.Column("send_id", sa.Uuid, primary_key=True),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("step", sa.SmallInteger, nullable=False),
    sa.Column("draft_id", sa.Uuid, nullable=False),
    sa.Column("address_hmac", sa.LargeBinary, nullable=False, index=True),
    sa.Column("address_plus_hmac", sa.LargeBinary, nullable=False, comment="of the address without its +tag"),
    sa.Column("domain_hmac", sa.LargeBinary, comment="of the registrable domain; NULL for free mail"),
    sa.Column("mail_provider", sa.Text, comment="the provider's domain where the address is free mail, else NULL"),
    sa.Column("sender_email", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="planned"),
    sa.Column("reason", sa.Text),
    sa.Column("timezone", sa.Text, comment="the recipient's; NULL is never mailed"),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("planned_at", Moment, nullable=False),
    sa.Column("claimed_at", Moment),
    sa.Column("claim_id", sa.Uuid, comment="the claim that holds or held it; the journal's lines carry it too"),
    sa.Column(
        "claim_expires_at", Moment, comment="database clock: a claim that nobody settled by then is of a dead process"
    ),
    sa.Column("settled_at", Moment),
    sa.Column(
        "quarantined_at", Moment, comment="of an unknown one: no event told of it in time; evidence still settles it"
    ),
    sa.Column("sendgrid_id", sa.Text, comment="X-Message-Id"),
    sa.UniqueConstraint("business_id", "campaign", "step"),
    sa.Index(None, "campaign", "cohort_on"),
    # in the order in which sends are claimed, so that a claim looks at as many as it takes and not at all that wait
    sa.Index(
        "ix_email_sends_due",
        "due_at",
        "campaign",
        "cohort_on",
        "send_id",
        postgresql_where=sa.text("state = 'planned'"),
    ),
    sa.Index("ix_email_sends_claimed", "claimed_at", "sender_email"),
    sa.Index(None, "domain_hmac", postgresql_where=sa.text("domain_hmac IS NOT NULL")),
    one_of("state", *SEND_STATES),
    comment="One row per business, campaign and step. claimed is written before the vendor is called; unknown is settled by evidence only.",
)
send_transitions = sa.Table(
    "send_transitions",
    metadata,
    sa.Column("transition_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("send_id", sa.Uuid, nullable=False, index=True),
    sa.Column("from_state", sa.Text),
    sa.Column("to_state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("happened_at", Moment, nullable=False),
    comment="Append-only: every change of a send's state.",
)
halts = sa.Table(
    "halts",
    metadata,
    sa.Column("halt_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, comment="a sender's own address, a campaign, or a mailer"),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False, comment="the figures that broke the rule"),
    sa.Column("halted_at", Moment, nullable=False),
    sa.Column("resumed_at", Moment, comment="NULL while nothing of the subject is sent"),
    sa.Column("resumed_by", sa.Text, comment="the person who let it go on"),
    sa.Column("resumed_why", sa.Text),
    one_of("scope", "sender", "campaign", "mailer"),
    sa.CheckConstraint("(resumed_at IS NULL) = (resumed_by IS NULL)", name="resumed_by_a_person"),
    sa.Index("uq_halts_open", "scope", "subject", "rule", unique=True, postgresql_where=sa.text("resumed_at IS NULL")),
    comment="Senders, campaigns and mailers that complaints, bounces or a stale suppression list stopped; only a person lets one go on.",
)
sequence_stops = sa.Table(
    "sequence_stops",
    metadata,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("business_id", sa.Uuid, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("send_id", sa.Uuid, nullable=False, comment="the send that the recipient answered"),
    sa.Column("stopped_at", Moment, nullable=False, comment="when we first heard of it"),
    one_of("reason", "erased", "complaint", "unsubscribe", "not_me", "bounce", "purchase", "reply", "click"),
    comment="Conversations that ended: no follow-up is planned or claimed for them. The strongest reason stays.",
)
contact_slots = sa.Table(
    "contact_slots",
    metadata,
    sa.Column("slot_hmac", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("send_id", sa.Uuid, nullable=False, comment="of the first step: it stands for the whole conversation"),
    sa.Column("held_until", Moment, nullable=False),
    one_of("kind", "address", "domain"),
    comment="At most one running conversation per recipient over all campaigns.",
)
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("subject_hmac", sa.LargeBinary, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("suppressed_at", Moment, nullable=False),
    one_of("kind", "address", "address_plus_stripped", "domain", "business"),
    comment="Who is never mailed, by keyed hash; survives the erasure of the person.",
)
suppression_polls = sa.Table(
    "suppression_polls",
    metadata,
    sa.Column("poll_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("mailer", sa.Text, nullable=False),
    sa.Column("began_at", Moment, nullable=False),
    sa.Column("ended_at", Moment, nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False, comment="every list was read to its end"),
    sa.Column("listed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("unheard", sa.Integer, nullable=False, server_default="0", comment="entries of which no event had come"),
    sa.Column("suppressed", sa.Integer, nullable=False, server_default="0", comment="suppressions that are new"),
    sa.Column("reason", sa.Text, comment="why a list could not be read"),
    sa.Index(None, "mailer", "began_at"),
    comment="Each time that a mailer's own suppression lists were read; when the last whole one is old, its mail stops.",
)
key_fingerprints = sa.Table(
    "key_fingerprints",
    metadata,
    sa.Column("key_name", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    comment="Which suppression key made the hashes here; with another key nothing can be sent.",
)
email_events = sa.Table(
    "email_events",
    metadata,
    *cohort(),
    sa.Column("event_id", sa.Text, primary_key=True, comment="SendGrid's sg_event_id"),
    sa.Column("send_id", sa.Uuid, nullable=False, index=True),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("occurred_at", Moment, nullable=False),
    sa.Column("bounce_type", sa.Text, comment="bounce, blocked; as SendGrid says"),
    sa.Column("bounce_classification", sa.Text),
    sa.Column("message_id", sa.Text, comment="SendGrid's X-Message-Id, with which sg_message_id begins"),
    sa.Column("url_hash", sa.Text, comment="which link was followed, without telling it"),
    sa.Column("machine", sa.Boolean, nullable=False, comment="SendGrid or the user agent says that no person did it"),
    sa.Column("bot_reason", sa.Text, comment="why an open or click does not count; NULL when it does"),
    sa.Column("received_at", Moment, nullable=False),
    sa.Index(None, "campaign", "cohort_on"),
    comment="One row per mail event that carries a send id of ours.",
)
send_outcomes = sa.Table(
    "send_outcomes",
    metadata,
    *cohort(),
    sa.Column("send_id", sa.Uuid, primary_key=True),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("delivery", sa.Text),
    sa.Column("delivered_at", Moment),
    sa.Column("bounced_at", Moment),
    sa.Column("dropped_at", Moment),
    sa.Column("deferred_at", Moment),
    sa.Column("opened_at", Moment, comment="the first open by a person"),
    sa.Column("clicked_at", Moment, comment="the first click by a person"),
    sa.Column("complained_at", Moment),
    sa.Column("unsubscribed_at", Moment),
    sa.Column("bot_opens", sa.Integer, nullable=False),
    sa.Column("bot_clicks", sa.Integer, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Index(None, "campaign", "cohort_on"),
    comment="One row per send that has events: what became of the mail, folded from all of them, in any order.",
)
