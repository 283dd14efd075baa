"""Every figure changes when what it counts happens, and is not moved by what is too old."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from leadfactory import audit_log
from leadfactory.database import Database
from leadfactory.monitoring import figures
from tests.edge.conftest import World
from tests.leads import TUESDAY, UNIT
from tests.monitoring.conftest import Told
from tests.monitoring.rows import ago, put, really_ago

DAY = {"campaign": UNIT.campaign, "cohort_on": UNIT.day}


def value(told: Told, name: str, **labels: str) -> float | None:
    """One sample; None when it is not told."""
    return told[f"leadfactory_{name}"].get(tuple(sorted(labels.items())))


def bounced(world: World, *, delivered: int = 9, bounces: int = 1, **when: float) -> None:
    for number in range(delivered + bounces):
        send_id, lead = world.send(number + 1, settled_at=ago(**when))
        column = "bounced_at" if number < bounces else "delivered_at"
        put(world.db, "send_outcomes", send_id=send_id, business_id=lead.business_id, state="accepted", **{column: ago(**when)})  # fmt: skip


def test_no_family_fails_on_an_empty_factory(scrape):
    assert set(scrape()["leadfactory_figures_failed"].values()) == {0.0}


def test_no_family_fails_on_a_factory_at_work(world, scrape):
    for number in (1, 2):
        world.send(number)
    put(world.db, "vendor_calls", vendor="yelp", status="ok", started_at=really_ago(minutes=1))
    put(world.db, "vendor_breakers", vendor="yelp", state="open", opened_at=really_ago(minutes=5))
    put(world.db, "run_outcomes", status="FAILURE", job="lake", ended_at=really_ago(minutes=1))
    assert set(scrape()["leadfactory_figures_failed"].values()) == {0.0}


def test_businesses_of_the_last_two_hours_are_processed_once_whatever_rooms_they_passed(world, scrape):
    seed = world.business(1)
    world.business(2)
    put(world.db, "site_audits", business_id=seed.business_id, status="ok", fetched_at=ago(minutes=5), **DAY)
    told = scrape()
    assert value(told, "businesses_processed", window="2h") == 2


def test_businesses_of_yesterday_count_for_the_day_and_not_for_the_last_two_hours(world, scrape):
    put(world.db, "unique_businesses", decided_at=ago(hours=20), **DAY)
    told = scrape()
    assert (value(told, "businesses_processed", window="2h"), value(told, "businesses_processed", window="24h")) == (
        0,
        1,
    )


def test_a_campaign_day_is_unfinished_until_its_drafting_passed(world, scrape):
    before = value(scrape(), "campaign_days_unfinished")
    assert value(scrape(), "night_seconds") == 13 * 3600
    put(world.db, "quality_verdicts", asset="email_drafts", passed=True, judged_at=TUESDAY, **DAY)
    assert (before, value(scrape(), "campaign_days_unfinished")) == (1, 0)


def test_an_active_campaign_without_today_is_missing(world, scrape):
    before = value(scrape(), "campaigns_missing_today")
    put(world.db, "campaigns", campaign="dental-60601", state="launched", starts_on=UNIT.day)
    assert (before, value(scrape(), "campaigns_missing_today")) == (0, 1)


def test_audits_that_failed_lower_the_assessment_rate(world, scrape):
    for status in ("ok", "ok", "ok", "failed"):
        put(world.db, "site_audits", status=status, fetched_at=ago(hours=1), **DAY)
    told = scrape()
    assert value(told, "assessment_ratio", window="24h") == 0.75
    assert value(told, "assessment_sample", window="24h") == 4


def test_the_draft_rate_leaves_out_who_is_held_out_or_refused_by_a_rule(world, scrape):
    put(world.db, "quality_verdicts", asset="email_drafts", passed=True, judged_at=ago(hours=1), **DAY)
    for status in ("drafted", "held_out", "rejected", None):
        of = {"business_id": uuid.uuid4(), **DAY}
        put(world.db, "lead_scores", tier="A", qualified=True, version=1, **of)
        if status:
            put(world.db, "email_drafts", step=1, version=1, status=status, wording="rules", arms={}, facts={}, **of)
    told = scrape()
    assert (value(told, "draft_ratio", window="24h"), value(told, "draft_sample", window="24h")) == (0.5, 2)


def test_bounces_count_in_the_hour_in_which_they_happened(world, scrape):
    bounced(world, minutes=20)
    told = scrape()
    assert (value(told, "bounce_ratio", window="1h"), value(told, "bounce_sample", window="1h")) == (0.1, 10)


def test_a_bounce_of_this_morning_is_none_of_this_hour(world, scrape):
    bounced(world, hours=3)
    told = scrape()
    assert (value(told, "bounce_ratio", window="1h"), value(told, "bounce_ratio", window="24h")) == (None, 0.1)


def test_mails_that_nobody_heard_of_lower_the_delivery_rate(world, scrape):
    bounced(world, delivered=1, bounces=0, hours=1)
    world.send(50, settled_at=ago(hours=1))
    world.send(51, settled_at=ago(minutes=2))  # still under way
    told = scrape()
    assert (value(told, "delivery_ratio", window="4h"), value(told, "delivery_sample", window="4h")) == (0.5, 2)


def test_complaints_are_a_share_of_what_was_delivered(world, scrape):
    bounced(world, delivered=4, bounces=0, hours=2)
    with world.db.begin() as tx:
        tx.execute(sa.text("UPDATE send_outcomes SET complained_at = delivered_at WHERE send_id = (SELECT min(send_id::text)::uuid FROM send_outcomes)"))  # fmt: skip
    told = scrape()
    assert (value(told, "complaint_ratio", window="24h"), value(told, "complaint_sample", window="24h")) == (0.25, 4)


def test_an_unknown_send_has_an_age(world, scrape):
    world.send(1, state="unknown", settled_at=ago(minutes=20))
    told = scrape()
    assert (value(told, "unknown_sends"), value(told, "unknown_sends_oldest_seconds")) == (1, 1200)


def test_an_event_that_waits_has_an_age(world, scrape):
    put(world.db, "webhook_inbox", source="stripe", received_at=ago(minutes=7))
    assert value(scrape(), "inbox_lag_seconds", source="stripe") == 420


def test_a_forged_webhook_is_a_refused_post(world, scrape):
    before = value(scrape(), "webhooks_refused", source="stripe")
    world.pay({"id": "evt_1", "type": "x"}, secret="whsec_wrong")
    assert (before, value(scrape(), "webhooks_refused", source="stripe")) == (0, 1)


def test_events_of_a_quarter_of_an_hour_are_received_and_those_not_understood_are_quarantined(world, scrape):
    before = scrape()
    put(world.db, "webhook_inbox", source="stripe", received_at=ago(minutes=1))
    put(world.db, "webhook_inbox", source="stripe", received_at=ago(minutes=16), outcome="quarantined", processed_at=ago(minutes=16))  # fmt: skip
    after = scrape()
    names = ("webhooks_received", "webhooks_quarantined")
    assert [(value(before, n, source="stripe"), value(after, n, source="stripe")) for n in names] == [(0, 1), (0, 1)]


def test_a_verdict_that_fails_counts_until_a_newer_one_passes(world, scrape):
    put(world.db, "quality_verdicts", asset="lead_scores", suite="s", passed=False, judged_at=ago(hours=2), **DAY)
    before = value(scrape(), "checks_failing", asset="lead_scores")
    put(world.db, "quality_verdicts", asset="lead_scores", suite="s", passed=True, judged_at=ago(hours=1), input_hash=b"2", **DAY)  # fmt: skip
    assert (before, value(scrape(), "checks_failing", asset="lead_scores")) == (1, None)


def test_a_stopped_sender_is_a_halt(world, scrape):
    put(world.db, "halts", scope="sender", subject="a@b.example")
    assert value(scrape(), "halts", scope="sender") == 1


def test_money_is_told_in_cents_from_the_ledger(world, scrape):
    purchase = uuid.uuid4()
    posting = uuid.uuid4()
    with world.db.begin() as tx:
        for account, cents in (("stripe", 19_900), ("sales", -19_900)):
            tx.execute(
                sa.text("INSERT INTO money_entries (posting_id, kind, account, amount_cents, currency, purchase_id, occurred_at, recorded_at)"
                        " VALUES (:posting, 'sale', :account, :cents, 'usd', :purchase, :at, :at)"),
                {"posting": posting, "account": account, "cents": cents, "purchase": purchase, "at": ago(hours=1)},
            )  # fmt: skip
    told = scrape()
    assert value(told, "revenue_cents", window="24h", currency="usd") == 19_900
    assert value(told, "ledger_imbalance_cents", currency="usd") == 0


def test_a_purchase_without_a_delivered_report_has_an_age_until_a_mailer_takes_it(world, scrape):
    sold = put(world.db, "purchases", state="paid", paid_at=ago(minutes=6), amount_cents=19_900)
    before = scrape()
    put(world.db, "report_deliveries", kind="sold", state="accepted", purchase_id=sold["purchase_id"])
    after = scrape()
    assert value(before, "paid_undelivered_oldest_seconds") == 360
    assert (value(before, "paid_undelivered"), value(after, "paid_undelivered")) == (1, 0)
    assert value(after, "purchases_paid", window="24h") == 1


def test_a_report_whose_mail_came_back_is_undelivered_until_somebody_opens_it(world, scrape):
    sold = put(world.db, "purchases", state="paid", paid_at=ago(minutes=6), amount_cents=19_900)
    mail = put(
        world.db,
        "report_deliveries",
        kind="sold",
        state="accepted",
        purchase_id=sold["purchase_id"],
        bounced_at=ago(minutes=1),
    )
    put(world.db, "report_accesses", report_id=mail["report_id"], kind="html", given=True, machine=True)
    before = scrape()
    put(world.db, "report_accesses", report_id=mail["report_id"], kind="html", given=True, machine=False)
    assert (value(before, "paid_undelivered"), value(scrape(), "paid_undelivered")) == (1, 0)


@pytest.mark.parametrize(
    ("asked", "back", "owed"),
    [
        ([("accepted", 5_000)], 5_000, 0),
        ([("accepted", 5_000)], 0, 1),  # the bank sent it back
        ([("rejected", 5_000)], 0, 1),
        ([("rejected", 5_000), ("accepted", 5_000)], 5_000, 0),  # it was asked for again
        ([("accepted", 5_000), ("claimed", 2_000)], 5_000, 1),
        ([], 5_000, 0),  # given at Stripe's own page
    ],
)
def test_a_refund_is_owed_until_as_much_went_back_as_was_asked_for(world, scrape, asked, back, owed):
    sold = put(
        world.db, "purchases", state="partially_refunded" if back else "paid", amount_cents=19_900, refunded_cents=back
    )
    for number, (state, cents) in enumerate(asked):
        moment = ago(minutes=50 - number)
        put(
            world.db,
            "refund_requests",
            purchase_id=sold["purchase_id"],
            state=state,
            amount_cents=cents,
            requested_at=moment,
        )
    assert value(scrape(), "refunds_not_given") == owed


def test_cost_per_sale_and_conversion_are_of_thirty_days(world, scrape):
    put(world.db, "purchases", state="paid", paid_at=ago(days=3), amount_cents=19_900)
    put(world.db, "vendor_calls", vendor="yelp", status="ok", cost_microusd=5_000_000, occurred_on=UNIT.day)
    bounced(world, delivered=4, bounces=0, hours=2)
    told = scrape()
    assert value(told, "cost_per_sale_cents", window="30d") == 500
    assert value(told, "conversion_ratio", window="30d") == 0.25


def test_a_used_up_rate_and_a_used_up_budget_are_shares(world, scrape):
    put(world.db, "budgets", scope="day", key=UNIT.day.isoformat(), cap_microusd=100, spent_microusd=95, reserved_microusd=5)  # fmt: skip
    put(world.db, "vendor_quotas", vendor="yelp", rate="day", limit_units=100, used_units=100, window_started_at=really_ago(hours=1),
        resets_at=really_ago(hours=-1))  # fmt: skip
    told = scrape()
    assert value(told, "budget_used_ratio", scope="day", key=UNIT.day.isoformat()) == 1
    assert value(told, "rate_used_ratio", vendor="yelp", rate="day") > 0


def test_an_open_breaker_has_an_age(world, scrape):
    put(world.db, "vendor_breakers", vendor="yelp", state="open", opened_at=really_ago(minutes=20))
    told = scrape()
    assert value(told, "vendor_breaker", vendor="yelp", state="open") == 1
    assert value(told, "vendor_breaker_open_seconds", vendor="yelp") >= 1200


def test_answers_of_the_cache_and_failed_calls_are_shares(world, scrape):
    for status, hit in (("ok", True), ("ok", False), ("unavailable", False), ("ok", False)):
        put(world.db, "vendor_calls", vendor="yelp", status=status, cache_hit=hit, started_at=really_ago(minutes=1))
    told = scrape()
    assert value(told, "cache_hit_ratio", vendor="yelp") == 0.25
    assert value(told, "vendor_failure_ratio", vendor="yelp") == pytest.approx(1 / 3)
    assert value(told, "vendor_failure_sample", vendor="yelp") == 3


def test_a_failed_run_is_told_until_the_same_work_succeeds(world, scrape):
    run = {"job": "campaign_day", "partition_key": UNIT.key}
    put(world.db, "run_outcomes", run_id="r1", status="FAILURE", failed_steps=["leadfactory__site_audits"], ended_at=really_ago(minutes=5), **run)  # fmt: skip
    before = scrape()
    put(world.db, "run_outcomes", run_id="r2", status="SUCCESS", steps={"leadfactory__site_audits": {"seconds": 12.5}},
        started_at=really_ago(minutes=3), ended_at=really_ago(minutes=1), **run)  # fmt: skip
    after = scrape()
    assert value(before, "run_failed", run_id="r1", dagster_job="campaign_day", campaign_day=UNIT.key) == 1
    assert after["leadfactory_run_failed"] == {}
    assert value(after, "asset_failures", asset="site_audits") == 1
    assert value(after, "asset_seconds", asset="site_audits") == 12.5
    assert value(after, "run_seconds", dagster_job="campaign_day") == pytest.approx(120, abs=2)


def test_guessed_keys_are_failed_sign_ins(world, scrape):
    before = value(scrape(), "auth_failures")
    for _ in range(3):
        world.client.get("/metrics", headers={"authorization": "Bearer lfk_guessed"})
    assert (before, value(scrape(), "auth_failures")) == (0, 3)


def test_a_live_key_has_an_age(world, scrape):
    put(world.db, "api_keys", name="grafana", scopes=["metrics"], created_at=ago(days=91), expires_at=ago(days=-9))
    assert value(scrape(), "credential_age_seconds", credential="grafana") == 91 * 86_400


def test_a_changed_row_of_the_audit_log_is_a_fault(world, scrape, owner_database):
    with world.db.begin() as tx:
        for number in range(3):
            audit_log.record(tx, actor="operator ana", action="pause", subject=str(number), detail={}, now=TUESDAY)
    before = value(scrape(), "audit_chain_faults")
    with owner_database.begin() as tx:
        tx.execute(sa.text("UPDATE audit_log SET subject = 'another' WHERE audit_id = (SELECT max(audit_id) FROM audit_log)"))  # fmt: skip
    assert (before, value(scrape(), "audit_chain_faults")) == (0, 1)


def test_a_factory_without_a_backup_is_infinitely_far_from_one(world, scrape):
    before = value(scrape(), "backup_age_seconds")
    for finished, good in ((really_ago(hours=5), True), (really_ago(hours=1), False)):
        put(world.db, "backups", id=str(finished), kind="full", ok=good, started_at=finished, finished_at=finished)
    assert before == float("inf")
    assert value(scrape(), "backup_age_seconds") == pytest.approx(5 * 3600, abs=60)


def test_files_that_the_newest_look_found_damaged_are_counted_by_area(world, scrape):
    put(world.db, "file_looks", area="lake", files=10, broken=2, samples=[])
    told = scrape()
    assert (value(told, "damaged_files", area="lake"), value(told, "figures_failed", family="protection")) == (2, 0)


def test_the_newest_restore_drill_is_told(world, scrape):
    for hours, good in ((48, True), (24, False)):
        put(world.db, "restore_drills", ok=good, started_at=really_ago(hours=hours), finished_at=really_ago(hours=hours), checks=[])  # fmt: skip
    told = scrape()
    assert value(told, "restore_drill_ok") == 0
    assert value(told, "restore_drill_age_seconds") == pytest.approx(24 * 3600, abs=60)


def test_a_pause_counts_and_ages_until_it_is_taken_back(world, scrape):
    put(world.db, "pauses", kind="vendor", key="yelp", paused_at=ago(hours=3))
    put(
        world.db,
        "pauses",
        kind="all",
        key="",
        paused_at=ago(hours=3),
        resumed_at=ago(hours=1),
        resumed_by="ana",
        resumed_why="done",
    )
    told = scrape()
    assert [value(told, "pauses", kind=kind) for kind in ("vendor", "all")] == [1, 0]
    assert [value(told, "pause_age_seconds", kind=kind) for kind in ("vendor", "all")] == [10800, 0]


def test_published_marts_have_an_age(world, scrape):
    world.settings.warehouse.parent.mkdir(parents=True, exist_ok=True)
    world.settings.warehouse.touch()
    an_hour = world.settings.warehouse.stat().st_mtime - 3600
    os.utime(world.settings.warehouse, (an_hour, an_hour))
    assert scrape()["leadfactory_marts_age_seconds"][()] == pytest.approx(3600, abs=30)


def test_this_process_and_the_database_server_are_seen(scrape):
    told = scrape()
    assert value(told, "process_resident_bytes", process="postgres") > 1e6
    assert 0 < value(told, "disk_used_ratio", place="home") <= 1
    assert 0 < value(told, "memory_used_ratio") <= 1
    assert value(told, "database_bytes") > 1e6


def test_a_database_that_is_down_is_a_figure(config):
    lost = Database("postgresql://nobody:secret@127.0.0.1:9/none")
    told = {figure.name: figure for figure in figures.collect(lost, config)}
    assert told["database_up"].samples == (({}, 0.0),)
    assert "disk_used_ratio" in told


def test_a_family_that_fails_is_named_and_the_others_are_told(world, scrape, monkeypatch):
    def broken(tx: sa.Connection, scene: Any) -> Any:
        tx.execute(sa.text("SELECT 1 / 0"))
        yield from ()

    chosen: Callable[[], dict[str, Any]] = figures.families
    families = chosen() | {"money": broken}
    monkeypatch.setattr(figures, "families", lambda: families)
    told = scrape()
    assert value(told, "figures_failed", family="money") == 1
    assert value(told, "database_up") == 1
    assert "leadfactory_sends" in told
