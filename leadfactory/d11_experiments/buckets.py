"""Which arm a business is in: a salted hash, the same on every machine and for ever. Pure."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping

HOLDOUT = "holdout"
BUCKETS = 10_000


def bucket(salt: str, business_id: uuid.UUID) -> int:
    """0 to 9,999 from SHA-256 of ``salt:business_id``."""
    digest = hashlib.sha256(f"{salt}:{business_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def arm(position: int, arms: Mapping[str, int], holdout_bp: int) -> str:
    """The arm of a bucket: the holdout takes the first ``holdout_bp`` buckets, then the arms by name, by basis points.

    Raises:
        ValueError: when arms and holdout do not fill the buckets.
    """
    edge = holdout_bp
    if position < edge:
        return HOLDOUT
    for name in sorted(arms):
        edge += arms[name]
        if position < edge:
            return name
    raise ValueError(f"arms and holdout end at {edge} basis points: bucket {position} has no arm")
