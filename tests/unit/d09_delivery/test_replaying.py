"""After a restore: what the journal says was perhaps sent is unknown and never sent again; a healthy ledger is left alone."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d09_delivery import journal, replaying
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import contact_slots, email_sends
from tests.leads import TUESDAY, clock_at

RESTORED = {
    "before the plan": "DELETE FROM {table}",
    "before the claim": "UPDATE email_sends SET state = 'planned', claimed_at = NULL, claim_id = NULL, settled_at = NULL, sendgrid_id = NULL",
}


def replayed(room, **options):
    return replaying.replay(room.db, room.settings.journal, TUESDAY, **options).counts


def restored(room, owner_database, to: str) -> None:
    """The database as it was before: ledger and slots forget what the journal knows."""
    with owner_database.begin() as tx:
        tx.execute(sa.text("SET search_path = leadfactory"))
        tx.execute(sa.text("DELETE FROM contact_slots"))
        for table in ("email_sends", "send_transitions") if to == "before the plan" else ("",):
            tx.execute(sa.text(RESTORED[to].format(table=table)))


@pytest.fixture
def sent(room):
    """Three letters that left."""
    room.drafted(3)
    room.send()
    return room


@pytest.mark.parametrize("to", RESTORED)
def test_what_left_since_the_backup_is_unknown_and_does_not_leave_again(sent, owner_database, to):
    before = {(row.send_id, row.address_hmac, row.draft_id, row.step) for row in sent.rows(sa.select(email_sends))}
    restored(sent, owner_database, to)
    counts = replayed(sent)
    assert counts["new" if to == "before the plan" else "forgotten"] == len(before)
    rows = sent.rows(sa.select(email_sends))
    assert {(row.send_id, row.address_hmac, row.draft_id, row.step) for row in rows} == before
    assert {row.state for row in rows} == {"unknown"}
    assert all(row.reason for row in rows)
    assert sent.send()[1].asked == []
    assert len(sent.rows(sa.select(contact_slots))) == 2 * len(before)


def test_a_second_replay_and_one_of_a_healthy_ledger_change_nothing(sent, owner_database):
    assert replayed(sent)["known"] == 3
    assert sent.states == {"accepted": 3}
    restored(sent, owner_database, "before the plan")
    replayed(sent)
    before = sent.rows(sa.select(email_sends))
    assert replayed(sent)["known"] == 3
    assert sent.rows(sa.select(email_sends)) == before


def test_a_rehearsal_counts_and_writes_nothing(sent, owner_database):
    restored(sent, owner_database, "before the plan")
    assert replayed(sent, dry_run=True)["new"] == 3
    assert sent.states == {}


def test_what_came_back_is_sent_after_a_replay(room):
    def unavailable(mail):
        raise VendorUnavailable("sendgrid", "mail/send", "breaker_open", left_the_house=False)

    room.drafted()
    room.send(unavailable)
    assert replayed(room) == {"known": 0, "forgotten": 0, "new": 0, "incomplete": 0}
    assert len(room.send()[1].asked) == 1


def test_what_is_older_than_the_backup_is_not_looked_at(sent, owner_database):
    restored(sent, owner_database, "before the plan")
    assert replayed(sent, since=TUESDAY + dt.timedelta(seconds=1))["new"] == 0


def test_of_a_line_that_holds_a_hash_only_the_recipient_is_left_alone(sent, owner_database):
    """As an older release wrote it."""
    entries = [entry._replace(row=None, claim_id=None) for entry in journal.read(sent.settings.journal)]
    for path in sent.settings.journal.iterdir():
        path.unlink()
    journal.write(sent.settings.journal, entries)
    restored(sent, owner_database, "before the plan")
    found = replaying.replay(sent.db, sent.settings.journal, TUESDAY)
    assert (found.counts["incomplete"], len(found.incomplete)) == (3, 3)
    report, sendgrid = sent.send()
    assert sendgrid.asked == []
    assert report.counts["stopped by contact_slot"] == 3


def test_what_nobody_knows_of_is_quarantined_after_the_deadline_and_listed_with_its_reason(room):
    def timeout(mail):
        raise VendorUnavailable("sendgrid", "mail/send", "timeout", left_the_house=True)

    room.drafted()
    room.send(timeout)
    deadline = TUESDAY + dt.timedelta(hours=policy().unknown_quarantine_after_hours)
    room.send(clock=clock_at(deadline))
    (row,) = room.rows(sa.select(email_sends))
    assert (row.state, row.quarantined_at, row.reason) == ("unknown", None, "timeout")
    late = deadline + dt.timedelta(seconds=1)
    for _ in range(2):
        room.send(clock=clock_at(late))
        (row,) = room.rows(sa.select(email_sends))
        assert (row.state, row.quarantined_at) == ("unknown", late)
        assert row.reason == "timeout; no event within 72 hours: quarantined"
    assert room.transitions.count(("unknown", "unknown")) == 1
