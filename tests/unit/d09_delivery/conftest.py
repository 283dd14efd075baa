"""Drafted leads in front of the mailer, and a mailer that does what a test tells it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d09_delivery.sending import send_due
from leadfactory.d09_delivery.tables import email_sends, send_transitions
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from tests.leads import CLOCK, UNIT, FakeSendGrid, Leads
from tests.postgres import settings_for_tests


class Mailroom(Leads):
    """Leads with drafts, and the sender over them."""

    def drafted(self, count: int = 1, **changes: Any) -> int:
        """That many leads; how many got a draft (the others are held out of the experiment)."""
        for number in range(count):
            self.business(number, **changes)
        asyncio.run(self.through("draft"))
        return len(self.rows(sa.text("SELECT 1 FROM email_drafts WHERE status = 'drafted'")))

    async def send_async(self, answer: Callable[[Any], str] = lambda mail: f"id-{mail.send_id}", *, clock: Clock = CLOCK, **options: Any) -> tuple[StageReport, FakeSendGrid]:  # fmt: skip
        """One run of the sender, for real unless told otherwise."""
        sendgrid = FakeSendGrid(self.settings, answer)
        options.setdefault("dry_run", False)
        report = await send_due(UNIT, db=self.db, clock=clock, settings=self.settings, mailer=sendgrid, **options)
        return report, sendgrid

    def send(self, *arguments: Any, **options: Any) -> tuple[StageReport, FakeSendGrid]:
        """The same from a test that is not async."""
        return asyncio.run(self.send_async(*arguments, **options))

    @property
    def states(self) -> Counter[str]:
        """Sends by state."""
        return Counter(row.state for row in self.rows(sa.select(email_sends.c.state)))

    @property
    def transitions(self) -> list[tuple[str | None, str]]:
        """All moves in their order."""
        table = send_transitions
        return [(row.from_state, row.to_state) for row in self.rows(sa.select(table).order_by(table.c.transition_id))]

    def change(self, statement: str, **values: Any) -> None:
        """Changes the world behind the sender's back."""
        with self.db.begin() as tx:
            tx.execute(sa.text(statement), values)


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """Settings of a test process with a home of its own."""
    return settings_for_tests(tmp_path)


@pytest.fixture
def room(database: Database, config: Settings) -> Mailroom:
    """A launched campaign without leads."""
    made = Mailroom(database, config)
    made.campaign()
    return made
