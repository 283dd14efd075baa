"""Windows in the recipient's own time, and what each mailer's terms accept."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d09_delivery.policy import DeliveryPolicy, Window, policy

WINDOW = Window(weekdays=(1, 2, 3, 4, 5), from_hour=9, before_hour=17)
NEW_YORK = "America/New_York"


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("local", "is_open"),
    [
        ("2026-10-06T08:59:59.999999-04:00", False),
        ("2026-10-06T09:00:00-04:00", True),
        ("2026-10-06T16:59:59.999999-04:00", True),
        ("2026-10-06T17:00:00-04:00", False),
        ("2026-10-05T09:00:00-04:00", True),  # Monday
        ("2026-10-09T16:59:00-04:00", True),  # Friday
        ("2026-10-10T12:00:00-04:00", False),  # Saturday
        ("2026-10-11T12:00:00-04:00", False),  # Sunday
    ],
)
def test_the_window_opens_and_closes_on_the_local_hour(local, is_open):
    assert WINDOW.is_open(NEW_YORK, at(local)) is is_open


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        ("2026-03-06T13:59:00+00:00", False),  # Friday before the clocks go forward: 08:59 EST
        ("2026-03-06T14:00:00+00:00", True),
        ("2026-03-09T12:59:00+00:00", False),  # Monday after: 08:59 EDT
        ("2026-03-09T13:00:00+00:00", True),
        ("2026-10-30T20:59:00+00:00", True),  # Friday before they go back: 16:59 EDT
        ("2026-10-30T21:00:00+00:00", False),
        ("2026-11-02T21:59:00+00:00", True),  # Monday after: 16:59 EST
        ("2026-11-02T22:00:00+00:00", False),
    ],
)
def test_it_follows_the_local_clock_over_its_changes(utc, is_open):
    assert WINDOW.is_open(NEW_YORK, at(utc)) is is_open


def test_zones_without_daylight_saving_and_across_the_date_line():
    assert WINDOW.is_open("America/Phoenix", at("2026-07-06T16:00:00+00:00"))
    assert not WINDOW.is_open("America/Phoenix", at("2026-07-06T15:59:00+00:00"))
    assert WINDOW.is_open("Pacific/Honolulu", at("2026-10-10T02:00:00+00:00"))  # still Friday there


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../etc/passwd", "America", "\x00"])
def test_an_unknown_zone_is_never_open(zone):
    assert not WINDOW.is_open(zone, at("2026-10-06T15:00:00+00:00"))


@given(st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 12, 31)), st.sampled_from([NEW_YORK, "America/Los_Angeles", "America/Anchorage"]))  # fmt: skip
def test_an_open_window_is_a_weekday_between_nine_and_five_where_the_reader_is(naive, zone):
    now = naive.replace(tzinfo=dt.UTC)
    local = now.astimezone(ZoneInfo(zone))
    assert WINDOW.is_open(zone, now) == (local.weekday() < 5 and 9 <= local.hour < 17)


def test_sendgrid_accepts_consented_and_transactional_mail_only():
    assert list(policy().accepted_bases("sendgrid", "production")) == ["consented", "transactional"]


def test_simulated_recipients_exist_outside_production_only():
    assert "simulated" in policy().accepted_bases("sendgrid", "development")
    assert "simulated" not in policy().accepted_bases("sendgrid", "production")


def test_an_unknown_mailer_accepts_nothing():
    assert list(policy().accepted_bases("pigeon", "development")) == []


@pytest.mark.parametrize("change", [{"from_hour": 17, "before_hour": 9}, {"weekdays": [0]}, {"before_hour": 25}])
def test_a_window_that_cannot_be_is_refused(change):
    content = policy().model_dump()
    content["window"] |= change
    with pytest.raises(ValueError, match="weekdays are"):
        DeliveryPolicy.model_validate(content)
