"""What an asset says about itself after it ran."""

from __future__ import annotations

import base64
import datetime as dt
import multiprocessing
import os

import dagster as dg
import pytest

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.locks import CampaignDayBusy, campaign_day_lock
from leadfactory.stage_report import StageReport
from leadfactory_assets import policies
from leadfactory_assets.d01_targeting import campaign_targets
from leadfactory_assets.plots import LIMIT_BYTES, bar_chart

UNIT = CampaignDay("restaurant-10001", dt.date(2026, 10, 6))
NOON = Clock(dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC))


def report(**fields: object) -> StageReport:
    return StageReport(**{"asset": "site_audits", "unit": UNIT, "state": "open", **fields})  # type: ignore[arg-type]


def test_metadata_names_rows_calls_spend_duration_and_state() -> None:
    told = policies.told(
        report(rows_in=5, rows_out=3, rows_rejected=1, rows_open=1, calls=7, spend_microusd=35_000, seconds=1.5)
    )
    wanted = {
        "rows in": 5,
        "rows out": 3,
        "rows rejected": 1,
        "rows still open": 1,
        "vendor calls": 7,
        "spend (USD)": 0.035,
        "seconds": 1.5,
    }
    assert {name: told[name] for name in wanted} == wanted
    assert told["campaign-day"] == "open"


def test_a_report_without_a_chart_has_no_picture() -> None:
    assert "chart" not in policies.told(report())


@pytest.mark.parametrize("bars", [1, 12, 40])
def test_a_chart_is_one_png_of_at_most_thirty_kilobytes(bars: int) -> None:
    picture = bar_chart("what became of them", {f"reason number {n}": n * 137 for n in range(bars)})
    raw = base64.b64decode(picture.split("base64,")[1].rstrip(")"))
    assert raw.startswith(b"\x89PNG")
    assert len(raw) <= LIMIT_BYTES


@pytest.mark.parametrize("bars", [1, 10, 40])
def test_a_chart_of_parts_is_one_png_of_at_most_thirty_kilobytes(bars: int) -> None:
    stacks = {
        f"San Juan Capistrano {n}, CA (exhausted)": {"looked at": 91 + n, "planned": 88, "reach": 77 - n}
        for n in range(bars)
    }
    told = policies.told(report(stacks=stacks, chart_title="coverage of targets"))
    picture = str(told["chart"].value)
    assert len(base64.b64decode(picture.split("base64,")[1].rstrip(")"))) <= LIMIT_BYTES


def test_a_chart_of_nothing_is_still_a_picture() -> None:
    assert bar_chart("nothing yet", {"none": 0}).startswith("![nothing yet]")


def test_a_chart_that_leaves_bars_out_says_so() -> None:
    assert bar_chart("findings", {f"kind {n}": n for n in range(15)}).startswith("![findings (the first 12 of 15)]")


@pytest.mark.slow
def test_an_asset_waits_for_its_campaign_day_and_then_names_who_holds_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "LOCK_WAIT_S", 0.1)
    context = dg.build_asset_context(partition_key=UNIT.key)
    with campaign_day_lock(database, UNIT, policies.NIGHT), pytest.raises(CampaignDayBusy, match="restaurant-10001"):
        campaign_targets(context, db=database, clock=NOON)


def test_a_campaign_that_does_not_exist_is_named(database: Database) -> None:
    with pytest.raises(LookupError, match="restaurant-10001"):
        campaign_targets(dg.build_asset_context(partition_key=UNIT.key), db=database, clock=NOON)


def test_a_nightly_run_gives_way_in_its_own_process() -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    assert not policies.in_a_run()
    ours, theirs = (context := multiprocessing.get_context("fork")).Pipe()

    def run() -> None:
        policies.give_way()
        theirs.send((policies.in_a_run(), os.getpriority(os.PRIO_PROCESS, 0)))

    process = context.Process(target=run)
    process.start()
    assert ours.recv() == (True, max(mine, policies.NICE))
    process.join()
