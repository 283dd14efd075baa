"""What happens to a mailed campaign-day as time passes: the careless suite's vendors, database and clock, without its stack."""

from __future__ import annotations

from tests.careless.conftest import db, environment, sandbox, world

__all__ = ["db", "environment", "sandbox", "world"]
