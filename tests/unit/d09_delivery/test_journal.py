"""The journal: appended, never rewritten, readable after a crash in the middle of a line."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import stat
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leadfactory.d09_delivery import journal
from leadfactory.d09_delivery.journal import Answer, Claim, Entry
from tests.leads import TUESDAY, UNIT


def entry(number: int, at: dt.datetime = TUESDAY) -> Entry:
    return Entry(uuid.UUID(int=number), UNIT, bytes([number]) * 32, at)


def claim(number: int, *, of: int = 100) -> Entry:
    return Entry(uuid.UUID(int=number), UNIT, bytes([number]) * 32, TUESDAY, uuid.UUID(int=of))


def dead(*entries: Entry) -> list[Claim]:
    return [Claim(each.send_id, each.claim_id, each.claimed_at) for each in entries]


def ids(*entries: Entry) -> set[uuid.UUID]:
    return {each.send_id for each in entries}


def test_what_was_written_is_read_back(tmp_path):
    journal.write(tmp_path, [entry(1), entry(2)])
    journal.write(tmp_path, [entry(3)])
    assert list(journal.read(tmp_path)) == [entry(1), entry(2), entry(3)]


def test_each_hour_has_its_file_that_only_grows(tmp_path):
    journal.write(tmp_path, [entry(1)])
    first = (tmp_path / "2026-10-06T15.jsonl").read_bytes()
    journal.write(tmp_path, [entry(2), entry(3, TUESDAY + dt.timedelta(hours=1))])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-10-06T15.jsonl", "2026-10-06T16.jsonl"]
    assert (tmp_path / "2026-10-06T15.jsonl").read_bytes().startswith(first)


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path):
    journal.write(tmp_path, [entry(1), entry(2)])
    path = tmp_path / "2026-10-06T15.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert list(journal.read(tmp_path)) == [entry(1)]


def test_the_line_after_a_cut_one_is_whole(tmp_path):
    journal.write(tmp_path, [entry(1)])
    path = tmp_path / "2026-10-06T15.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    journal.write(tmp_path, [entry(2)])
    assert list(journal.read(tmp_path)) == [entry(2)]


def test_the_disk_is_asked_before_the_call_returns(tmp_path, monkeypatch):
    synced = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda handle: synced.append(stat.S_ISDIR(os.fstat(handle).st_mode)))
    journal.write(tmp_path, [entry(1)])
    assert synced == [False, True]


def test_it_is_readable_by_its_owner_only_and_holds_no_address(tmp_path):
    journal.write(tmp_path, [entry(1)])
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "@" not in path.read_text()


def test_nothing_to_write_makes_no_file(tmp_path):
    journal.write(tmp_path / "journal", [])
    assert not (tmp_path / "journal").exists()


def test_what_was_claimed_and_not_begun_was_not_handed_over(tmp_path):
    journal.claimed(tmp_path, [claim(1), claim(2)])
    assert journal.begin(tmp_path, [claim(2)]) == ids(claim(2))
    assert list(journal.read(tmp_path)) == [claim(2)]


def test_what_came_back_was_not_handed_over(tmp_path):
    journal.claimed(tmp_path, [claim(1)])
    journal.begin(tmp_path, [claim(1)])
    journal.returned(tmp_path, [claim(1)])
    assert list(journal.read(tmp_path)) == []


def called(folder: Path, *entries: Entry) -> None:
    journal.claimed(folder, entries)
    journal.begin(folder, entries)
    assert all(journal.call(folder, each) for each in entries)


def test_of_a_dead_process_what_was_not_called_for_is_released_again_and_again(tmp_path):
    journal.claimed(tmp_path, [claim(1), claim(2)])
    called(tmp_path, claim(3))
    journal.begin(tmp_path, [claim(2)])
    for _ in range(2):  # whoever released it may have died before the ledger knew
        assert journal.release(tmp_path, dead(claim(1), claim(2), claim(3))) == ids(claim(1), claim(2))


@pytest.mark.parametrize("now", ["another", None])
def test_after_a_restart_of_the_machine_what_was_begun_may_have_left(tmp_path, monkeypatch, now):
    """The line of a call may not have reached the disk; where nobody tells the starts of a machine apart each may be another."""
    journal.claimed(tmp_path, [claim(1), claim(2)])
    journal.begin(tmp_path, [claim(2)])
    monkeypatch.setattr(journal, "_boot", lambda: now)
    assert journal.release(tmp_path, dead(claim(1), claim(2))) == ids(claim(1))


def test_what_came_back_before_its_process_died_is_released(tmp_path):
    called(tmp_path, claim(1))
    journal.returned(tmp_path, [claim(1)])
    assert journal.release(tmp_path, dead(claim(1))) == ids(claim(1))


def test_what_was_answered_is_known_of_that_claim_only(tmp_path):
    called(tmp_path, claim(1, of=1), claim(2, of=1), claim(3, of=1))
    journal.answered(tmp_path, claim(1, of=1), Answer("accepted", None, "x-1"))
    journal.answered(tmp_path, claim(2, of=1), Answer("rejected", "bad_request"))
    claims = dead(claim(1, of=1), claim(2, of=1), claim(3, of=1))
    assert journal.answers(tmp_path, claims) == {
        claim(1).send_id: Answer("accepted", None, "x-1"),
        claim(2).send_id: Answer("rejected", "bad_request"),
    }
    assert journal.release(tmp_path, claims) == set()
    assert journal.answers(tmp_path, dead(claim(1, of=2))) == {}


def test_an_answer_that_cannot_be_noted_stops_nothing(tmp_path):
    called(tmp_path, claim(1))
    shutil.rmtree(tmp_path)
    journal.answered(tmp_path, claim(1), Answer("accepted", None, "x-1"))


def test_after_a_restore_what_was_answered_was_perhaps_sent_like_all_that_was_begun(tmp_path):
    called(tmp_path, claim(1), claim(2))
    journal.answered(tmp_path, claim(2), Answer("accepted", None, "x-2"))
    assert list(journal.read(tmp_path)) == [claim(1), claim(2)]


def test_what_was_claimed_elsewhere_is_not_released(tmp_path):
    assert journal.release(tmp_path, dead(claim(1))) == set()
    journal.claimed(tmp_path, [claim(1, of=1)])
    assert journal.release(tmp_path, dead(claim(1, of=2), claim(3))) == set()


def test_what_was_released_can_no_longer_be_begun_by_its_own_process_and_can_by_the_next(tmp_path):
    journal.claimed(tmp_path, [claim(1, of=1), claim(2, of=1)])
    journal.release(tmp_path, dead(claim(1, of=1)))
    assert journal.begin(tmp_path, [claim(1, of=1), claim(2, of=1)]) == ids(claim(2))
    journal.claimed(tmp_path, [claim(1, of=2)])
    assert journal.begin(tmp_path, [claim(1, of=2)]) == ids(claim(1))


def test_a_rehearsal_releases_nothing(tmp_path):
    journal.claimed(tmp_path, [claim(1)])
    assert journal.release(tmp_path, dead(claim(1)), dry_run=True) == ids(claim(1))
    assert journal.begin(tmp_path, [claim(1)]) == ids(claim(1))


def test_of_one_who_calls_and_one_who_releases_exactly_one_wins(tmp_path):
    for number in range(1, 40):
        entry = claim(number)
        journal.claimed(tmp_path, [entry])
        journal.begin(tmp_path, [entry])
        start = threading.Barrier(2)

        def call(entry=entry, start=start):
            start.wait()
            return journal.call(tmp_path, entry)

        def release(entry=entry, start=start):
            start.wait()
            return journal.release(tmp_path, dead(entry))

        with ThreadPoolExecutor(2) as pool:
            won = [each.result() for each in (pool.submit(call), pool.submit(release))]
        assert won in ([True, set()], [False, {entry.send_id}])
