"""Pauses: an operator's word that holds back all work, a campaign, a sender or a vendor until the word is taken back.

A pause is a row of ``pauses``, so every process sees it and no restart forgets it. Who asks: schedules and sensors before they
start a run, the launcher before it starts a process, stages at each lead (``watching``), the gateway before each call, the claim
of a send in its own transaction. Under ``all`` only backups, repair, the terms of vendors and the webhook inbox go on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import time
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

import sqlalchemy as sa

from leadfactory import flow
from leadfactory.database import Database, Moment, metadata, one_of

Kind = Literal["all", "campaign", "sender", "vendor"]
KINDS: tuple[Kind, ...] = get_args(Kind)
GOES_ON_TAG = "leadfactory/while_paused"  # of a run: with the value below it starts although all is paused
GOES_ON = "goes on"
LOOK_S = 1.0  # how often a stage asks again
# What a paused campaign stops. What a buyer of it has paid for goes on: that is owed.
CAMPAIGN_WORK = frozenset(
    {"sourced_businesses", "enriched_businesses", "site_audits", "site_insights", "email_drafts", "email_sends"}
)
# Questions of a repair go on while all is paused: an operator pauses first and repairs then. Only their vendor's own pause holds them.
REPAIR = "repair"

pauses = sa.Table(
    "pauses",
    metadata,
    sa.Column("pause_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, comment="campaign, a sender's own address or vendor; empty for all"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("paused_by", sa.Text, nullable=False),
    sa.Column("paused_at", Moment, nullable=False),
    sa.Column("resumed_at", Moment, comment="NULL while it holds"),
    sa.Column("resumed_by", sa.Text),
    sa.Column("resumed_why", sa.Text),
    one_of("kind", *KINDS),
    sa.CheckConstraint("(kind = 'all') = (key = '')", name="all_has_no_key"),
    sa.CheckConstraint("(resumed_at IS NULL) = (resumed_by IS NULL)", name="resumed_by_a_person"),
    sa.Index("uq_pauses_open", "kind", "key", unique=True, postgresql_where=sa.text("resumed_at IS NULL")),
    comment="What an operator holds back: all work, a campaign, a sender or a vendor, by whom and why.",
)
# For connections of psycopg itself; the gateway reads it with its breakers.
READ = "SELECT pause_id, kind, key, reason, paused_by, paused_at FROM pauses WHERE resumed_at IS NULL"


@dataclasses.dataclass(frozen=True)
class Pause:
    """One pause that holds."""

    pause_id: int
    kind: Kind
    key: str
    reason: str
    paused_by: str
    paused_at: dt.datetime

    @property
    def what(self) -> str:
        """``all``, or ``vendor yelp``."""
        return f"{self.kind} {self.key}".strip()

    def __str__(self) -> str:
        since = f"{self.paused_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
        return f"{self.what} is paused by {self.paused_by} since {since}: {self.reason}"


class Paused(flow.Stopped):
    """Work that a pause holds back; the message says whose word it is and how it is taken back."""

    def __init__(self, pause: Pause) -> None:
        super().__init__(f"{pause} (`leadfactory resume {pause.what}` lets it go on)")
        self.pause = pause


def current(tx: sa.Connection) -> list[Pause]:
    """Every pause that holds, the widest first."""
    columns = [pauses.c[field.name] for field in dataclasses.fields(Pause)]
    rows = tx.execute(sa.select(*columns).where(pauses.c.resumed_at.is_(None)).order_by(pauses.c.pause_id))
    return sorted((Pause(**row._mapping) for row in rows), key=lambda one: (KINDS.index(one.kind), one.key))


def is_paused(tx: sa.Connection, kind: Kind, key: str = "") -> Pause | None:
    """The pause that holds this back: its own, or the one of everything."""
    return holding(current(tx), (kind, key))


def holding(found: Iterable[Pause], *asked: tuple[str, str]) -> Pause | None:
    """The first of ``found`` that is of everything or of one of ``asked``, which are pairs of kind and key."""
    return next((one for one in found if one.kind == "all" or (one.kind, one.key) in asked), None)


def pause(tx: sa.Connection, kind: Kind, key: str, *, reason: str, by: str, now: dt.datetime) -> Pause:
    """Holds it back from now on; everybody hears it within a second.

    Raises:
        ValueError: it is paused already, or nobody says who and why.
    """
    _person(by, reason)
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('leadfactory.pauses'))"))
    for held in current(tx):
        if (held.kind, held.key) == (kind, key):
            raise ValueError(f"{held}; `leadfactory resume {held.what}` first to give another reason")
    values = {"kind": kind, "key": key, "reason": reason.strip(), "paused_by": by.strip(), "paused_at": now}
    pause_id = tx.scalar(sa.insert(pauses).values(**values).returning(pauses.c.pause_id))
    assert pause_id is not None
    return Pause(pause_id, **values)  # type: ignore[arg-type]


def resume(tx: sa.Connection, kind: Kind, key: str, *, reason: str, by: str, now: dt.datetime) -> Pause:
    """Takes the word back; the pause that held.

    Raises:
        ValueError: nobody says who and why. LookupError: it is not paused.
    """
    _person(by, reason)
    held = next((one for one in current(tx) if (one.kind, one.key) == (kind, key)), None)
    if held is None:
        others = ", ".join(one.what for one in current(tx)) or "nothing"
        raise LookupError(f"{f'{kind} {key}'.strip()} is not paused: paused is {others}")
    tx.execute(
        sa.update(pauses)
        .where(pauses.c.pause_id == held.pause_id)
        .values(resumed_at=now, resumed_by=by.strip(), resumed_why=reason.strip())
    )
    return held


def resumed_since(tx: sa.Connection, moment: dt.datetime) -> list[Pause]:
    """What was let go on since ``moment``, oldest word first."""
    columns = [pauses.c[field.name] for field in dataclasses.fields(Pause)]
    rows = tx.execute(sa.select(*columns).where(pauses.c.resumed_at >= moment).order_by(pauses.c.pause_id))
    return [Pause(**row._mapping) for row in rows]


def banner(tx: sa.Connection) -> str:
    """What holds, in one line for operators' pages and commands; empty when nothing is paused."""
    return "; ".join(map(str, current(tx)))


class Watch:
    """Asked before each lead; looks into the database once a second at most."""

    def __init__(self, db: Database, *asked: tuple[str, str]) -> None:
        self._db, self._asked = db, asked
        self._looked_at = float("-inf")
        self._held: Pause | None = None

    def __call__(self) -> Pause | None:
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S:
            # Without a database the work itself will say so.
            with contextlib.suppress(sa.exc.OperationalError), self._db.engine.connect() as tx:
                self._held = holding(current(tx), *self._asked)
            self._looked_at = now
        return self._held


@contextlib.contextmanager
def watching(db: Database, *, campaign: str | None = None) -> Iterator[None]:
    """The block starts only when nothing holds it back, and its ``flow.each`` ends at the next lead when something does.

    Raises:
        Paused: at the start, or out of ``flow.each`` with what was done stored.
    """
    watch = Watch(db, *([] if campaign is None else [("campaign", campaign)]))
    refuse(watch())
    token = flow.STOP.set(lambda: refuse(watch()))
    try:
        yield
    finally:
        flow.STOP.reset(token)


def refuse(held: Pause | None) -> None:
    """Raises ``Paused`` for a pause, and nothing for none."""
    if held is not None:
        raise Paused(held)


def of_call(found: Iterable[Pause], vendor: str, campaign: str | None, asset: str | None) -> Pause | None:
    """The pause that holds a vendor call back."""
    if asset == REPAIR:
        found = [each for each in found if each.kind != "all"]
    asked = [("vendor", vendor)]
    if campaign is not None and asset in CAMPAIGN_WORK:
        asked.append(("campaign", campaign))
    return holding(found, *asked)


def _person(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        raise ValueError("a pause begins and ends by the word of a person who says why: give --reason, and --by where nobody is logged in")  # fmt: skip
