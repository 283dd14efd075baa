"""Tables of D2: what was sourced, who is unique, and the registry that assigns ``business_id`` once."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata, one_of

sourced_businesses = sa.Table(
    "sourced_businesses",
    metadata,
    *cohort(),
    sa.Column("sourced_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("target_id", sa.Uuid, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("yelp_id", sa.Text, comment="may be kept for ever; everything else from Yelp is in vendor_content"),
    sa.Column("rank", sa.Integer, nullable=False, comment="position in the source's answer"),
    sa.Column("name_hmac", sa.LargeBinary),
    sa.Column("phone_hmac", sa.LargeBinary),
    sa.Column("address_hmac", sa.LargeBinary),
    sa.Column("domain_hmac", sa.LargeBinary),
    sa.Column(
        "review_band", sa.Text, comment="0, 1-10, 11-50, >50; only where the vendor terms row names who accepted it"
    ),
    sa.Column(
        "excluded_reason", sa.Text, comment="closed_permanently, closed_temporarily, …; NULL when the business is in"
    ),
    sa.Column("fetched_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, comment="when the content behind the row must be gone"),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "sourced_id"),
    sa.UniqueConstraint("campaign", "cohort_on", "source", "yelp_id"),
    one_of("source", "yelp", "import"),
    comment="One row per listing that the campaign-day sourced; holds the vendor's id and keyed hashes, never its content.",
)
businesses = sa.Table(
    "businesses",
    metadata,
    sa.Column("business_id", sa.Uuid, primary_key=True),
    sa.Column("first_campaign", sa.Text, nullable=False),
    sa.Column("first_cohort_on", sa.Date, nullable=False),
    sa.Column("yelp_ids", sa.ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'::text[]")),
    sa.Column("name_hmac", sa.LargeBinary),
    sa.Column("phone_hmac", sa.LargeBinary, index=True),
    sa.Column("address_hmac", sa.LargeBinary, index=True),
    sa.Column("domain_hmac", sa.LargeBinary, index=True),
    sa.Column("registered_at", Moment, nullable=False),
    sa.Index("ix_businesses_yelp_ids", "yelp_ids", postgresql_using="gin"),
    comment="The registry: business_id is assigned once, by the first committed cohort that finds the business.",
)
business_merges = sa.Table(
    "business_merges",
    metadata,
    sa.Column("merge_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("survivor_id", sa.Uuid, nullable=False),
    sa.Column("merged_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("evidence", Json, nullable=False),
    sa.Column("merged_at", Moment, nullable=False),
    one_of("kind", "merge", "unmerge"),
    comment="Append-only: what was found to be one business, or two after all, and why.",
)
unique_businesses = sa.Table(
    "unique_businesses",
    metadata,
    *cohort(),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("sourced_id", sa.Uuid, nullable=False, comment="the surviving listing"),
    sa.Column("merged_sourced_ids", sa.ARRAY(sa.Uuid), nullable=False, server_default=sa.text("'{}'::uuid[]")),
    sa.Column(
        "duplicate_of",
        sa.Uuid,
        comment="set when an earlier cohort already holds this business: never mailed from here",
    ),
    sa.Column("excluded_reason", sa.Text),
    sa.Column("evidence", Json, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("decided_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id"),
    sa.UniqueConstraint("campaign", "cohort_on", "sourced_id"),
    comment="One row per distinct business of the campaign-day.",
)
