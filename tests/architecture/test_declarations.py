"""What is added is declared where it has to be: a table in config/retention.yaml, a configuration file in leadfactory/reloading.py.

Both are held here because these tests run before every change that lands, whatever it is of.
"""

from __future__ import annotations

from leadfactory import archives, reloading
from leadfactory.backup.retention import rules
from leadfactory.tables import metadata
from tests import fast
from tests.promises import ROOT


def test_every_table_is_purged_or_kept_for_a_reason_and_none_is_both() -> None:
    going = set(rules().purge) | {table for kind in rules().archive for table in archives.TABLES[kind]}
    named = [*going, *(table for tables in rules().keep.values() for table in tables)]
    assert sorted(named) == sorted(table.name for table in metadata.sorted_tables)


def test_every_configuration_file_of_a_room_is_checked_by_its_own_reader() -> None:
    unread = {path.name for path in (ROOT / "config").glob("*.yaml")} - set(reloading.LOADERS) - reloading.AT_START
    assert unread <= reloading.READ_EVERY_TIME, f"add to reloading.LOADERS: {unread}"
    assert reloading.check().problems == ()


def test_every_folder_with_a_fast_test_is_in_one_lane_of_make_test_fast() -> None:
    dealt = [folder for lane in fast.LANES for folder in lane]
    assert len(dealt) == len(set(dealt))
    files = [path.relative_to(fast.TESTS) for path in fast.TESTS.rglob("test_*.py")]
    quick = [path for path in files if not fast.is_slow(path)]
    forgotten = [str(path) for path in quick if sum(path.is_relative_to(folder) for folder in dealt) != 1]
    assert forgotten == []


def test_what_make_test_fast_leaves_out_exists() -> None:
    assert [name for name in fast.SLOW if not (fast.TESTS / name).exists()] == []
