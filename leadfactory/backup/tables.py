"""Tables of backups: what was saved and when it was last proven. The truth is the store; these rows serve metrics and the UI."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, metadata, one_of

KINDS = ("full", "emergency")
backups = sa.Table(
    "backups",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="its folder in the store; begins with its UTC time"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("started_at", Moment, nullable=False, comment="real time, whatever the factory's clock says"),
    sa.Column("finished_at", Moment, comment="NULL while it runs, or when its process died"),
    sa.Column("ok", sa.Boolean, comment="NULL while it runs"),
    sa.Column("bytes", sa.BigInteger, comment="what it added to the store, encrypted"),
    sa.Column("wal_from", sa.Text, comment="where its recovery begins"),
    sa.Column("wal_to", sa.Text, comment="from where on it is consistent"),
    sa.Column("reason", sa.Text, comment="of a failed one: what stopped it"),
    sa.Column("verified_at", Moment, comment="when every byte of it was last read and found right"),
    sa.Column("removed_at", Moment, comment="when its retention ended"),
    sa.Index(None, "started_at"),
    one_of("kind", *KINDS),
    comment="One row per backup that was begun.",
)
restore_drills = sa.Table(
    "restore_drills",
    metadata,
    sa.Column("drill_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("backup_id", sa.Text, comment="NULL when there was none to restore"),
    sa.Column("started_at", Moment, nullable=False, comment="real time"),
    sa.Column("finished_at", Moment, nullable=False),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("rpo_s", sa.Float, comment="seconds of work that a loss at the start would have cost"),
    sa.Column("rto_s", sa.Float, comment="seconds until the restored server had passed its checks"),
    sa.Column("checks", Json, nullable=False, comment="each check with what was expected and found"),
    sa.Column("reason", sa.Text, comment="of a failed one"),
    sa.Index(None, "started_at"),
    comment="One row per rehearsal of a restore on a scratch server.",
)
file_looks = sa.Table(
    "file_looks",
    metadata,
    sa.Column("area", sa.Text, primary_key=True, comment="lake, blobs or warehouse"),
    sa.Column("files", sa.Integer, nullable=False, comment="that must be there and were read"),
    sa.Column("broken", sa.Integer, nullable=False, comment="of them, damaged or gone"),
    sa.Column("samples", Json, nullable=False, comment="some of the broken ones: path and what is wrong"),
    sa.Column("looked_at", Moment, nullable=False, comment="real time"),
    comment="The newest look at each kind of file outside of Postgres.",
)
