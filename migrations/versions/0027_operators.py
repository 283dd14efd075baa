"""API keys, the sessions that they open, failed sign-ins, and the chain of the audit log.

Revision ID: 0027_operators
Revises: 0026_draft_reviews
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027_operators"
down_revision = "0026_draft_reviews"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.TIMESTAMP(timezone=True)
# leadfactory/audit_log.py: chained() is the same rule. Each field stands behind its length, so that no two rows read alike.
HASH = """
CREATE FUNCTION leadfactory.audit_hash(before bytea, entry leadfactory.audit_log) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT sha256(before || convert_to(string_agg(octet_length(field) || ':' || field, '' ORDER BY place), 'UTF8'))
  FROM unnest(ARRAY[entry.audit_id::text, to_char(entry.happened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), entry.actor,
                    entry.action, coalesce(entry.send_id::text, ''), entry.subject, entry.detail::text])
       WITH ORDINALITY AS fields(field, place)
$$
"""
LINK = """
CREATE FUNCTION leadfactory.audit_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  last record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('leadfactory.audit_chain', 0));
  SELECT link, hash INTO last FROM leadfactory.audit_chain ORDER BY link DESC LIMIT 1;
  INSERT INTO leadfactory.audit_chain (link, audit_id, hash)
  VALUES (coalesce(last.link, 0) + 1, NEW.audit_id, leadfactory.audit_hash(coalesce(last.hash, ''::bytea), NEW));
  RETURN NULL;
END
$$
"""
# At the transaction's end: the lock is held for the commit alone, and nothing else is waited for behind it.
TRIGGER = """
CREATE CONSTRAINT TRIGGER audit_log_linked AFTER INSERT ON leadfactory.audit_log DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION leadfactory.audit_link()
"""
PRESENT_ROWS = """
DO $$
DECLARE
  entry leadfactory.audit_log;
  before bytea := ''::bytea;
  number bigint := 0;
BEGIN
  FOR entry IN SELECT * FROM leadfactory.audit_log ORDER BY audit_id LOOP
    number := number + 1;
    before := leadfactory.audit_hash(before, entry);
    INSERT INTO leadfactory.audit_chain (link, audit_id, hash) VALUES (number, entry.audit_id, before);
  END LOOP;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the key, which is not kept"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True, comment="to the minute"),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "cardinality(scopes) > 0 AND scopes <@ ARRAY['dashboards', 'metrics', 'review', 'admin']",
            name=op.f("ck_api_keys_scopes_known"),
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_api_keys_expires_later")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
        schema=SCHEMA,
        comment="One row per value of an API key; a key that is being rotated has two.",
    )
    op.create_index(op.f("ix_api_keys_name"), "api_keys", ["name"], schema=SCHEMA)
    op.create_table(
        "operator_sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the cookie, which is not kept"),
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["key_id"], [f"{SCHEMA}.api_keys.key_id"], name=op.f("fk_operator_sessions_key_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_operator_sessions")),
        schema=SCHEMA,
        comment="One row per sign-in with an API key; it ends after 12 hours, when signed out, or with its key.",
    )
    op.create_index(op.f("ix_operator_sessions_key_id"), "operator_sessions", ["key_id"], schema=SCHEMA)
    op.create_index(op.f("ix_operator_sessions_expires_at"), "operator_sessions", ["expires_at"], schema=SCHEMA)
    op.create_table(
        "auth_failures",
        sa.Column("minute", MOMENT, nullable=False),
        sa.Column("client_hmac", sa.LargeBinary(), nullable=False, comment="keyed hash of the network address"),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=False,
            comment="no_credential, bad_key, bad_session, no_scope, too_many",
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "client_hmac", "reason", name=op.f("pk_auth_failures")),
        schema=SCHEMA,
        comment="Refused sign-ins and requests by minute, client and reason, so that a flood is a row and not a table.",
    )
    _chain()


def _chain() -> None:
    op.add_column(
        "audit_log",
        sa.Column(
            "subject", sa.Text(), nullable=False, server_default="", comment="what it was done to, by id or slug"
        ),
        schema=SCHEMA,
    )
    op.alter_column(
        "audit_log", "actor", existing_type=sa.Text(), existing_nullable=False, schema=SCHEMA,
        comment="recipient, or an operator and who",
    )  # fmt: skip
    op.create_table_comment(
        "audit_log",
        "Append-only: what people asked of us and what operators did; ids only, never an address. Chained in audit_chain.",
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_audit_log_happened_at"), "audit_log", ["happened_at"], schema=SCHEMA)
    op.create_table(
        "audit_chain",
        sa.Column("link", sa.BigInteger(), autoincrement=False, nullable=False, comment="1, 2, 3 …: never a gap"),
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "hash", sa.LargeBinary(), nullable=False, comment="SHA-256 over the hash before and the row's fields"
        ),
        sa.PrimaryKeyConstraint("link", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("audit_id", name=op.f("uq_audit_chain_audit_id")),
        schema=SCHEMA,
        comment="One row per row of audit_log, in the order of commits, written by a trigger: what was changed or removed breaks it.",
    )
    for statement in (HASH, LINK, PRESENT_ROWS, TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_log_linked ON leadfactory.audit_log")
    op.execute("DROP FUNCTION leadfactory.audit_link()")
    op.execute("DROP FUNCTION leadfactory.audit_hash(bytea, leadfactory.audit_log)")
    op.drop_table("audit_chain", schema=SCHEMA)
    op.drop_index(op.f("ix_audit_log_happened_at"), "audit_log", schema=SCHEMA)
    op.create_table_comment(
        "audit_log",
        "Append-only: what people asked of us and what operators did to the inbox; ids only, never an address.",
        schema=SCHEMA,
    )
    op.alter_column(
        "audit_log", "actor", existing_type=sa.Text(), existing_nullable=False, comment="recipient, operator", schema=SCHEMA
    )  # fmt: skip
    op.drop_column("audit_log", "subject", schema=SCHEMA)
    for table in ("auth_failures", "operator_sessions", "api_keys"):
        op.drop_table(table, schema=SCHEMA)
