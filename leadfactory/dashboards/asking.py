"""Asks the published marts what the panels of a dashboard ask, read only, all of one build, with an analyst's rights.

A panel's SQL may so read nothing that an analyst may not, whoever wrote it: no address, no word of a letter.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.dashboards.panels import Dashboard, Panel
from leadfactory.database import Database

WITHIN = "8s"
ANALYST = "lf_analyst"
ATTEMPTS = 3  # a publication between two questions makes us ask again
USUAL_DAYS = 90


@dataclasses.dataclass(frozen=True)
class Rows:
    """What a panel's question gave."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclasses.dataclass(frozen=True)
class Version:
    """The build of the marts that everything on a page is from; first and last day on which anything happened, and its campaigns."""

    build_id: str
    built_at: dt.datetime
    first: dt.date | None
    last: dt.date | None
    campaigns: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Filter:
    """Which days and campaigns; no campaign means all."""

    since: dt.date
    until: dt.date
    campaigns: tuple[str, ...] = ()

    @classmethod
    def usual(cls, version: Version) -> Filter:
        """The last ninety days that have data."""
        until = version.last or version.built_at.date()
        since = max(version.first or until, until - dt.timedelta(days=USUAL_DAYS - 1))
        return cls(since, until)

    def given(self, version: Version) -> dict[str, Any]:
        """The values of the SQL's parameters."""
        return {"since": self.since, "until": self.until, "campaigns": list(self.campaigns or version.campaigns)}


class NoMarts(RuntimeError):
    """Nothing was published yet; the message says what to run."""

    def __init__(self) -> None:
        super().__init__(
            "no marts have been published to Postgres yet: run the jobs `lake` and `marts` in Dagster, or `leadfactory simulate` "
            "for a quarter of invented business in a folder of its own"
        )


def version(db: Database) -> Version:
    """The published build.

    Raises:
        NoMarts: there is none.
    """
    with db.engine.connect() as tx, tx.begin():
        _as_analyst(tx)
        return _version(tx)


def ask(
    db: Database, dashboard: Dashboard, chosen: Filter, only: Sequence[Panel] | None = None
) -> tuple[Version, dict[str, Rows]]:
    """The rows of every panel (or of those named) and the one build that all are from.

    Raises:
        NoMarts: nothing was published yet.
    """
    for _ in range(ATTEMPTS):
        with db.engine.connect() as tx, tx.begin():
            _as_analyst(tx)
            tx.execute(sa.text(f"SET LOCAL statement_timeout = '{WITHIN}'"))
            before = _version(tx)
            given = chosen.given(before)
            found = {each.name: _rows(tx, each, given) for each in only or dashboard.panels}
            if _version(tx).build_id == before.build_id:
                return before, found
    raise NoMarts


_MAY = sa.text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role AND pg_has_role(current_user, oid, 'SET'))")


def _as_analyst(tx: sa.Connection) -> None:
    """To the end of the transaction: no write, and the analyst's rights. A server with a single role, such as a developer's own, has none."""
    tx.execute(sa.text("SET TRANSACTION READ ONLY"))
    if tx.scalar(_MAY, {"role": ANALYST}):
        tx.execute(sa.text(f"SET LOCAL ROLE {ANALYST}"))


def _rows(tx: sa.Connection, panel: Panel, given: dict[str, Any]) -> Rows:
    done = tx.execute(sa.text(panel.sql), {name: value for name, value in given.items() if f":{name}" in panel.sql})
    return Rows(tuple(done.keys()), tuple(tuple(row) for row in done))


def _version(tx: sa.Connection) -> Version:
    if tx.scalar(sa.text("SELECT to_regclass('marts.version')")) is None:
        raise NoMarts
    row = tx.execute(sa.text("SELECT build_id, built_at FROM marts.version")).first()
    if row is None:
        raise NoMarts
    span = tx.execute(
        sa.text("SELECT min(occurred_on) AS first, max(occurred_on) AS last FROM marts.mart_daily_activity")
    ).one()
    names = tx.scalars(sa.text("SELECT campaign_id FROM marts.dim_campaigns ORDER BY campaign_id")).all()
    return Version(row.build_id, row.built_at, span.first, span.last, tuple(names))
