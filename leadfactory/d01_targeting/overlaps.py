"""What may be targeted beside what: each place once per vertical."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from leadfactory.d01_targeting import places as geography
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d01_targeting.tables import campaigns, targets


def refuse_within(found: Sequence[geography.Place]) -> None:
    """Raises ValueError, with both names, when two places of one campaign share ground."""
    for position, place in enumerate(found):
        for other in found[position + 1 :]:
            if geography.overlap(place, other):
                if place.name == other.name:
                    raise ValueError(f"target {place.name!r} is given twice: give it once")
                raise ValueError(f"targets {place.name!r} and {other.name!r} overlap: keep the larger one")


def refuse_with_others(tx: sa.Connection, vertical: str, found: Sequence[geography.Place]) -> None:
    """Raises ValueError, with both names, when a place shares ground with a target of a campaign that is not closed."""
    rows = tx.execute(
        sa.select(targets.c.campaign, targets.c.kind, targets.c.place)
        .join(campaigns, campaigns.c.campaign == targets.c.campaign)
        .where(targets.c.vertical == vertical, targets.c.active, campaigns.c.state != "closed")
    )
    for row in rows:
        taken = geography.find(PlaceSpec(row.kind, row.place))
        for place in found:
            if geography.overlap(place, taken):
                raise ValueError(
                    f"{vertical} in {place.name!r} overlaps {taken.name!r} of campaign {row.campaign!r}: "
                    "each place is targeted once per vertical; choose another place or close that campaign"
                )
