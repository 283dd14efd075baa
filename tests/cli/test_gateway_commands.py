"""What an operator sees of vendors' limits, and the word that overrules a breaker or clears the cache."""

from __future__ import annotations

import datetime as dt
import uuid

import sqlalchemy as sa

from leadfactory.d00_gateway import content
from leadfactory.d00_gateway.tables import budgets, vendor_breakers, vendor_calls, vendor_content, vendor_quotas
from leadfactory.inbox.tables import audit_log

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


def test_quota_shows_every_configured_rate_and_each_budget_that_was_drawn_on(here, database):
    with database.begin() as tx:
        tx.execute(
            sa.insert(budgets).values(
                scope="campaign", key="nyc", cap_microusd=10_000_000, spent_microusd=9_000_000, reserved_microusd=0
            )
        )
        now = tx.scalar(sa.func.clock_timestamp())
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        tx.execute(
            sa.insert(vendor_quotas).values(
                vendor="yelp", rate="day", limit_units=5000, window_started_at=midnight,
                resets_at=midnight + dt.timedelta(days=1), used_units=4000, leased_units=500,
            )
        )  # fmt: skip
    told = here("quota", "--json")
    rates = {(one["vendor"], one["rate"]): one for one in told["rates"]}
    assert {"yelp", "places", "pagespeed", "openai", "sendgrid", "stripe"} <= {vendor for vendor, _ in rates}
    yelp = rates["yelp", "day"]
    assert (yelp["used"], yelp["leased"], yelp["limit"], yelp["share"]) == (4000, 500, 5000, 0.9)
    assert [(b["scope"], b["key"], b["share"]) for b in told["budgets"]] == [("campaign", "nyc", 0.9)]
    assert "not in this window" in here("quota")


def test_the_forecast_goes_on_at_the_pace_of_the_last_hour_and_a_vendor_that_said_no_lowers_the_proposal(
    here, database
):
    with database.begin() as tx:
        now = tx.scalar(sa.func.clock_timestamp())
        rows = [
            {
                "call_id": uuid.uuid4(), "vendor": "yelp", "endpoint": "search", "attempt": 1, "units": units,
                "status": "unavailable", "http_status": status, "reserved_microusd": 0, "request_hash": b"x",
                "started_at": now - dt.timedelta(minutes=ago), "occurred_on": now.date(),
            }
            for units, status, ago in ((4_999_000, 429, 10), (1, 200, 90))
        ]  # fmt: skip
        tx.execute(sa.insert(vendor_calls), rows)
    (yelp,) = [one for one in here("quota", "--json")["rates"] if (one["vendor"], one["rate"]) == ("yelp", "day")]
    # 5,000 a day at 1,388 a second are gone in four seconds: within this window at every hour but midnight's last seconds
    assert yelp["exhausted_at"] is not None
    advice = {(one["vendor"], one["rate"]): one for one in here("rate-limits", "--json")}
    yelp, places = advice["yelp", "day"], advice["places", "minute"]
    assert (yelp["granted"], yelp["vendor_said_no"], yelp["proposed"]) == (4_999_001, 1, 4000)
    assert (places["granted"], places["proposed"], places["because"]) == (0, places["limit"], "fits")
    assert "the vendor answered 429 1 times" in here("rate-limits")


def test_an_operators_word_on_a_breaker_is_stored_shown_and_audited(here, database):
    assert "held back" in here("breaker", "force-open", "yelp", "--reason=their status page is red")
    with database.begin() as tx:
        assert tx.scalar(sa.select(vendor_breakers.c.forced).where(vendor_breakers.c.vendor == "yelp")) == "open"
    (yelp,) = [row for row in here("breaker", "list", "--json") if row["vendor"] == "yelp"]
    assert (yelp["forced"], yelp["reason"]) == ("open", "their status page is red")
    here("breaker", "auto", "yelp")
    with database.begin() as tx:
        assert [row.action for row in tx.execute(sa.select(audit_log).order_by("audit_id"))] == [
            "breaker_force_open", "breaker_auto",
        ]  # fmt: skip
    assert "vendor 'yelpp' has no row" in here("breaker", "force-open", "yelpp", "--reason=x", fails=True)
    assert "--reason is empty" in here("breaker", "force-open", "yelp", "--reason= ", fails=True)


def test_clearing_the_cache_counts_first_takes_only_what_was_named_and_leaves_limits_and_ledger(here, database):
    rows = [
        ("yelp", "a", NOW - dt.timedelta(hours=7)),
        ("yelp", "b", NOW - dt.timedelta(hours=1)),
        ("places", "c", NOW - dt.timedelta(hours=7)),
    ]
    with database.begin() as tx:
        for vendor, subject, fetched_at in rows:
            end = NOW + dt.timedelta(hours=1) if subject != "c" else NOW - dt.timedelta(hours=1)
            content.store(tx, vendor, [content.Content(subject, {"name": subject}, fetched_at, end)])
    (places, yelp) = here("cache", "stats", "--json")
    assert (places["answers"], places["expired"], yelp["answers"], yelp["expired"]) == (1, 1, 2, 0)
    chosen = ("cache", "clear", "--vendor=yelp", "--older-than=6h")
    assert here(*chosen, "--dry-run", "--json") == {"answers": 1, "dry_run": True}
    assert here(*chosen, "--yes", "--json") == {"answers": 1, "dry_run": False}
    with database.begin() as tx:
        assert sorted(tx.scalars(sa.select(vendor_content.c.subject))) == ["b", "c"]
    assert "--older-than='soon' is not an age" in here("cache", "clear", "--older-than=soon", fails=True)
