"""One run per campaign-day and asset group at a time, whoever runs it and however it ends."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading

import pytest

from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.locks import CampaignDayBusy, campaign_day_lock

UNIT = CampaignDay("restaurant-nyc", dt.date(2026, 10, 6))
LONG = CampaignDay("r" * 63, dt.date(2026, 10, 6))
HOLD = """
import sys, time
from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database
from leadfactory.locks import campaign_day_lock
with campaign_day_lock(Database(sys.argv[1]), CampaignDay.from_key(sys.argv[2]), "night"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("unit", [UNIT, LONG], ids=["short", "long"])
def test_a_second_run_is_refused_and_told_who_holds_it(database: Database, unit: CampaignDay) -> None:
    with (
        campaign_day_lock(database, unit, "night"),
        pytest.raises(
            CampaignDayBusy, match=rf"{unit.campaign}\|2026-10-06 \(night\) .* pid {os.getpid()} .* since 20"
        ),
        campaign_day_lock(database, unit, "night"),
    ):
        pass


@pytest.mark.parametrize(
    ("unit", "group"),
    [(UNIT, "delivery"), (CampaignDay("restaurant-nyc", dt.date(2026, 10, 7)), "night"), (LONG, "night")],
)
def test_other_work_goes_on(database: Database, unit: CampaignDay, group: str) -> None:
    entered = []
    with campaign_day_lock(database, UNIT, "night"), campaign_day_lock(database, unit, group):
        entered.append(unit)
    assert entered == [unit]


def test_it_is_free_again_after_a_failure(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), campaign_day_lock(database, UNIT, "night"):
        _ = 1 / 0
    with campaign_day_lock(database, UNIT, "night"):
        pass


def test_it_is_free_the_moment_its_holder_has_ended(database: Database) -> None:
    for _ in range(300):  # closing alone is noticed by the server a moment later: one in thousands found it busy
        with campaign_day_lock(database, UNIT, "night"):
            pass


def test_whoever_waits_gets_it_when_the_holder_ends_and_says_whom_it_waited_for(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with campaign_day_lock(database, UNIT, "night"):
            held.set()
            release.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    threading.Timer(0.2, release.set).start()
    with caplog.at_level("INFO", logger="leadfactory.locks"), campaign_day_lock(database, UNIT, "night", wait_s=60):
        assert release.is_set()
    holder.join()
    assert f"is held by pid {os.getpid()} night {UNIT.key}" in caplog.text


def test_a_killed_holder_holds_nothing(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, url, UNIT.key], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CampaignDayBusy, match=f"pid {holder.pid} "), campaign_day_lock(database, UNIT, "night"):
        pass
    holder.kill()
    holder.communicate()
    with campaign_day_lock(database, UNIT, "night", wait_s=60):
        pass


def test_without_a_database_the_error_says_so() -> None:
    db = Database("postgresql://nobody:x@127.0.0.1:9/none")
    with (
        pytest.raises(DatabaseUnavailable, match=r"lock of campaign-day restaurant-nyc\|2026-10-06"),
        campaign_day_lock(db, UNIT, "night"),
    ):
        pass
