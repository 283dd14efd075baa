"""Tables of erasure: who asked to be forgotten, by keyed hash, and the proof of it."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, metadata, one_of

erasure_requests = sa.Table(
    "erasure_requests",
    metadata,
    sa.Column("request_id", sa.Uuid, primary_key=True),
    sa.Column("email_hmac", sa.LargeBinary, nullable=False, comment="of the address; the address itself is not kept"),
    sa.Column("email_plus_hmac", sa.LargeBinary, comment="of the address without its +tag"),
    sa.Column("source", sa.Text, nullable=False, comment="recipient: pressed the button; operator: was asked"),
    sa.Column("requested_at", Moment, nullable=False),
    sa.Column("completed_at", Moment, comment="NULL while it waits; NULL again never"),
    sa.Column(
        "proof", Json(none_as_null=True), comment="place by place: what was removed, and what was looked at after"
    ),
    sa.Index(
        "uq_erasure_requests_waiting", "email_hmac", unique=True, postgresql_where=sa.text("completed_at IS NULL")
    ),
    sa.Index(None, "email_hmac"),
    one_of("source", "recipient", "operator"),
    sa.CheckConstraint("(completed_at IS NULL) = (proof IS NULL)", name="completed_has_proof"),
    comment="One row per request to be forgotten; worked off by `leadfactory erase-person`, and kept as the proof that it was.",
)
