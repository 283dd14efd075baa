"""What a webhook lost is asked for, and Stripe, purchases and reports are held against each other, through the real clients."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from cli import purchases as commands
from leadfactory import pauses
from leadfactory.backup import transactions
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d06_reports.tables import audit_reports
from leadfactory.d07_storefront import browsing, reconciling
from leadfactory.inbox.tables import webhook_inbox
from leadfactory_assets import d07_storefront as wiring
from tests.leads import TUESDAY, clock_at

LATER = clock_at(TUESDAY + dt.timedelta(minutes=10))


def ask(shop, what):
    config = shop.world.settings
    stripe = StripeClient(Gateway(shop.world.db, clock=LATER, settings=config), config)
    return asyncio.run(what(db=shop.world.db, clock=LATER, settings=config, stripe=stripe))


def differences(shop):
    return [each.name for each in ask(shop, reconciling.differences)]


def blob_of(shop):
    (row,) = shop.world.all(audit_reports)
    return Path(shop.world.settings.blobs) / row.html_sha256[:2] / row.html_sha256


def test_what_no_webhook_brought_is_asked_for_once(shop):
    shop.buy(shop.letter())
    told, new = ask(shop, reconciling.poll)
    assert (told > 0, new) == (True, told)
    shop.drain()
    assert [row.state for row in shop.purchases] == ["paid"]
    assert ask(shop, reconciling.poll) == (told, 0)
    assert not [row for row in shop.world.all(webhook_inbox) if "owner@joes" in json.dumps(row.payload)]


def test_replayed_transactions_bring_the_sales_and_refunds_that_a_restored_database_never_heard_of(shop):
    """As after a restore to before both: Stripe has them, no webhook will come again, and a second replay changes nothing."""
    first, second = (shop.buy(shop.letter(number)) for number in (1, 2))
    shop.refund(second, 5_000)
    assert shop.purchases == []
    with shop.world.db.begin() as tx:  # as the runbook does it: nothing else goes on meanwhile
        pauses.pause(tx, "all", "", reason="rows do not add up", by="ana", now=TUESDAY)
    since = TUESDAY - dt.timedelta(hours=1)
    told = asyncio.run(transactions.replay(shop.world.db, shop.world.settings, since))
    assert told["events_lost_by_webhooks"] == told["events_at_stripe"] > 0
    sold = {row.session_id: (row.state, row.refunded_cents) for row in shop.purchases}
    assert sold == {first: ("paid", 0), second: ("partially_refunded", 5_000)}
    book = shop.book
    assert sum(book.values()) == 0
    again = asyncio.run(transactions.replay(shop.world.db, shop.world.settings, since))
    assert again["events_lost_by_webhooks"] == 0
    assert (shop.book, len(shop.purchases)) == (book, 2)


def test_more_than_a_page_of_events_is_asked_for(shop):
    shop.vendor.post("/_admin/options", json={"stripe_per_second": 10_000}).raise_for_status()
    for number in range(1, 4):
        session_id = shop.buy(shop.letter(number))
        for _ in range(36):
            shop.refund(session_id, 100)
    told, _ = ask(shop, reconciling.poll)
    assert told > 200
    shop.drain()
    assert [row.refunded_cents for row in shop.purchases] == [3_600] * 3


def test_after_a_day_of_sales_and_refunds_the_difference_is_zero(shop):
    sessions = [shop.buy(shop.letter(number)) for number in range(1, 5)]
    shop.refund(sessions[0])
    shop.refund(sessions[1], 5_000)
    shop.open(shop.letter(9))
    shop.tell()
    shop.work()
    assert differences(shop) == []


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda shop: shop.buy(shop.letter(2)), ["paid_without_purchase"]),
        (lambda shop: shop.refund(shop.purchases[0].session_id, 5_000), ["refunded_differs"]),
        (lambda shop: shop.vendor.post("/_admin/reset").raise_for_status(), ["purchase_without_payment"]),
        (lambda shop: blob_of(shop).write_bytes(b"<html>cheaper</html>"), ["report_altered"]),
        (lambda shop: blob_of(shop).unlink(), ["report_altered"]),
    ],
    ids=["a sale that nobody heard of", "a refund that nobody heard of", "a payment that Stripe forgot", "a file that was changed", "a file that is gone"],
)  # fmt: skip
def test_what_differs_is_named(shop, spoil, named):
    shop.buy(shop.letter())
    shop.tell()
    shop.work()
    spoil(shop)
    assert differences(shop) == named


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM leadfactory.purchases", ["paid_without_purchase", "report_without_purchase"]),
        ("UPDATE leadfactory.purchases SET amount_cents = 1", ["amount_differs"]),
        ("UPDATE leadfactory.purchases SET session_id = 'cs_other'", ["paid_without_purchase", "purchase_without_payment"]),
        ("DELETE FROM leadfactory.report_deliveries", ["report_not_mailed"]),
        ("UPDATE leadfactory.report_deliveries SET bounced_at = now()", ["report_not_mailed"]),
        ("INSERT INTO leadfactory.refund_requests (refund_id, purchase_id, amount_cents, reason, requested_by, idempotency_key, state, requested_at)"
         " SELECT gen_random_uuid(), purchase_id, 5000, 'late', 'operator', 'k', 'rejected', paid_at - interval '2 hours' FROM leadfactory.purchases", ["refund_not_given"]),
        ("ALTER TABLE leadfactory.audit_reports DISABLE TRIGGER USER; DELETE FROM leadfactory.audit_reports; ALTER TABLE leadfactory.audit_reports ENABLE TRIGGER USER", ["paid_without_report"]),
    ],
    ids=["a purchase lost", "a purchase changed", "a purchase of nothing", "a mail lost", "a mail that came back", "a refund that was refused", "a report lost"],
)  # fmt: skip
def test_what_somebody_did_to_our_tables_is_named(shop, owner_database, statement, named):
    shop.buy(shop.letter())
    shop.tell()
    shop.work()
    with owner_database.begin() as tx:
        tx.execute(sa.text(statement))
    assert differences(shop) == named


def test_a_purchase_tells_its_story_and_its_evidence_without_an_address(shop):
    session_id = shop.buy(shop.letter(), email="owner@joes.example")
    page = shop.client.get("/success", params={"session_id": session_id}).text
    shop.client.get(page.split('href="https://lf.example')[1].split('"')[0], headers={"user-agent": "Mozilla/5.0"})
    shop.tell()
    shop.work()
    (bought,) = shop.purchases
    with shop.world.db.begin() as tx:
        told = browsing.story(tx, bought.purchase_id)
        pack = browsing.evidence(tx, bought.purchase_id, TUESDAY)
    assert [each["state"] for each in told["mails"]] == ["accepted"]
    assert (pack["opened_by_a_person"], pack["agreed"]["terms_version"], pack["agreed"]["price_cents"]) == (
        1,
        "1",
        19_900,
    )
    assert "owner@joes" not in str((told, pack))


def test_an_unknown_purchase_is_told_with_the_way_out(shop):
    with pytest.raises(commands.CommandError, match="no purchase id"):
        commands._id("nonsense")
    with shop.world.db.begin() as tx, pytest.raises(LookupError, match="purchases list"):
        browsing.story(tx, uuid.UUID(int=1))


def test_the_check_in_the_graph_is_red_while_something_differs(shop, monkeypatch):
    config = shop.world.settings
    monkeypatch.setattr(wiring, "settings", lambda: config)
    stripe = StripeClient(Gateway(shop.world.db, clock=LATER, settings=config), config)
    shop.buy(shop.letter())
    resources = {"db": shop.world.db, "clock": LATER, "stripe": stripe}
    red = wiring.three_way_match(**resources)
    assert isinstance(red, dg.AssetCheckResult)
    assert (red.passed, red.metadata["difference"].value) == (False, 1)
    shop.tell()
    shop.work()
    assert wiring.three_way_match(**resources).passed
