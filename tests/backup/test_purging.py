"""What is too old goes, what still waits or is referred to stays, and a rehearsal counts the same and removes nothing."""

from __future__ import annotations

import datetime as dt
import os
import time

import dagster as dg
import pytest
import sqlalchemy as sa

from leadfactory.backup import capacity, purging
from leadfactory.backup.retention import rules
from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.tables import metadata
from leadfactory_assets import housekeeping
from tests.leads import CLOCK, TUESDAY, UNIT
from tests.postgres import settings_for_tests
from tests.unit.d09_delivery.conftest import Mailroom

LATER = TUESDAY + dt.timedelta(days=200)


@pytest.fixture
def later(tmp_path) -> Settings:  # type: ignore[no-untyped-def]
    """The same factory two hundred days later."""
    return settings_for_tests(tmp_path / "home", LEADFACTORY_CLOCK=LATER.isoformat())


def counts(database: Database, settings: Settings, *, dry_run: bool) -> dict[str, int]:
    return {each.what: each.count for each in purging.purge(database, settings, dry_run=dry_run)}


@pytest.mark.parametrize("table", sorted(rules().purge))
def test_a_rule_names_columns_that_there_are(table: str) -> None:
    rule, columns = rules().purge[table], metadata.tables[f"leadfactory.{table}"].columns
    assert rule.by in columns
    assert all(columns[name].nullable for name in rule.empty)


def test_old_rows_go_young_ones_stay_and_a_rehearsal_counts_the_same(database: Database, later: Settings) -> None:
    rows = [(LATER - dt.timedelta(days=91), "old"), (LATER - dt.timedelta(days=89), "young")]
    with database.begin() as tx:
        for judged, key in rows:
            tx.execute(
                sa.text(
                    """INSERT INTO rejected_rows (campaign, cohort_on, asset, row_key, rule, value, rejected_at)
                       VALUES ('a', '2026-10-06', 'x', :key, 'r', '{}', :at)"""
                ),
                {"key": key, "at": judged},
            )
    assert counts(database, later, dry_run=True)["rejected_rows"] == 1
    assert counts(database, later, dry_run=False)["rejected_rows"] == 1
    assert counts(database, later, dry_run=False)["rejected_rows"] == 0
    with database.begin() as tx:
        assert tx.scalars(sa.text("SELECT row_key FROM rejected_rows")).all() == ["young"]


def test_the_text_of_a_mailed_letter_goes_and_that_of_one_that_waits_stays(database: Database, later: Settings) -> None:
    room = Mailroom(database, settings_for_tests(later.home))
    room.campaign()
    drafted = room.drafted(6)
    room.send()
    room.change("UPDATE campaign_days SET state = 'closed'")
    room.change(
        "UPDATE email_sends SET state = 'planned' WHERE send_id = (SELECT min(send_id::text)::uuid FROM email_sends)"
    )
    assert counts(database, later, dry_run=False)["email_drafts"] == drafted - 1
    left = room.rows(
        sa.text(
            "SELECT draft_id, content_hash IS NOT NULL AS hashed FROM email_drafts WHERE body_text IS NOT NULL AND status = 'drafted'"
        )
    )
    assert len(left) == 1
    assert room.rows(sa.text("SELECT count(*) AS n FROM email_sends"))[0].n == drafted


def test_rotated_logs_and_what_was_left_behind_go_by_their_age(database: Database, later: Settings) -> None:
    old, young = later.home / "logs" / "app.log.1", later.home / "logs" / "app.log"
    left = later.home / "verify-abc" / "base.tar.gz"
    for path in (old, young, left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 1000)
        os.utime(path, (time.time() - 31 * 86400,) * 2)
    os.utime(left.parent, (time.time() - 31 * 86400,) * 2)
    found = counts(database, later, dry_run=False)
    assert (found["rotated logs"], found["what a killed command left"]) == (1, 1)
    assert (old.exists(), left.parent.exists(), young.exists()) == (False, False, True)


def test_keys_of_a_campaign_that_is_long_over_go_and_others_stay(database: Database, later: Settings) -> None:
    room = Mailroom(database, settings_for_tests(later.home))
    room.campaign()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("campaign", [UNIT.campaign, "another"])
        context = dg.build_op_context(instance=instance)
        housekeeping.prune_dagster(context, database, Clock(LATER))
        assert set(instance.get_dynamic_partitions("campaign")) == {UNIT.campaign, "another"}
        room.change("UPDATE campaigns SET state = 'closed'")
        room.change("UPDATE campaign_days SET state = 'closed'")
        housekeeping.prune_dagster(context, database, Clock(LATER))
        assert instance.get_dynamic_partitions("campaign") == ["another"]


def test_capacity_and_cost_are_of_the_tables(database: Database, later: Settings) -> None:
    room = Mailroom(database, settings_for_tests(later.home))
    room.campaign()
    drafted = room.drafted(3)
    room.send()
    with database.begin() as tx:
        sizes = capacity.capacity(
            tx, settings_for_tests(later.home, LEADFACTORY_CLOCK=CLOCK.now().isoformat()), days=10
        )
        costs = capacity.costs(tx, CLOCK.now(), days=10)
    assert sizes.per_day["mails"] == drafted / 10
    assert sizes.stores[0].bytes > 1_000_000
    assert (costs["mails"], costs["microusd_a_sale"]) == (drafted, None)
