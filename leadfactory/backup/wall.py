"""The clock on the wall. Backups, the WAL and files on disk are of real moments, whatever the factory's clock says."""

from __future__ import annotations

import datetime as dt


def now() -> dt.datetime:
    """The real moment, aware, in UTC."""
    return dt.datetime.now(dt.UTC)
