"""Chains and franchises: recognised by lists and by one name over many places, and what a campaign does with them."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d02_sourcing import names
from leadfactory.d02_sourcing.listings import Listing
from leadfactory.d02_sourcing.sourcing_rules import rules
from leadfactory.d02_sourcing.tables import businesses, sourced_businesses, unique_businesses
from leadfactory.keyed_hashes import KeyedHashes

POLICIES = ("all", "one", "skip")
_LISTABLE = ("phone_hmac", "name_hmac", "domain_hmac")  # what an entry of the operator's list may hold of a listing


def key(listing: Listing, hashes: KeyedHashes) -> bytes | None:
    """The same for all branches of a chain: the keyed hash of the name without town, store number and legal form."""
    plain = _plain(listing.name, listing.city)
    return hashes.of("chain", plain) if plain else None


def key_of(rows: Sequence[Mapping[str, Any]], own: Collection[bytes]) -> bytes | None:
    """What stands for the chain of one business's listings: the operator's own entry that holds it, else the name's key."""
    held = (row[name] for row in rows for name in _LISTABLE if row[name] in own)
    return next(held, rows[0]["chain_hmac"])


def recognised(
    tx: sa.Connection, keys: Sequence[bytes], hashes: KeyedHashes, own: Collection[bytes] = ()
) -> dict[bytes, str]:
    """Those of ``keys`` that are chains, and how that is known: ``listed``, or ``counted`` over doors in the registry.

    Args:
        own: entries of the operator's own list of chains.
    """
    known, innocent = _listed(hashes)
    known = known.union(own)
    found = {each: "listed" for each in keys if each in known}
    asked = [each for each in set(keys) if each not in known and each not in innocent]
    if asked:
        b = businesses.c
        query = (
            sa.select(b.chain_hmac)
            .where(b.chain_hmac == sa.any_(sa.cast(asked, sa.ARRAY(sa.LargeBinary))))
            .group_by(b.chain_hmac)
            .having(sa.func.count(sa.distinct(sa.func.coalesce(b.address_hmac, b.phone_hmac))) >= rules().chains.places)
        )
        found |= dict.fromkeys(tx.scalars(query), "counted")
    return found


def excluded(
    tx: sa.Connection, unit: CampaignDay, rows: Sequence[Mapping[str, Any]], chained: Mapping[bytes, str]
) -> dict[uuid.UUID, str]:
    """Business → why the campaign's policy leaves it out: ``chain`` under skip, ``chain_branch`` under one per chain.

    Args:
        rows: business_id and chain_hmac of businesses that are about to be decided, in the order in which they are taken.
        chained: what ``recognised`` said.
    """
    policy = tx.scalar(sa.select(campaigns.c.chain_policy).where(campaigns.c.campaign == unit.campaign)) or "skip"
    branches = [row for row in rows if row["chain_hmac"] in chained]
    if policy == "all" or not branches:
        return {}
    if policy == "skip":
        return {row["business_id"]: "chain" for row in branches}
    u, s = unique_businesses.c, sourced_businesses.c
    keys = sa.cast([row["chain_hmac"] for row in branches], sa.ARRAY(sa.LargeBinary))
    held = [s[name] for name in ("chain_hmac", *_LISTABLE)]
    kept = tx.execute(
        sa.select(*held)
        .join_from(unique_businesses, sourced_businesses, s.sourced_id == u.sourced_id)
        .where(u.campaign == unit.campaign, u.duplicate_of.is_(None), u.excluded_reason.is_(None))
        .where(sa.or_(*(column == sa.any_(keys) for column in held)))
    )
    taken = {each for row in kept for each in row}
    out: dict[uuid.UUID, str] = {}
    for row in branches:
        if row["chain_hmac"] in taken:
            out[row["business_id"]] = "chain_branch"
        taken.add(row["chain_hmac"])
    return out


def set_policy(tx: sa.Connection, campaign: str, policy: str) -> None:
    """Says what a campaign does with branches from now on; what was decided stays.

    Raises:
        ValueError: names the policy and those that exist. LookupError: unknown campaign.
    """
    if policy not in POLICIES:
        raise ValueError(f"chain policy {policy!r} is unknown: choose all, one (per chain and campaign) or skip")
    done = tx.execute(sa.update(campaigns).where(campaigns.c.campaign == campaign).values(chain_policy=policy))
    if done.rowcount == 0:
        raise LookupError(f"campaign {campaign!r} does not exist: `leadfactory seed-campaigns` creates one")


def _plain(name: str, city: str | None) -> str:
    return " ".join(names.parse(name, city).plain)


@functools.lru_cache(maxsize=4)
def _listed(hashes: KeyedHashes) -> tuple[frozenset[bytes], frozenset[bytes]]:
    listed, not_one = rules().chains.known, rules().chains.not_chains
    return tuple(frozenset(hashes.of("chain", _plain(name, None)) for name in each) for each in (listed, not_one))  # type: ignore[return-value]
