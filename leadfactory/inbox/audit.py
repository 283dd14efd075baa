"""Notes in the audit log: who asked us for what, with ids only."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory import audit_log


def note(
    tx: sa.Connection, actor: str, action: str, now: dt.datetime, *, send_id: uuid.UUID | None = None, **detail: Any
) -> None:
    """Appends a row in the caller's transaction. ``detail`` holds no address."""
    audit_log.record(tx, actor=actor, action=action, subject="", detail=detail, now=now, send_id=send_id)
