"""The targets of a campaign: added, given a quota of their own, rested and woken. Overlaps are refused by name."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from leadfactory.d01_targeting import overlaps
from leadfactory.d01_targeting import places as geography
from leadfactory.d01_targeting.campaign_fields import MAX_QUOTA
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d01_targeting.tables import targets

REGISTRY_LOCK = 0x1EADCA3F  # aiming is serial, so that two overlapping targets cannot slip past each other
_NAMESPACE = uuid.UUID("6d3c7a0e-5b1f-4d7e-9a51-0f6a4d5f2c11")


def insert(
    tx: sa.Connection,
    campaign: str,
    vertical: str,
    found: Sequence[geography.Place],
    quotas: Sequence[int],
    now: dt.datetime,
) -> None:
    """Writes targets; the caller holds ``REGISTRY_LOCK`` and has refused overlaps."""
    tx.execute(
        postgresql.insert(targets),
        [
            {
                "target_id": uuid.uuid5(_NAMESPACE, f"{campaign}:{vertical}:{place.kind}:{place.name}"),
                "campaign": campaign,
                "vertical": vertical,
                "kind": place.kind,
                "place": place.name,
                "quota": quota,
                "created_at": now,
            }
            for place, quota in zip(found, quotas, strict=True)
        ],
    )


def add(
    tx: sa.Connection, row: Mapping[Any, Any], places: Sequence[PlaceSpec], *, quota: int, now: dt.datetime
) -> list[str]:
    """Adds places to a campaign that is not closed, each with ``quota`` businesses a day; the names that are new.

    Raises:
        ValueError: an unknown place, a quota out of range, a closed campaign, or an overlap (both are named).
    """
    _refuse_quota(quota)
    if row["state"] == "closed":
        raise ValueError(f"campaign {row['campaign']!r} is closed: seed a new one")
    if not places:
        raise ValueError("no place to add: give at least one --zip, --city, --metro or --state")
    found = [geography.find(spec) for spec in places]
    overlaps.refuse_within(found)
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(REGISTRY_LOCK)))
    have = {(target["kind"], target["place"]) for target in of(tx, row["campaign"])}
    fresh = [place for place in found if (place.kind, place.name) not in have]
    overlaps.refuse_with_others(tx, row["vertical"], fresh)
    if fresh:
        insert(tx, row["campaign"], row["vertical"], fresh, [quota] * len(fresh), now)
    return [place.name for place in fresh]


def change(
    tx: sa.Connection, row: Mapping[Any, Any], place: str, *, quota: int | None = None, active: bool | None = None
) -> Mapping[str, Any]:
    """Gives one target another quota, rests it or wakes it; what is planned for today stays.

    Raises:
        LookupError: the campaign has no such target. ValueError: a quota out of range, or another target took its ground.
    """
    campaign = row["campaign"]
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(REGISTRY_LOCK)))
    known = of(tx, campaign)
    target = next((each for each in known if each["place"].lower() == place.strip().lower()), None)
    if target is None:
        names = ", ".join(each["place"] for each in known[:8])
        raise LookupError(f"campaign {campaign!r} has no target {place!r}: it aims at {names}")
    values: dict[str, Any] = {}
    if quota is not None:
        _refuse_quota(quota)
        values["quota"] = quota
    if active is not None:
        if active and not target["active"]:
            found = geography.find(PlaceSpec(target["kind"], target["place"]))
            overlaps.refuse_with_others(tx, row["vertical"], [found])
        values["active"] = active
    if not values:
        raise ValueError("nothing to set: give --quota, --rest or --wake")
    tx.execute(sa.update(targets).where(targets.c.target_id == target["target_id"]).values(**values))
    return {**target, **values}


def of(tx: sa.Connection, campaign: str) -> list[dict[str, Any]]:
    """The targets of a campaign, by place."""
    query = sa.select(targets).where(targets.c.campaign == campaign).order_by(targets.c.place)
    return [dict(row) for row in tx.execute(query).mappings()]


def _refuse_quota(quota: int) -> None:
    if isinstance(quota, bool) or not 1 <= quota <= MAX_QUOTA:
        raise ValueError(f"quota={quota} is out of range: choose 1 to {MAX_QUOTA} businesses a day")
