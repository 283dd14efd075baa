"""Which business an operator means: by id, by the domain of its website, or by a part of the name that its website shows."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.d02_sourcing.tables import unique_businesses
from leadfactory.d04_enrichment.own_site import host_of
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.keyed_hashes import ascii_domain

SHOWN = 5  # of several that match
LONGEST = 200
HOW = "ask by its id, its domain or a part of its own name"


def find(tx: sa.Connection, text: str) -> uuid.UUID:
    """The one business that ``text`` stands for.

    Raises:
        LookupError: none matches, or several do (the message lists the first of them with their ids).
        ValueError: the text is empty or too long.
    """
    wanted = text.strip()
    if not wanted or len(wanted) > LONGEST:
        raise ValueError(f"BUSINESS={text[:LONGEST]!r} is {'too long' if wanted else 'empty'}: {HOW}")
    by_id = _as_id(wanted)
    if by_id is not None:
        u = unique_businesses.c.business_id
        if tx.scalar(sa.select(u).where(u == by_id).limit(1)) is None:
            raise LookupError(f"no business has the id {by_id}: {HOW}")
        return by_id
    found = _by_domain(tx, wanted) or _by_name(tx, wanted)
    if not found:
        raise LookupError(f"no business matches {wanted!r}: {HOW}")
    if len(found) > 1:
        told = "; ".join(
            f"{row.business_id} ({row.own_name or 'no name'}, {row.site_host or 'no website'})" for row in found[:SHOWN]
        )
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise LookupError(f"{len(found)} businesses match {wanted!r}, say which by its id: {told}{more}")
    return uuid.UUID(str(found[0].business_id))


def _as_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _by_domain(tx: sa.Connection, text: str) -> Sequence[Any]:
    host = ascii_domain(host_of(text)).removeprefix("www.")
    if "." not in host or " " in text:
        return []
    e = enriched_businesses.c
    return _matches(tx, sa.func.lower(e.site_host).in_([host, f"www.{host}"]))


def _by_name(tx: sa.Connection, text: str) -> Sequence[Any]:
    e = enriched_businesses.c
    # The database folds the case of ASCII only, so that other names are compared here.
    condition = e.own_name.icontains(text, autoescape=True) if text.isascii() else e.own_name.is_not(None)
    wanted = _folded(text)
    part = [row for row in _matches(tx, condition) if wanted in _folded(row.own_name or "")]
    whole = [row for row in part if _folded(row.own_name or "") == wanted]
    return whole if len(whole) == 1 else part


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _matches(tx: sa.Connection, condition: sa.ColumnElement[bool]) -> Sequence[Any]:
    """The newest row of each business that matches, by name."""
    e = enriched_businesses.c
    newest = (
        sa.select(e.business_id, e.own_name, e.site_host)
        .distinct(e.business_id)
        .where(condition)
        .order_by(e.business_id, e.fetched_at.desc())
        .subquery("matches")
    )
    return tx.execute(sa.select(newest).order_by(newest.c.own_name, newest.c.business_id)).all()
