"""Merges and un-merges of registered businesses: rows that are added and never changed; the newest about a pair counts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d02_sourcing.tables import business_merges, businesses, unique_businesses

REGISTRY_LOCK = 0x1EADB122  # one writer at a time assigns business ids and joins them


@dataclasses.dataclass(frozen=True)
class Merges:
    """Which registered businesses are one by now. ``_kept``: business → the one that stands for it; ``_apart``: pairs un-merged."""

    _kept: Mapping[uuid.UUID, uuid.UUID]
    _apart: frozenset[frozenset[uuid.UUID]]

    @classmethod
    def read(cls, tx: sa.Connection) -> Merges:
        """All that was ever decided, the newest row of each pair."""
        m = business_merges.c
        rows = tx.execute(sa.select(m.survivor_id, m.merged_id, m.kind).order_by(m.merge_id)).all()
        return cls.of([(row.survivor_id, row.merged_id, row.kind) for row in rows])

    @classmethod
    def of(cls, rows: Sequence[tuple[uuid.UUID, uuid.UUID, str]]) -> Merges:
        """The state after ``(survivor, merged, kind)`` rows, oldest first."""
        newest: dict[frozenset[uuid.UUID], tuple[uuid.UUID, uuid.UUID, str]] = {}
        for survivor, merged, kind in rows:
            pair = frozenset((survivor, merged))
            newest.pop(pair, None)
            newest[pair] = (survivor, merged, kind)
        kept: dict[uuid.UUID, uuid.UUID] = {}
        for survivor, merged, kind in newest.values():
            if kind == "merge" and _root(kept, survivor) != _root(kept, merged):
                kept[_root(kept, merged)] = _root(kept, survivor)
        apart = frozenset(pair for pair, row in newest.items() if row[2] == "unmerge")
        return cls({each: _root(kept, each) for each in kept}, apart)

    def survivor(self, business_id: uuid.UUID) -> uuid.UUID:
        """The business that stands for another; itself when it was never merged away."""
        return self._kept.get(business_id, business_id)

    def apart(self, one: uuid.UUID, other: uuid.UUID) -> bool:
        """Whether somebody said of two that they are two after all: no rule joins them again."""
        return frozenset((one, other)) in self._apart


def record(
    tx: sa.Connection, kind: str, survivor_id: uuid.UUID, merged_id: uuid.UUID, evidence: Mapping[str, Any], now: dt.datetime
) -> bool:  # fmt: skip
    """Adds a row unless the newest about the pair says so already; whether it did."""
    m = business_merges.c
    pair = [survivor_id, merged_id]
    newest = tx.execute(
        sa.select(m.kind, m.survivor_id, m.merged_id)
        .where(m.survivor_id.in_(pair), m.merged_id.in_(pair))
        .order_by(m.merge_id.desc())
        .limit(1)
    ).first()
    if (newest is None and kind == "unmerge") or (newest is not None and newest.kind == kind):
        return False
    if newest is not None and kind == "unmerge":
        survivor_id, merged_id = newest.survivor_id, newest.merged_id  # whichever way round it is asked
    tx.execute(insert(business_merges).values(
        survivor_id=survivor_id, merged_id=merged_id, kind=kind, evidence=dict(evidence), merged_at=now
    ))  # fmt: skip
    return True


def merge(
    tx: sa.Connection, survivor_id: uuid.UUID, merged_id: uuid.UUID, *, reason: str, by: str, now: dt.datetime
) -> bool:  # fmt: skip
    """Says that two registered businesses are one. No cohort is edited: later cohorts get the survivor's id, and letters of the
    merged one that were not claimed are held back by the gate ``merged_away``.

    Raises:
        LookupError: for a business that is not registered. ValueError: for one with itself, a merged-away survivor, or no reason.
    """
    _both(tx, survivor_id, merged_id, reason)
    state = Merges.read(tx)
    if state.survivor(survivor_id) != survivor_id:
        raise ValueError(f"business {survivor_id} was merged into {state.survivor(survivor_id)}: merge into that one")
    return record(tx, "merge", survivor_id, merged_id, {"reason": reason, "by": by}, now)


def unmerge(
    tx: sa.Connection, survivor_id: uuid.UUID, merged_id: uuid.UUID, *, reason: str, by: str, now: dt.datetime
) -> bool:  # fmt: skip
    """Says that two merged businesses are two after all; no rule merges them again.

    Raises:
        LookupError: for a business that is not registered. ValueError: for a pair that was never merged, or no reason.
    """
    _both(tx, survivor_id, merged_id, reason)
    m = business_merges.c
    pair = [survivor_id, merged_id]
    if tx.scalar(sa.select(sa.func.count()).where(m.survivor_id.in_(pair), m.merged_id.in_(pair))) == 0:
        raise ValueError(f"{survivor_id} and {merged_id} were never merged: `leadfactory businesses show` lists merges")
    return record(tx, "unmerge", survivor_id, merged_id, {"reason": reason, "by": by}, now)


def history(tx: sa.Connection, business_id: uuid.UUID) -> dict[str, Any]:
    """What is known of a registered business: its row, its cohorts, its merges, and the business that stands for it.

    Raises:
        LookupError: it is not registered.
    """
    row = tx.execute(sa.select(businesses).where(businesses.c.business_id == business_id)).mappings().first()
    if row is None:
        raise LookupError(f"business {business_id} is not registered: `unique_businesses` has the ids")
    u, m = unique_businesses.c, business_merges.c
    cohorts = tx.execute(
        sa.select(u.campaign, u.cohort_on, u.duplicate_of, u.excluded_reason, u.evidence)
        .where(u.business_id == business_id)
        .order_by(u.cohort_on)
    ).mappings()
    merges = tx.execute(
        sa.select(business_merges)
        .where(sa.or_(m.survivor_id == business_id, m.merged_id == business_id))
        .order_by(m.merge_id)
    ).mappings()
    return {
        "business_id": str(business_id), "stands_for_it": str(Merges.read(tx).survivor(business_id)), "first_campaign": row["first_campaign"],
        "first_cohort_on": str(row["first_cohort_on"]), "yelp_ids": row["yelp_ids"], "registered_at": row["registered_at"],
        "cohorts": [dict(each) for each in cohorts], "merges": [dict(each) for each in merges],
    }  # fmt: skip


def _both(tx: sa.Connection, one: uuid.UUID, other: uuid.UUID, reason: str) -> None:
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(REGISTRY_LOCK)))
    if one == other:
        raise ValueError(f"business {one} is itself: give two different ids")
    if not reason.strip():
        raise ValueError("reason is empty: say why, it is kept as evidence")
    known = set(tx.scalars(sa.select(businesses.c.business_id).where(businesses.c.business_id.in_([one, other]))))
    for each in (one, other):
        if each not in known:
            raise LookupError(f"business {each} is not registered: `unique_businesses` has the ids")


def _root(kept: Mapping[uuid.UUID, uuid.UUID], business_id: uuid.UUID) -> uuid.UUID:
    while business_id in kept:
        business_id = kept[business_id]
    return business_id
