"""The id of a send: a pure function of what may be sent once only."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("0c5f5b7e-92c6-4c0d-8f1b-5d3a3cf0a6b4")


def send_id(business_id: uuid.UUID, campaign: str, step: int) -> uuid.UUID:
    """The id under which (business, campaign, step) is sent, whoever asks and however often."""
    return uuid.uuid5(_NAMESPACE, f"{business_id}:{campaign}:{step}")
