"""Sourcing beyond Yelp's limit and beside Yelp: parts of a search, imported files and rows, chains.

Revision ID: 0005_sourcing
Revises: 0004_targeting
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005_sourcing"
down_revision = "0004_targeting"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_files",
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("consent_basis", sa.Text(), nullable=False),
        sa.Column(
            "columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="our field → the file's column"
        ),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("rows_new", sa.Integer(), nullable=False),
        sa.Column("rows_changed", sa.Integer(), nullable=False),
        sa.Column("rows_unchanged", sa.Integer(), nullable=False),
        sa.Column("rows_rejected", sa.Integer(), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "keep_until",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the operator wants the content gone; NULL keeps it",
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_import_files")),
        sa.UniqueConstraint("campaign", "sha256", name=op.f("uq_import_files_campaign_sha256")),
        schema="leadfactory",
        comment="One row per imported file and campaign: where the operator's own data came from, and on what consent.",
    )
    op.create_table(
        "target_parts",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column(
            "parent_id",
            sa.Uuid(),
            nullable=True,
            comment="the part that this one was split from; NULL for the whole target",
        ),
        sa.Column(
            "position", sa.Integer(), nullable=False, comment="order in which the parts of a target are searched"
        ),
        sa.Column("yelp_categories", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=True, comment="1 to 4; NULL for any"),
        sa.Column(
            "latitude",
            sa.Float(),
            nullable=True,
            comment="centre of the tile, WGS84 degrees; NULL where the place's name says it",
        ),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("half_side_m", sa.Float(), nullable=True, comment="half the side of the tile's square in metres"),
        sa.Column("next_offset", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "told_total",
            sa.Integer(),
            nullable=True,
            comment="results that Yelp told of last; NULL before the first answer",
        ),
        sa.Column(
            "split_by",
            sa.Text(),
            nullable=True,
            comment="category, price or tile; NULL for a part that is searched itself",
        ),
        sa.Column("exhausted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "probed_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when an exhausted target was last asked for new results",
        ),
        sa.Column(
            "deferred",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="planned businesses that wait for Yelp",
        ),
        sa.Column("deferred_reason", sa.Text(), nullable=True, comment="why they wait; cleared by the next answer"),
        sa.Column("deferred_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("split_by IN ('category', 'price', 'tile')", name=op.f("ck_target_parts_split_by_known")),
        sa.PrimaryKeyConstraint("part_id", name=op.f("pk_target_parts")),
        schema="leadfactory",
        comment="A target's search cut into parts that fit Yelp's limit of results, each with its cursor.",
    )
    op.create_index(
        op.f("ix_target_parts_target_id"), "target_parts", ["target_id"], unique=False, schema="leadfactory"
    )
    op.create_table(
        "imported_businesses",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column(
            "record_key",
            sa.LargeBinary(),
            nullable=False,
            comment="what stays when a row changes: its id, or name and door",
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column(
            "row_number", sa.Integer(), nullable=False, comment="line of the record in the file, the heading is 1"
        ),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "fields",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="the row as checked; NULL once the operator's time is over",
        ),
        sa.Column("imported_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("keep_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["file_id"], ["leadfactory.import_files.file_id"], name=op.f("fk_imported_businesses_file_id")
        ),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_imported_businesses")),
        sa.UniqueConstraint(
            "campaign", "record_key", "version", name=op.f("uq_imported_businesses_campaign_record_key_version")
        ),
        schema="leadfactory",
        comment="The operator's own records, every version with file and row; append-only but for forgetting.",
    )
    op.create_index(
        op.f("ix_imported_businesses_campaign_imported_at"),
        "imported_businesses",
        ["campaign", "imported_at"],
        unique=False,
        schema="leadfactory",
    )
    op.add_column(
        "businesses",
        sa.Column("chain_hmac", sa.LargeBinary(), nullable=True, comment="the same for all branches of a chain"),
        schema="leadfactory",
    )
    op.create_index(op.f("ix_businesses_chain_hmac"), "businesses", ["chain_hmac"], unique=False, schema="leadfactory")
    op.add_column(
        "campaigns",
        sa.Column(
            "chain_policy",
            sa.Text(),
            server_default="skip",
            nullable=False,
            comment="what becomes of branches of chains, recognised or on the exclusion list",
        ),
        schema="leadfactory",
    )
    op.add_column(
        "sourced_businesses",
        sa.Column(
            "import_id",
            sa.Uuid(),
            nullable=True,
            comment="the version of the imported row; NULL for a vendor's listing",
        ),
        schema="leadfactory",
    )
    op.add_column(
        "sourced_businesses",
        sa.Column(
            "chain_hmac",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash of the name without town and store number",
        ),
        schema="leadfactory",
    )
    op.alter_column(
        "sourced_businesses",
        "target_id",
        existing_type=sa.UUID(),
        nullable=True,
        comment="what was aimed at; NULL for an imported row, at which nobody aimed",
        schema="leadfactory",
    )
    op.alter_column(
        "sourced_businesses",
        "expires_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        nullable=True,
        comment="when the content behind the row must be gone; NULL while the operator keeps it",
        existing_comment="when the content behind the row must be gone",
        schema="leadfactory",
    )
    op.create_index(
        op.f("ix_sourced_businesses_campaign_import_id"),
        "sourced_businesses",
        ["campaign", "import_id"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(
        op.f("ix_sourced_businesses_campaign_yelp_id"),
        "sourced_businesses",
        ["campaign", "yelp_id"],
        unique=False,
        schema="leadfactory",
    )
    op.create_check_constraint(
        op.f("ck_campaigns_chain_policy_known"),
        "campaigns",
        "chain_policy IN ('all', 'one', 'skip')",
        schema="leadfactory",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_campaigns_chain_policy_known"), "campaigns", schema="leadfactory")
    op.execute("DELETE FROM leadfactory.sourced_businesses WHERE target_id IS NULL OR expires_at IS NULL")
    op.drop_index(op.f("ix_sourced_businesses_campaign_yelp_id"), table_name="sourced_businesses", schema="leadfactory")
    op.drop_index(
        op.f("ix_sourced_businesses_campaign_import_id"), table_name="sourced_businesses", schema="leadfactory"
    )
    op.alter_column(
        "sourced_businesses",
        "expires_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        nullable=False,
        comment="when the content behind the row must be gone",
        existing_comment="when the content behind the row must be gone; NULL while the operator keeps it",
        schema="leadfactory",
    )
    op.alter_column(
        "sourced_businesses",
        "target_id",
        existing_type=sa.UUID(),
        nullable=False,
        comment=None,
        existing_comment="what was aimed at; NULL for an imported row, at which nobody aimed",
        schema="leadfactory",
    )
    op.drop_column("sourced_businesses", "chain_hmac", schema="leadfactory")
    op.drop_column("sourced_businesses", "import_id", schema="leadfactory")
    op.drop_column("campaigns", "chain_policy", schema="leadfactory")
    op.drop_index(op.f("ix_businesses_chain_hmac"), table_name="businesses", schema="leadfactory")
    op.drop_column("businesses", "chain_hmac", schema="leadfactory")
    op.drop_index(
        op.f("ix_imported_businesses_campaign_imported_at"), table_name="imported_businesses", schema="leadfactory"
    )
    op.drop_table("imported_businesses", schema="leadfactory")
    op.drop_index(op.f("ix_target_parts_target_id"), table_name="target_parts", schema="leadfactory")
    op.drop_table("target_parts", schema="leadfactory")
    op.drop_table("import_files", schema="leadfactory")
