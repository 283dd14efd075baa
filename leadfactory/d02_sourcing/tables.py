"""Tables of D2: what was sourced, who is unique, and the registry that assigns ``business_id`` once."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata, one_of

sourced_businesses = sa.Table(
    "sourced_businesses",
    metadata,
    *cohort(),
    sa.Column("sourced_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("target_id", sa.Uuid, comment="what was aimed at; NULL for an imported row, at which nobody aimed"),
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
    sa.Column(
        "expires_at", Moment, comment="when the content behind the row must be gone; NULL while the operator keeps it"
    ),
    sa.Column("import_id", sa.Uuid, comment="the version of the imported row; NULL for a vendor's listing"),
    sa.Column("chain_hmac", sa.LargeBinary, comment="keyed hash of the name without town and store number"),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "sourced_id"),
    sa.UniqueConstraint("campaign", "cohort_on", "source", "yelp_id"),
    one_of("source", "yelp", "import"),
    sa.Index(None, "campaign", "yelp_id"),
    sa.Index(None, "campaign", "import_id"),
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
    sa.Column("chain_hmac", sa.LargeBinary, index=True, comment="the same for all branches of a chain"),
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
target_parts = sa.Table(
    "target_parts",
    metadata,
    sa.Column("part_id", sa.Uuid, primary_key=True),
    sa.Column("target_id", sa.Uuid, nullable=False, index=True),
    sa.Column("parent_id", sa.Uuid, comment="the part that this one was split from; NULL for the whole target"),
    sa.Column("position", sa.Integer, nullable=False, comment="order in which the parts of a target are searched"),
    sa.Column("yelp_categories", sa.Text, nullable=False),
    sa.Column("price", sa.Text, comment="1 to 4; NULL for any"),
    sa.Column("latitude", sa.Float, comment="centre of the tile, WGS84 degrees; NULL where the place's name says it"),
    sa.Column("longitude", sa.Float),
    sa.Column("half_side_m", sa.Float, comment="half the side of the tile's square in metres"),
    sa.Column("next_offset", sa.Integer, nullable=False, server_default="0"),
    sa.Column("split_by", sa.Text, comment="category, price or tile; NULL for a part that is searched itself"),
    sa.Column("exhausted_at", Moment),
    sa.Column(
        "cut",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="Yelp has more of it than it shows, and it cannot be split",
    ),
    sa.Column("probed_at", Moment, comment="when an exhausted target was last asked for new results"),
    sa.Column("reopened_at", Moment, comment="when a probe last opened an exhausted target again"),
    sa.Column(
        "deferred", sa.Integer, nullable=False, server_default="0", comment="planned businesses that wait for Yelp"
    ),
    sa.Column("deferred_reason", sa.Text, comment="why they wait; cleared by the next answer"),
    sa.Column("deferred_at", Moment),
    sa.Column("created_at", Moment, nullable=False),
    one_of("split_by", "category", "price", "tile"),
    comment="A target's search cut into parts that fit Yelp's limit of results, each with its cursor.",
)
import_files = sa.Table(
    "import_files",
    metadata,
    sa.Column("file_id", sa.Uuid, primary_key=True),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("consent_basis", sa.Text, nullable=False),
    sa.Column("columns", Json, nullable=False, comment="our field → the file's column"),
    sa.Column("rows_read", sa.Integer, nullable=False),
    sa.Column("rows_new", sa.Integer, nullable=False),
    sa.Column("rows_changed", sa.Integer, nullable=False),
    sa.Column("rows_unchanged", sa.Integer, nullable=False),
    sa.Column("rows_rejected", sa.Integer, nullable=False),
    sa.Column("imported_by", sa.Text, nullable=False),
    sa.Column("imported_at", Moment, nullable=False),
    sa.Column("keep_until", Moment, comment="when the operator wants the content gone; NULL keeps it"),
    sa.UniqueConstraint("campaign", "sha256"),
    comment="One row per imported file and campaign: where the operator's own data came from, and on what consent.",
)
imported_businesses = sa.Table(
    "imported_businesses",
    metadata,
    sa.Column("import_id", sa.Uuid, primary_key=True),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column(
        "record_key", sa.LargeBinary, nullable=False, comment="what stays when a row changes: its id, or name and door"
    ),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("file_id", sa.Uuid, sa.ForeignKey(import_files.c.file_id), nullable=False),
    sa.Column("row_number", sa.Integer, nullable=False, comment="line of the record in the file, the heading is 1"),
    sa.Column("content_hash", sa.LargeBinary, nullable=False),
    sa.Column("fields", Json, comment="the row as checked; NULL once the operator's time is over"),
    sa.Column("imported_at", Moment, nullable=False),
    sa.Column("keep_until", Moment),
    sa.UniqueConstraint("campaign", "record_key", "version"),
    sa.Index(None, "campaign", "imported_at"),
    comment="The operator's own records, every version with file and row; append-only but for forgetting.",
)
