"""The id of a send: fixed by business, campaign and step, so that links can name it before it exists. Pure."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("0e5c1f9a-7d1b-4f0e-9a54-2f3b1c7d6e88")


def send_id(campaign: str, business_id: uuid.UUID, step: int) -> uuid.UUID:
    """The one id that the send of ``step`` to a business by a campaign has or will have."""
    return uuid.uuid5(_NAMESPACE, f"{campaign}:{business_id}:{step}")
