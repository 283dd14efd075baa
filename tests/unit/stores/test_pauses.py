"""Pauses: the word and who gave it, and that a stage ends at the next lead with what is under way stored."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory import flow, pauses, stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database
from leadfactory.settings import Settings

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
UNIT = CampaignDay("restaurant-nyc", NOW.date())


def paused(database: Database, kind: pauses.Kind, key: str = "") -> pauses.Pause:
    with database.begin() as tx:
        return pauses.pause(tx, kind, key, reason="the disk is moved", by="ana", now=NOW)


def test_a_pause_holds_until_it_is_taken_back(database: Database) -> None:
    paused(database, "vendor", "yelp")
    with database.begin() as tx:
        assert pauses.is_paused(tx, "vendor", "yelp")
        pauses.resume(tx, "vendor", "yelp", reason="the bill is paid", by="ben", now=NOW)
        assert pauses.is_paused(tx, "vendor", "yelp") is None


def test_a_pause_of_all_holds_everything(database: Database) -> None:
    paused(database, "all")
    with database.begin() as tx:
        assert [bool(pauses.is_paused(tx, kind, "x")) for kind in ("campaign", "sender", "vendor")] == [True] * 3


def test_a_second_word_for_the_same_thing_is_refused_and_names_the_first(database: Database) -> None:
    paused(database, "all")
    with pytest.raises(ValueError, match="all is paused by ana since 2026-10-06 15:00 UTC: the disk is moved"):
        paused(database, "all")


def test_what_is_not_paused_cannot_be_resumed_and_the_message_says_what_is(database: Database) -> None:
    paused(database, "vendor", "yelp")
    with database.begin() as tx, pytest.raises(LookupError, match="campaign x is not paused: paused is vendor yelp"):
        pauses.resume(tx, "campaign", "x", reason="why", by="ben", now=NOW)


@pytest.mark.parametrize(("reason", "by"), [(" ", "ana"), ("why", "")])
def test_nobody_pauses_without_a_name_and_a_reason(database: Database, reason: str, by: str) -> None:
    with database.begin() as tx, pytest.raises(ValueError, match="give --reason"):
        pauses.pause(tx, "all", "", reason=reason, by=by, now=NOW)


def test_the_application_cannot_make_a_word_unsaid(database: Database) -> None:
    paused(database, "all")
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), database.begin() as tx:
        tx.execute(sa.delete(pauses.pauses))


def test_a_stage_of_a_paused_campaign_does_not_start(database: Database) -> None:
    paused(database, "campaign", UNIT.campaign)
    with pytest.raises(pauses.Paused, match="leadfactory resume campaign restaurant-nyc"):
        stage.run("targeting", UNIT, database, Settings())


def test_the_sends_of_a_paused_campaign_wait_at_their_gate_not_at_the_start(database: Database) -> None:
    paused(database, "campaign", UNIT.campaign)
    with pauses.watching(database):
        pass


def test_a_stage_that_runs_ends_at_the_next_lead_and_stores_those_under_way(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "LOOK_S", 0.0)
    stored: list[int] = []

    async def work(item: int) -> int:
        if item == 3:
            paused(database, "all")
        await asyncio.sleep(0.01)
        return item

    async def run() -> None:
        await flow.each(range(20), work, stored.extend, at_once=2, batch=50)

    with pauses.watching(database), pytest.raises(pauses.Paused, match="all is paused by ana"):
        asyncio.run(run())
    assert stored == [0, 1, 2, 3]


def test_what_is_under_way_is_not_cut_off(database: Database) -> None:
    """The calls of leads that were begun end as they would have: nobody has to ask what a vendor did."""
    ended: list[str] = []

    async def work(item: int) -> int:
        try:
            await asyncio.sleep(0.05 if item else 0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append("done")
        return item

    def stop() -> None:
        if ended:
            raise flow.Stopped("now")

    token = flow.STOP.set(stop)
    try:
        with pytest.raises(flow.Stopped):
            asyncio.run(flow.each(range(9), work, lambda done: None, at_once=3))
    finally:
        flow.STOP.reset(token)
    assert ended == ["done"] * 3


def test_nothing_stops_a_stage_that_nobody_watches() -> None:
    stored: list[int] = []

    async def work(item: int) -> int:
        return item

    asyncio.run(flow.each(range(5), work, stored.extend, at_once=2))
    assert sorted(stored) == [0, 1, 2, 3, 4]
