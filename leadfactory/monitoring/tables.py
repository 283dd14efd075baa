"""Tables of monitoring: which alerts fired, and which nights were told of."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, metadata, one_of

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("fingerprint", sa.Text, primary_key=True, comment="Alertmanager's, over the labels"),
    sa.Column("started_at", Moment, primary_key=True, comment="real time, as all of this table"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, comment="Dagster's, of an alert about a run"),
    sa.Column("levels_told", sa.SmallInteger, nullable=False, comment="how many levels of config/contacts.yaml know"),
    sa.Column("ended_at", Moment, comment="NULL while it fires"),
    sa.Index(None, "started_at"),
    one_of("severity", "critical", "warning"),
    comment="One row per time that an alert fired: how long, and how far it climbed.",
)
night_reviews = sa.Table(
    "night_reviews",
    metadata,
    sa.Column("night_on", sa.Date, primary_key=True),
    sa.Column("told_at", Moment, nullable=False, comment="real time; claimed before the message is handed over"),
    sa.Column("channels", sa.Text, comment="who took it; NULL until known, or when nobody did"),
    comment="One row per night whose review was sent to people, so that it is sent once.",
)
