"""What is added is declared where it has to be: a table in config/retention.yaml, a configuration file in leadfactory/reloading.py.

Both are held here because these tests run before every change that lands, whatever it is of.
"""

from __future__ import annotations

from leadfactory import reloading
from leadfactory.backup.retention import rules
from leadfactory.tables import metadata
from tests.promises import ROOT


def test_every_table_is_purged_or_kept_for_a_reason_and_none_is_both() -> None:
    named = [*rules().purge, *(table for tables in rules().keep.values() for table in tables)]
    assert sorted(named) == sorted(table.name for table in metadata.sorted_tables)


def test_every_configuration_file_of_a_room_is_checked_by_its_own_reader() -> None:
    unread = {path.name for path in (ROOT / "config").glob("*.yaml")} - set(reloading.LOADERS) - reloading.AT_START
    assert unread <= reloading.READ_EVERY_TIME, f"add to reloading.LOADERS: {unread}"
    assert reloading.check().problems == ()
