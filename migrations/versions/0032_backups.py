"""Backups, restore drills, and the fence that keeps a restored database from mailing again.

Revision ID: 0032_backups
Revises: 0031_run_facts
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032_backups"
down_revision = "0031_run_facts"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "backups",
        sa.Column("id", sa.Text(), nullable=False, comment="its folder in the store; begins with its UTC time"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False, comment="real time, whatever the factory's clock says"),
        sa.Column("finished_at", MOMENT, comment="NULL while it runs, or when its process died"),
        sa.Column("ok", sa.Boolean(), comment="NULL while it runs"),
        sa.Column("bytes", sa.BigInteger(), comment="what it added to the store, encrypted"),
        sa.Column("wal_from", sa.Text(), comment="where its recovery begins"),
        sa.Column("wal_to", sa.Text(), comment="from where on it is consistent"),
        sa.Column("reason", sa.Text(), comment="of a failed one: what stopped it"),
        sa.Column("verified_at", MOMENT, comment="when every byte of it was last read and found right"),
        sa.Column("removed_at", MOMENT, comment="when its retention ended"),
        sa.CheckConstraint("kind IN ('full', 'emergency')", name=op.f("ck_backups_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups")),
        schema=SCHEMA,
        comment="One row per backup that was begun.",
    )
    op.create_index(op.f("ix_backups_started_at"), "backups", ["started_at"], schema=SCHEMA)
    op.create_table(
        "restore_drills",
        sa.Column("drill_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("backup_id", sa.Text(), comment="NULL when there was none to restore"),
        sa.Column("started_at", MOMENT, nullable=False, comment="real time"),
        sa.Column("finished_at", MOMENT, nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("rpo_s", sa.Float(), comment="seconds of work that a loss at the start would have cost"),
        sa.Column("rto_s", sa.Float(), comment="seconds until the restored server had passed its checks"),
        sa.Column("checks", postgresql.JSONB(), nullable=False, comment="each check with what was expected and found"),
        sa.Column("reason", sa.Text(), comment="of a failed one"),
        sa.PrimaryKeyConstraint("drill_id", name=op.f("pk_restore_drills")),
        schema=SCHEMA,
        comment="One row per rehearsal of a restore on a scratch server.",
    )
    op.create_index(op.f("ix_restore_drills_started_at"), "restore_drills", ["started_at"], schema=SCHEMA)
    op.create_table(
        "send_fences",
        sa.Column("fence_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("restored_to", MOMENT, comment="of a restore: up to when the database knows what was sent"),
        sa.Column("raised_at", MOMENT, nullable=False),
        sa.Column("lifted_at", MOMENT, comment="NULL while nothing is mailed"),
        sa.Column("lifted_by", sa.Text(), comment="the person, or `replay` when the whole gap was replayed"),
        sa.Column("lifted_why", sa.Text()),
        sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name=op.f("ck_send_fences_lifted_by_somebody")),
        sa.PrimaryKeyConstraint("fence_id", name=op.f("pk_send_fences")),
        schema=SCHEMA,
        comment="Fences around the mailer; while one stands, no mail is claimed.",
    )
    op.create_table(
        "replayed_sends",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column(
            "send_id", sa.Uuid(), nullable=False, comment="of a letter, or the delivery_id of a sold report's mail"
        ),
        sa.Column("address_hmac", sa.LargeBinary(), nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=False),
        sa.Column("replayed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("send_id", name=op.f("pk_replayed_sends")),
        schema=SCHEMA,
        comment="Mails that the send journal knew and a restored database did not: they are taken for sent.",
    )
    op.create_index(op.f("ix_replayed_sends_address_hmac"), "replayed_sends", ["address_hmac"], schema=SCHEMA)


def downgrade() -> None:
    for table in ("replayed_sends", "send_fences", "restore_drills", "backups"):
        op.drop_table(table, schema=SCHEMA)
