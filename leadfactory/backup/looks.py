"""The scheduled look at files outside of Postgres: what it found is a row by area, so that damage is a figure and an alert."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.backup import damage, wall
from leadfactory.backup.damage import Looked
from leadfactory.backup.tables import file_looks
from leadfactory.database import Database
from leadfactory.settings import Settings

SAMPLES = 20  # files that a row names; data-corruption-report names more


def note(db: Database, settings: Settings, areas: Iterable[str] = damage.AREAS) -> list[Looked]:
    """Reads every file of ``areas``, writes down what is damaged or gone, and returns it.

    What looks damaged is looked at again: an export or a publication may have replaced it in between.
    """
    first = _seen(db, settings, areas)
    again = {each.area: each for each in _seen(db, settings, [each.area for each in first if each.broken])}
    found = [
        Looked(each.area, each.files, [one for one in again[each.area].broken if one in each.broken])
        if each.broken
        else each
        for each in first
    ]
    with db.begin() as tx:
        for each in found:
            told = {
                "files": each.files,
                "broken": len(each.broken),
                "samples": [f"{one.path} {one.what}" for one in each.broken[:SAMPLES]],
                "looked_at": wall.now(),
            }
            tx.execute(
                insert(file_looks)
                .values(area=each.area, **told)
                .on_conflict_do_update(index_elements=["area"], set_=told)
            )
    return found


def _seen(db: Database, settings: Settings, areas: Iterable[str]) -> list[Looked]:
    with db.begin() as tx:
        tx.execute(sa.text("SET LOCAL transaction_read_only = on"))
        return damage.look(tx, settings, areas)
