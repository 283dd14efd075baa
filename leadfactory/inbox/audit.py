"""The audit log: who asked us for what, with ids only."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory.inbox.tables import audit_log


def note(
    tx: sa.Connection, actor: str, action: str, now: dt.datetime, *, send_id: uuid.UUID | None = None, **detail: Any
) -> None:
    """Appends a row in the caller's transaction. ``detail`` holds no address."""
    tx.execute(sa.insert(audit_log).values(happened_at=now, actor=actor, action=action, send_id=send_id, detail=detail))
