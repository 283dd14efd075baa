"""How many results Yelp told of for a search: Yelp's word and not our cursor, so it lives as long as its term and is never logged.

Whoever reads a total must do without it: it is gone a day after the answer, and after a crash of the database.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection

import sqlalchemy as sa

from leadfactory.d00_gateway import content
from leadfactory.vendor_terms import VendorTerms


def tell(tx: sa.Connection, part_id: uuid.UUID, total: int, fetched_at: dt.datetime) -> None:
    """Keeps the total of an answer until its term ends; an older one is replaced."""
    expires_at = VendorTerms.load().expires_at("yelp", "total", fetched_at)
    assert expires_at is not None, (
        "config/vendor_terms.yaml lets a total be kept for ever: keep it in target_parts then"
    )
    content.store(tx, "yelp", [content.Content(_subject(part_id), {"total": total}, fetched_at, expires_at)])


def told(tx: sa.Connection, part_ids: Collection[uuid.UUID], now: dt.datetime) -> dict[uuid.UUID, int]:
    """Part → total, for those whose total may still be kept at ``now``."""
    subjects = {_subject(part_id): part_id for part_id in part_ids}
    return {subjects[name]: int(kept["total"]) for name, kept in content.read(tx, "yelp", subjects, now).items()}


def _subject(part_id: uuid.UUID) -> str:
    return f"results of search {part_id}"
