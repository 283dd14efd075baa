"""Nights before and on odd days: both changes of the clocks, a leap day, the end of a year. The recipient's day decides."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from leadfactory import stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock, where
from leadfactory.d03_assessment.tables import audit_findings
from leadfactory.d09_delivery import sending
from leadfactory.d09_delivery.policy import policy
from leadfactory.database import Database
from leadfactory.settings import Settings
from sandbox.process import SandboxProcess
from tests.leads import FakePagespeed, Leads, lighthouse
from tests.postgres import settings_for_tests
from tests.times.nights import Turning, launch, play

HOUR, QUARTER = dt.timedelta(hours=1), dt.timedelta(minutes=15)
# The nightly run is at 02:00 UTC. ZIP codes in New York, Phoenix (which never changes its clocks) and Los Angeles.
ZIPS = ["10001", "85004", "90012"]
ZONES = ("America/New_York", "America/Phoenix", "America/Los_Angeles")
NIGHTS = {
    "the clocks go forward": dt.datetime(2026, 3, 8, 2, tzinfo=dt.UTC),  # Sunday; mails on Monday
    "the clocks go back": dt.datetime(2026, 11, 1, 2, tzinfo=dt.UTC),  # Sunday
    "a leap day": dt.datetime(2028, 2, 29, 2, tzinfo=dt.UTC),  # Tuesday
    "the end of a year": dt.datetime(2026, 12, 31, 2, tzinfo=dt.UTC),  # Thursday
    "the first of a year": dt.datetime(2027, 1, 1, 2, tzinfo=dt.UTC),  # Friday; still Thursday, last year, at home
}


@pytest.fixture
def config(sandbox: SandboxProcess, tmp_path: Path, postgres: Any) -> Settings:
    return settings_for_tests(
        tmp_path, LEADFACTORY_SANDBOX_URL=sandbox.base_url, LEADFACTORY_DATABASE_URL=postgres.url("app"),
        WEBSITE_CA_FILE=str(sandbox.ca_file),
    )  # fmt: skip


def ticks(night: dt.datetime) -> list[dt.datetime]:
    """From the first one until the first step has expired: the hours in which windows open, a quarter before each, and some."""
    hours = [night + n * HOUR for n in range(1, 74)]
    told = [tick for tick in hours if tick == hours[0] or tick.hour in range(12, 19) or tick.hour % 6 == 0]
    return sorted({tick - off for tick in told for off in (dt.timedelta(), QUARTER)})


def mails(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    return list(httpx.get(f"{sandbox.base_url}/_truth/sendgrid", params={"kind": "mail"}).json())


@pytest.mark.parametrize("name", NIGHTS)
def test_a_night_keeps_its_day_and_every_mail_leaves_once_in_its_readers_morning(
    database: Database, config: Settings, sandbox: SandboxProcess, name: str
) -> None:
    # one story, several facts: a night and three days of ticks are run once
    night = NIGHTS[name]
    unit = CampaignDay("restaurant-us", night.date())
    launch(database, unit.campaign, ZIPS, 15, night)
    reports = list(play(stage.NIGHT, unit, database, config, Turning(night, then=night)))
    assert not [note for each in reports for note in each.notes if "closed for" in note]
    before = len(mails(sandbox))
    for tick in ticks(night):
        with database.begin() as tx:
            due = sending.count_due(tx, tick)
        if due:
            list(play(["sending"], unit, database, config, Turning(tick, then=tick)))
    with database.begin() as tx:
        drafted = tx.execute(
            sa.text("""SELECT d.body_text, e.timezone, a.fetched_at FROM email_drafts d
                       JOIN enriched_businesses e USING (campaign, cohort_on, business_id)
                       JOIN site_audits a USING (campaign, cohort_on, business_id) WHERE d.status = 'drafted'""")
        ).all()
        sends = tx.execute(sa.text("SELECT * FROM email_sends")).all()
        days = tx.execute(sa.text("SELECT DISTINCT cohort_on FROM enriched_businesses")).scalars().all()
        spent = dict(tx.execute(sa.text("SELECT key, spent_microusd FROM budgets WHERE scope = 'day'")).tuples().all())
        calls = tx.execute(
            sa.text("SELECT occurred_on::text, sum(cost_microusd)::int FROM vendor_calls GROUP BY 1 HAVING sum(cost_microusd) > 0")
        ).tuples().all()  # fmt: skip
    assert days == [unit.day]
    assert {row.timezone for row in drafted} <= set(ZONES)
    assert len({row.timezone for row in drafted}) >= 2
    assert Counter(send.state for send in sends) == {"accepted": len(drafted)}
    assert len(mails(sandbox)) - before == len(drafted) == len(sends)
    for send in sends:
        assert (send.due_at, send.expires_at) == (night + HOUR - QUARTER, night + HOUR - QUARTER + 72 * HOUR)
        left = where(send.claimed_at, send.timezone)
        assert (left.hour, left.minute, left.isoweekday() in range(1, 6)) == (9, 0, True), left
    for row in drafted:  # what the letter calls the day of the measurement is the reader's day
        local = where(row.fetched_at, row.timezone)
        assert local.date() == unit.day - dt.timedelta(days=1)
        assert f"n {local:%B} {local.day}, {local.year}" in row.body_text, row.body_text  # "on" or "On"
    assert {day: cost for day, cost in spent.items() if cost} == dict(calls)


@example(dt.datetime(2028, 11, 3, 14), "America/New_York")  # found: the window after it ends when the planned one did
@given(
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2029, 1, 1)),
    st.sampled_from([*ZONES, "America/Anchorage", "Pacific/Honolulu", "America/Puerto_Rico", "Pacific/Guam"]),
)
def test_whenever_a_first_touch_is_planned_a_whole_window_opens_before_it_expires(
    naive: dt.datetime, zone: str
) -> None:
    planned = naive.replace(tzinfo=dt.UTC)
    expires = planned + policy().expires_after_hours.of(1)
    first = (planned + n * QUARTER for n in range(72 * 4))
    opened = [tick for tick in first if tick < expires and policy().window.is_open(zone, tick)]
    # Over a weekend on which the clocks go back, 72 hours are an hour less of the week.
    put_back = planned.astimezone(ZoneInfo(zone)).utcoffset() - expires.astimezone(ZoneInfo(zone)).utcoffset()
    assert len(opened) >= 8 * 4 - 1 - max(0, put_back // QUARTER)
    assert all(tick.astimezone(ZoneInfo(zone)).hour in range(9, 17) for tick in opened)


# A page of 2025: one year old, and so no finding, until 2027 begins where the business is.
@pytest.mark.parametrize(
    ("seen_at", "timezone", "found"),
    [
        ("2027-01-01T02:10:00+00:00", "America/New_York", None),  # 21:10 on 31 December
        ("2027-01-01T07:59:00+00:00", "America/Los_Angeles", None),
        ("2027-01-01T08:00:00+00:00", "America/Los_Angeles", 2),
        ("2027-01-01T07:59:00+00:00", None, None),
        ("2027-01-02T02:10:00+00:00", "Nowhere/Else", 2),
    ],
)
def test_a_page_is_as_old_as_it_was_where_and_when_it_was_read(
    database: Database, tmp_path: Path, seen_at: str, timezone: str | None, found: int | None
) -> None:
    read = dt.datetime.fromisoformat(seen_at)
    leads = Leads(database, settings_for_tests(tmp_path), CampaignDay("restaurant-nyc", read.date()))
    leads.campaign()
    leads.business(facts={"copyright_year": 2025}, fetched_at=read, timezone=timezone)
    pagespeed = FakePagespeed(leads.settings, lambda url: lighthouse(), read_at=read)
    asyncio.run(leads.audit(pagespeed, clock=Clock(start=read + HOUR)))
    ages = leads.rows(sa.select(audit_findings.c.measured).where(audit_findings.c.kind == "stale_copyright"))
    assert [int(row.measured) for row in ages] == ([] if found is None else [found])


def test_every_day_is_one_partition_and_every_schedule_is_in_utc() -> None:
    from leadfactory_assets.definitions import defs
    from leadfactory_assets.partitions import DAY

    keys = DAY.get_partition_keys(current_time=dt.datetime(2028, 12, 31, 12, tzinfo=dt.UTC))
    days = [key for key in keys if key.startswith("2028-")]
    assert len(days) == len(set(days)) == 366
    assert {"2028-02-29", "2028-03-12", "2028-11-05", "2028-12-31"} <= set(days)
    zones = {each.execution_timezone for each in defs.schedules or []}
    assert zones == {"UTC"}  # no tick is left out or comes twice when clocks change
