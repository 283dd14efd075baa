"""The journal: appended, never rewritten, readable after a crash in the middle of a line."""

from __future__ import annotations

import datetime as dt
import os
import stat
import uuid

from leadfactory.d09_delivery import journal
from leadfactory.d09_delivery.journal import Entry
from tests.leads import TUESDAY, UNIT


def entry(number: int, at: dt.datetime = TUESDAY) -> Entry:
    return Entry(uuid.UUID(int=number), UNIT, bytes([number]) * 32, at)


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
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(stat.S_ISDIR(os.fstat(handle).st_mode)))
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
