"""What follows a restore: sold reports' mails stay behind the fence too, and what vendors told is folded again without a change."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from leadfactory import fence
from leadfactory.backup import replaying, transactions
from leadfactory.d06_reports import delivering
from leadfactory.d06_reports.tables import report_deliveries
from leadfactory.d09_delivery import journal
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.leads import CLOCK, TUESDAY, UNIT, FakeSendGrid
from tests.postgres import settings_for_tests
from tests.unit.d09_delivery.conftest import Mailroom

DELIVERY = uuid.UUID(int=7)
PLANNED = """INSERT INTO report_deliveries (campaign, cohort_on, delivery_id, kind, report_id, purchase_id, business_id, state, planned_at)
  VALUES ('restaurant-nyc', '2026-10-06', :id, 'sold', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'planned', :now)"""


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings_for_tests(tmp_path / "home")


def nobody(asked: object) -> str:
    raise AssertionError(f"{asked} was asked for")


def deliver(database: Database, settings: Settings) -> str:
    """One run of the reports' mailer, which may reach nobody; the state of the delivery afterwards."""
    stripe = mailer = FakeSendGrid(settings, nobody)
    asyncio.run(delivering.deliver_all(db=database, clock=CLOCK, settings=settings, stripe=stripe, mailer=mailer))  # type: ignore[arg-type]
    with database.begin() as tx:
        return str(tx.scalar(sa.select(report_deliveries.c.state)))


def test_a_sold_reports_mail_waits_behind_the_fence(database: Database, here: Settings) -> None:
    with database.begin() as tx:
        tx.execute(sa.text(PLANNED), {"id": DELIVERY, "now": TUESDAY})
        fence.put_up(tx, reason="restored", now=TUESDAY)
    assert deliver(database, here) == "planned"


def test_a_sold_reports_mail_that_the_journal_names_is_not_sent_again_though_it_is_planned_later(
    database: Database, here: Settings
) -> None:
    journal.write(here.journal, [journal.Entry(DELIVERY, UNIT, b"\x01" * 32, TUESDAY)])
    with database.begin() as tx:
        fence.put_up(tx, reason="restored", now=TUESDAY)
        assert replaying.replay(tx, here.journal, TUESDAY).lifted == 1
    with database.begin() as tx:  # the purchase is folded again only now
        tx.execute(sa.text(PLANNED), {"id": DELIVERY, "now": TUESDAY})
    assert deliver(database, here) == "unknown"


def sent(database: Database, here: Settings) -> Mailroom:
    room = Mailroom(database, here)
    room.campaign()
    room.drafted(8)
    room.send()
    return room


def test_a_replay_on_a_database_that_knows_everything_changes_nothing(database: Database, here: Settings) -> None:
    room = sent(database, here)
    before = (room.states, room.transitions, room.rows(sa.text("SELECT * FROM contact_slots ORDER BY 1")))
    for _ in range(2):
        with database.begin() as tx:
            done = replaying.replay(tx, here.journal, CLOCK.now())
        assert (done.unknown, done.held, done.reports) == (0, 0, 0)
    assert (room.states, room.transitions, room.rows(sa.text("SELECT * FROM contact_slots ORDER BY 1"))) == before


def test_a_send_that_was_planned_when_it_was_saved_is_unknown_and_stays_so(
    database: Database, here: Settings, owner_database: Database
) -> None:
    room = sent(database, here)
    with owner_database.begin() as tx:  # as it was before they left
        tx.execute(sa.text("DELETE FROM send_transitions WHERE from_state IS NOT NULL"))
        tx.execute(sa.text("UPDATE email_sends SET state = 'planned', claimed_at = NULL, settled_at = NULL"))
        tx.execute(sa.text("DELETE FROM contact_slots"))
    with database.begin() as tx:
        done = replaying.replay(tx, here.journal, CLOCK.now())
    assert done.unknown == done.entries > 0
    assert set(room.states) == {"unknown"}
    _, again = room.send()
    assert again.asked == []


@pytest.mark.parametrize("loss", ["gone", "another", "damaged"])
def test_a_journal_that_cannot_tell_keeps_the_fence_up(database: Database, here: Settings, loss: str) -> None:
    sent(database, here)
    (hour,) = here.journal.glob("*.jsonl")
    if loss == "gone":
        hour.unlink()
        here.journal.rmdir()
    else:
        hour.write_text("" if loss == "another" else "\x00\x00 not a line\n" + hour.read_text())
    with database.begin() as tx:
        fence.put_up(tx, reason="restored", now=TUESDAY)
    with pytest.raises(replaying.JournalUnreadable), database.begin() as tx:
        replaying.replay(tx, here.journal, CLOCK.now())
    with database.begin() as tx:
        assert fence.is_fenced(tx) == "restored"


def test_a_fence_is_lifted_by_a_named_person_with_a_reason_only(database: Database) -> None:
    with database.begin() as tx:
        fence.put_up(tx, reason="restored", now=TUESDAY)
        for by, why in (("", "long enough a reason"), ("Ana Ruiz", "short")):
            with pytest.raises(ValueError, match="named person"):
                fence.lift(tx, by=by, why=why, now=TUESDAY)
        assert fence.lift(tx, by="Ana Ruiz", why="SendGrid says that nothing left", now=TUESDAY) == 1
        assert fence.is_fenced(tx) is None


def test_transactions_are_replayed_as_often_as_you_like(database: Database, here: Settings) -> None:
    room = sent(database, here)
    fixed = here.model_copy(update={"clock_spec": TUESDAY.isoformat()})
    with database.begin() as tx:
        tx.execute(
            sa.text(
                """INSERT INTO webhook_inbox (source, event_id, kind, send_id, payload, stale, occurred_at, received_at)
                   SELECT 'sendgrid', 'e' || row_number() OVER (), 'delivered', send_id, '{}', false, :now, :now FROM email_sends"""
            ),
            {"now": TUESDAY},
        )
    since = TUESDAY - dt.timedelta(hours=1)
    told = [asyncio.run(transactions.replay(database, fixed, since, ask=False)) for _ in range(3)]
    count = len(room.rows(sa.text("SELECT 1 FROM email_events")))
    assert count == sum(room.states.values()) > 0
    assert [each["events_again"] for each in told] == [0, count, count]
    assert len(room.rows(sa.text("SELECT 1 FROM send_outcomes WHERE delivery = 'delivered'"))) == count
