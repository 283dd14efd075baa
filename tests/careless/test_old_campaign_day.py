"""Thirty days after its mails left, every asset of a campaign-day is clicked on again, in any order, twice."""

from __future__ import annotations

import random
from typing import Any

import dagster as dg
import pytest

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d01_targeting import campaigns
from leadfactory.settings import settings
from tests.careless.world import MAILED_AT, NOW, World, set_clock

OLD = CampaignDay("restaurant-old", MAILED_AT.date())
SEED = 20261105
UNPARTITIONED = {
    "experiment_readouts",
    "lake_export",
    "nightly_backup",
    "paid_reports",
    "restore_drill",
    "webhook_drain",
}
ASKS = {
    "payment_poll",
    "suppression_poll",
}  # of no campaign-day; a look at free lists is all they are: tests/edge/shop/test_reconciling.py, test_suppression_lists.py
# What a click itself is listed in: by sensors one row for every run, and one for every backup and drill that somebody wanted.
LISTED = {"run_outcomes", "backups", "restore_drills"}


@pytest.fixture(scope="module")
def instance(environment: dict[str, str]) -> Any:
    with dg.DagsterInstance.get() as found:
        yield found


def click(instance: dg.DagsterInstance, *names: str) -> dg.ExecuteInProcessResult:
    """What "Materialize" on these assets of the old campaign-day does, checks included."""
    from leadfactory_assets.definitions import defs
    from leadfactory_assets.policies import key

    job = defs.resolve_implicit_global_asset_job_def()
    partition = None if names[0] in UNPARTITIONED else OLD.key
    chosen = job.get_subset(asset_selection={key(name) for name in names})
    return chosen.execute_in_process(instance=instance, partition_key=partition, raise_on_error=True)


@pytest.fixture(scope="module")
def mailed(world: World, emptied: None, instance: dg.DagsterInstance) -> World:
    """A campaign-day that ran through Dagster, was mailed, and is thirty days old: what vendors limit has expired.

    It tempts: some audits may be tried again, and since the mails the campaign has another sender, for whom letters that
    did not leave would be written anew.
    """
    from leadfactory_assets.definitions import defs

    world.campaign(OLD.campaign, "restaurant", "Boston, MA", 30, since=MAILED_AT)
    instance.add_dynamic_partitions("campaign", [OLD.campaign])
    set_clock(MAILED_AT)
    # Of the draws of this seed no seven in a row are faults: the breaker, which opens at eight, stays closed.
    with world.faulty(vendor="pagespeed", kind="5xx", rate=0.62, seed=2350):
        defs.resolve_job_def("campaign_day").execute_in_process(instance=instance, partition_key=OLD.key)
    world.run(OLD, "sending")
    with world.db.begin() as tx:
        campaigns.configure(tx, OLD.campaign, sender_name="Bea Ortiz")
    click(instance, "email_sends")
    for name in ("email_events", "purchases", "audit_reports", "report_deliveries"):
        click(instance, name)
    set_clock(NOW)
    click(instance, "experiment_readouts")  # it reads out every day until now: thirty of them passed
    click(instance, "lake_export")
    click(instance, "nightly_backup")  # a drill restores the newest there is
    with world.db.begin() as tx:
        content.purge(tx, NOW)
    return world


def names() -> list[str]:
    from leadfactory_assets.definitions import defs
    from leadfactory_assets.policies import PREFIX

    assets = {k.path[-1] for k in defs.resolve_asset_graph().materializable_asset_keys if k.path[0] == PREFIX}
    return sorted(assets - ASKS)


def test_every_asset_again_in_any_order_changes_buys_and_sends_nothing(
    mailed: World, instance: dg.DagsterInstance
) -> None:
    (again,) = mailed.rows("SELECT count(*) FROM site_audits WHERE campaign = :c AND retryable", c=OLD.campaign)
    assert again[0] > 0, "nothing tempts: the test would show less"
    draw = random.Random(SEED)
    assert settings().clock == Clock(NOW)
    before, outside = mailed.tables(), mailed.outside()
    assert mailed.mails() >= 3, "nothing was mailed: the test would show nothing"
    for _ in range(2):
        for name in draw.sample(names(), len(names())):
            assert click(instance, name).success
            told = {table: found for table, found in mailed.changed(before).items() if table not in LISTED}
            assert told == {}, name
    assert mailed.outside() == outside
