"""What the factory tells of itself in numbers: each family is SQL over rows, asked anew at every scrape, never process memory.

A ratio comes with the sample it rests on, in the same family and with the same labels, so that an alert can ask for a minimum
count. Windows end now, on the factory's clock; the database's own clock judges what it stamped (vendor calls).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.replica import Nearest
from leadfactory.settings import Settings

PREFIX = "leadfactory_"
PRIMARY = "database"  # the family that tells of the primary itself
STATEMENT_MS = 3000  # a family that takes longer is given up, named, and does not hold up the others
WINDOWS = {
    "5m": dt.timedelta(minutes=5),
    "15m": dt.timedelta(minutes=15),
    "1h": dt.timedelta(hours=1),
    "2h": dt.timedelta(hours=2),
    "4h": dt.timedelta(hours=4),
    "24h": dt.timedelta(hours=24),
    "30d": dt.timedelta(days=30),
}


@dataclasses.dataclass(frozen=True)
class Figure:
    """One metric: its name without the prefix, what it means, and its samples by their labels."""

    name: str
    meaning: str
    samples: tuple[tuple[Mapping[str, str], float], ...]

    @classmethod
    def one(cls, name: str, meaning: str, value: float) -> Figure:
        """A metric without labels."""
        return cls(name, meaning, (({}, float(value)),))

    @classmethod
    def of(cls, name: str, meaning: str, label: str, values: Mapping[str, float]) -> Figure:
        """A metric with one label."""
        return cls(name, meaning, tuple(({label: key}, float(value)) for key, value in sorted(values.items())))


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a family may look at besides the database."""

    now: dt.datetime
    settings: Settings


Family = Callable[[sa.Connection, Scene], Iterator[Figure]]


def families() -> dict[str, Family]:
    """Every family by its name."""
    from leadfactory.monitoring import machine, mail, money, pipeline, protection, runs, vendors

    return {
        "pipeline": pipeline.figures,
        "mail": mail.figures,
        "inbox": mail.inbox,
        "money": money.figures,
        "vendors": vendors.figures,
        "runs": runs.figures,
        "protection": protection.figures,
        "database": machine.database,
    }


def collect(db: Database, settings: Settings, near: Nearest | None = None) -> list[Figure]:
    """All figures of this moment, from a replica where ``near`` has one. A database that is down, or a family that fails, is a
    figure and not an error; what a replica does not answer is asked of the primary."""
    from leadfactory.monitoring import machine, orchestration

    scene = Scene(settings.clock.now(), settings)
    found = [*machine.figures(scene), *orchestration.figures(scene)]
    failed = dict.fromkeys(families(), 0.0)
    up = 1.0
    aside = near.database() if near is not None else db
    try:
        for name, family in families().items():
            source = db if name == PRIMARY else aside
            try:
                told = _asked(source, family, scene)
                if told is None and source is not db:
                    told = _asked(db, family, scene)
            except DatabaseUnavailable:
                if source is db:
                    raise
                aside = db
                told = _asked(db, family, scene)
            failed[name] = float(told is None)
            found += told or []
    except DatabaseUnavailable:
        up = 0.0
    found.append(Figure.one("database_up", "1 when the system of record answers.", up))
    found.append(
        Figure.of("figures_failed", "1 where a family of figures could not be asked for.", "family", failed),
    )
    if near is not None and near.configured:
        found.append(
            Figure.one("replica_used", "1 when these figures were read from the replica.", float(aside is not db))
        )
        lag = () if near.lag_s is None else (({}, near.lag_s),)
        found.append(
            Figure("replica_lag_seconds", "How far the replica is behind; absent when it cannot be known.", lag)
        )
    return found


def _asked(source: Database, family: Family, scene: Scene) -> list[Figure] | None:
    """A family's figures; None when they cannot be asked for."""
    try:
        with source.begin() as tx:
            tx.execute(sa.text(f"SET LOCAL statement_timeout = {STATEMENT_MS}"))
            tx.execute(sa.text("SET LOCAL transaction_read_only = on"))
            return list(family(tx, scene))
    except (sa.exc.DBAPIError, ValueError, LookupError):
        return None


def rows(tx: sa.Connection, query: str, **parameters: Any) -> list[sa.Row[Any]]:
    """The rows of ``query``."""
    return list(tx.execute(sa.text(query), parameters))


def one(tx: sa.Connection, query: str, **parameters: Any) -> sa.Row[Any]:
    """The one row of ``query``."""
    return tx.execute(sa.text(query), parameters).one()


def wall(tx: sa.Connection) -> dt.datetime:
    """The database's own clock, for ages of what Dagster, the ledger and the disk stamped."""
    moment: dt.datetime = tx.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return moment


def exists(tx: sa.Connection, table: str) -> bool:
    """Whether ``schema.table`` exists, which it does not on a schema that is one version behind."""
    return tx.scalar(sa.text("SELECT to_regclass(:table)"), {"table": table}) is not None


def ratio(part: float, whole: float) -> float | None:
    """``part / whole``; None of nothing."""
    return part / whole if whole else None


def seconds_since(moment: dt.datetime | None, now: dt.datetime, *, never: float = 0.0) -> float:
    """Age in seconds, never negative; ``never`` when there is no moment."""
    return never if moment is None else max(0.0, (now - moment).total_seconds())
