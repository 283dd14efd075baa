"""Backfills over old campaign-days, as a click in the UI starts them: nothing is sent or bought, and the night is on time."""

from __future__ import annotations

from typing import Any

import pytest

from cli.dagster_api import DagsterApi
from leadfactory import stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.locks import campaign_day_lock
from tests.careless.clicks import Hand, until
from tests.careless.world import DAY, MAILED_AT, NOW, World

pytestmark = pytest.mark.timeout(600)
CAMPAIGN = "dental-old"
TODAY = CampaignDay(CAMPAIGN, NOW.date())
MAILED = CampaignDay(CAMPAIGN, MAILED_AT.date())
OLD = [CampaignDay(CAMPAIGN, NOW.date() - n * DAY) for n in range(399, 0, -1)]
ASSETS = (
    "campaign_targets", "sourced_businesses", "unique_businesses", "enriched_businesses", "site_audits", "site_insights",
    "lead_scores", "experiment_assignments", "email_drafts", "email_sends",
)  # fmt: skip


@pytest.fixture(scope="module")
def hand(api: DagsterApi, mailed: World) -> Hand:
    api.register_campaign(CAMPAIGN)
    api.register_campaign("dental-tonight")
    return Hand(api)


@pytest.fixture(scope="module")
def mailed(world: World, booting: object) -> World:
    """400 campaign-days of one campaign: one that was really mailed, 398 like it, and today's, whose mails are due now."""
    world.campaign(CAMPAIGN, "dental", "Boston, MA", 12, since=NOW - 400 * DAY)
    world.run(MAILED, *stage.NIGHT, "sending")
    world.copy(MAILED, [unit.day for unit in OLD if unit != MAILED])
    world.run(TODAY, *stage.NIGHT)
    world.judged(OLD[-30:], *ASSETS)
    world.judged([*OLD[:-30], TODAY], "email_sends")
    world.campaign("dental-tonight", "dental", "Chicago, IL", 3, since=NOW)
    return world


def sends(world: World) -> list[Any]:
    return world.rows("SELECT send_id, state, claimed_at, draft_id FROM email_sends ORDER BY send_id")


def claimed(world: World) -> list[Any]:
    """The drafts and scores on which claimed sends rest, whole."""
    return world.rows("""SELECT d.*, l.* FROM email_sends s JOIN email_drafts d USING (draft_id)
        JOIN lead_scores l ON (l.campaign, l.cohort_on, l.business_id, l.version) = (s.campaign, s.cohort_on, s.business_id, 1)
        WHERE s.claimed_at IS NOT NULL ORDER BY s.send_id""")


def test_the_night_starts_while_a_backfill_of_400_sends_and_one_of_everything_are_under_way(
    mailed: World, hand: Hand
) -> None:
    # one story, several facts: each backfill is asked once
    due = mailed.rows("SELECT count(*) FROM email_drafts WHERE campaign = :c AND cohort_on = :d AND status = 'drafted'",
                      c=CAMPAIGN, d=TODAY.day)  # fmt: skip
    before, rested_on, outside = sends(mailed), claimed(mailed), mailed.outside()
    assert len(OLD) + 1 == 400
    assert due[0][0] > 0
    assert len(rested_on) >= 400

    held = OLD[100]  # whoever works on it makes the backfill wait in the middle, so that "meanwhile" is certain
    with campaign_day_lock(mailed.db, held, "delivery"):
        old_sends = hand.backfill(["email_sends"], [*OLD, TODAY])
        everything = hand.backfill(ASSETS, OLD[-30:])
        until(lambda: waits_for(mailed, held), "the backfill has come to the campaign-day that is held")
        night = hand.api.launch("campaign_day", unit=CampaignDay("dental-tonight", NOW.date()))
        until(lambda: hand.run(night)["startTime"] is not None, "the night starts although the backfill is not done")
        assert [run["endTime"] for run in hand.of_backfill(old_sends) if run["status"] == "STARTED"] == [None]
        assert hand.ended(night) == ["SUCCESS"]
    bought = mailed.outside()["ledger"] - outside["ledger"]
    by_the_night = mailed.rows("SELECT count(*) FROM vendor_calls WHERE campaign = 'dental-tonight'")[0][0]

    assert hand.done(old_sends).startswith("COMPLETED")
    assert hand.done(everything).startswith("COMPLETED")
    assert {run["status"] for run in hand.of_backfill(old_sends) + hand.of_backfill(everything)} == {"SUCCESS"}
    assert bought == by_the_night > 0
    assert mailed.outside()["ledger"] - outside["ledger"] == by_the_night
    assert mailed.outside()["accepted"]["sendgrid/mail"] == outside["accepted"]["sendgrid/mail"]
    assert sends(mailed) == before
    assert claimed(mailed) == rested_on


def waits_for(world: World, unit: CampaignDay) -> bool:
    """Whether some process waits for the campaign-day's lock: it polls on a connection that it named."""
    named = world.rows("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE :name", name=f"%{unit.key}%")
    return bool(named[0][0] > 1)  # the holder is one
