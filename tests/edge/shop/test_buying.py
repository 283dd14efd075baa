"""From the click on "buy" to the purchase and back: one checkout, one purchase, and a book that balances, in any order."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from leadfactory.campaign_days import campaign_days
from leadfactory.d07_storefront import folding
from leadfactory.d07_storefront.tables import checkout_sessions, money_entries, payment_events, price_book
from leadfactory.d09_delivery.tables import sequence_stops, suppressions
from leadfactory.inbox.tables import webhook_inbox
from leadfactory.quality.gx import judge
from tests.edge.shops import KEY
from tests.leads import TUESDAY, UNIT


def truth(shop, kind):
    return shop.vendor.get("/_truth/stripe", params={"kind": kind}).json()


def test_a_click_opens_one_checkout_at_our_price(shop):
    send_id = shop.letter()
    page = shop.vendor.get(httpx.URL(shop.open(send_id)).path).text
    assert "$199.00" in page
    (row,) = shop.checkouts
    assert (row.state, row.amount_cents, row.currency, row.send_id) == ("open", 19_900, "usd", send_id)
    (made,) = truth(shop, "checkout_session")
    assert made["metadata"]["checkout_id"] == str(row.checkout_id)


def test_a_price_in_the_request_is_not_heard(shop):
    send_id = shop.letter()
    link = f"/a/{shop.token('landing', send_id)}/checkout?amount_cents=1"
    shop.client.post(
        link, data={"immediate_delivery": "yes", "amount": "1", "price": "1", "currency": "eur"}, follow_redirects=False
    )
    assert [(each["amount_total"], each["currency"]) for each in truth(shop, "checkout_session")] == [(19_900, "usd")]


def test_a_scanner_that_follows_the_link_opens_nothing(shop):
    send_id = shop.letter()
    assert shop.client.get(f"/a/{shop.token('landing', send_id)}/checkout").status_code == 405
    assert shop.client.head(f"/a/{shop.token('landing', send_id)}/checkout").status_code == 405
    assert (shop.checkouts, shop.world.all(price_book)) == ([], [])


def test_a_second_click_finds_the_open_page(shop):
    send_id = shop.letter()
    assert shop.open(send_id) == shop.open(send_id)
    assert len(truth(shop, "checkout_session")) == 1


def test_many_clicks_at_once_open_one(shop):
    send_id = shop.letter()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: shop.ask(send_id), range(6)))
    assert len({answer.headers.get("location") for answer in answers if answer.status_code == 303}) == 1
    assert len(truth(shop, "checkout_session")) == 1


def test_a_lost_answer_is_asked_for_again_under_its_key(shop):
    send_id = shop.letter()
    shop.vendor.post(
        "/_admin/faults", json={"vendor": "stripe", "kind": "lost", "rate": 1.0, "count": 3}
    ).raise_for_status()
    assert shop.ask(send_id).status_code == 503
    (claimed,) = shop.checkouts
    shop.open(send_id)
    (row,) = shop.checkouts
    assert (claimed.state, row.state, row.idempotency_key) == ("claimed", "open", claimed.idempotency_key)
    assert len(truth(shop, "checkout_session")) == 1


def test_a_page_that_ran_out_is_replaced(shop):
    send_id = shop.letter()
    first = shop.open(send_id)
    with shop.world.db.begin() as tx:
        tx.execute(sa.update(checkout_sessions).values(expires_at=TUESDAY))
    assert shop.open(send_id) != first
    assert sorted(row.state for row in shop.checkouts) == ["expired", "open"]


def test_a_letter_without_a_measured_website_sells_nothing(shop):
    send_id, _ = shop.world.send(5)
    assert (shop.ask(send_id).status_code, shop.checkouts) == (404, [])


@pytest.mark.parametrize("purpose", ["unsubscribe", "report"])
def test_a_token_for_something_else_sells_nothing(shop, purpose):
    send_id = shop.letter()
    link = f"/a/{shop.token(purpose, send_id)}/checkout"
    assert shop.client.post(link, follow_redirects=False).status_code == 404


def test_who_cancels_is_told_that_nothing_was_charged(shop):
    send_id = shop.letter()
    session = shop.session(shop.open(send_id).rsplit("/", 1)[1])
    answer = shop.client.get(httpx.URL(session["cancel_url"]).path)
    assert (answer.status_code, "You were not charged" in answer.text) == (200, True)


def test_a_payment_is_one_purchase_of_the_campaign_day_that_found_the_business(shop):
    send_id = shop.letter()
    session_id = shop.buy(send_id)
    shop.tell()
    (row,) = shop.purchases
    assert (row.state, row.amount_cents, row.currency, row.send_id) == ("paid", 19_900, "usd", send_id)
    assert (row.campaign, row.cohort_on, row.session_id) == (UNIT.campaign, UNIT.day, session_id)
    assert bytes(row.payer_hmac) == shop.world.hashes.address("owner@joes.example")
    assert shop.book == {"stripe": 19_900, "sales": -19_900}
    assert [row.state for row in shop.checkouts] == ["complete"]


def test_a_purchase_ends_the_letters_and_says_that_the_lake_is_behind(shop):
    send_id = shop.letter()
    shop.buy(send_id)
    shop.tell()
    assert [(row.reason, row.send_id) for row in shop.world.all(sequence_stops)] == [("purchase", send_id)]
    (day,) = shop.world.all(campaign_days)
    assert "purchases" in day.dirty


def test_no_address_of_the_buyer_is_stored(shop):
    shop.buy(shop.letter(), email="owner@joes.example")
    shop.tell()
    for table in (webhook_inbox, payment_events):
        assert "owner@joes" not in str([dict(row._mapping) for row in shop.world.all(table)])


def test_what_was_bought_cannot_be_bought_again(shop):
    first = shop.letter()
    second, _ = shop.world.send(1, step=2)
    shop.buy(first)
    shop.tell()
    for send_id in (first, second):
        answer = shop.ask(send_id)
        assert (answer.status_code, "bought already" in answer.text) == (410, True)


def test_after_a_refund_it_can_be_bought_again(shop):
    send_id = shop.letter()
    shop.refund(shop.buy(send_id))
    shop.tell()
    shop.buy(send_id)
    shop.tell()
    assert sorted(row.state for row in shop.purchases) == ["paid", "refunded"]


@pytest.mark.parametrize(
    ("card", "then", "state", "book"),
    [
        ("bank", None, "paid", {"stripe": 19_900, "sales": -19_900}),
        ("4000000000000259", None, "disputed", {"sales": -19_900, "disputes": 19_900}),
        ("4242424242424242", 5_000, "partially_refunded", {"stripe": 14_900, "sales": -19_900, "refunds": 5_000}),
        ("4242424242424242", 19_900, "refunded", {"sales": -19_900, "refunds": 19_900}),
    ],
    ids=["paid by bank", "disputed", "refunded in part", "refunded"],
)
@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_posts_ends_in_the_same_state_and_book(shop, card, then, state, book, seed):
    session_id = shop.buy(shop.letter(), card=card)
    if then is not None:
        shop.refund(session_id, then)
    events = [event for event in shop.events() for _ in range(random.Random(seed).randint(1, 5))]
    random.Random(seed).shuffle(events)
    for event in events:
        shop.tell([event])
    (row,) = shop.purchases
    assert (row.state, shop.book) == (state, book)


def test_a_dispute_that_is_told_before_its_sale_waits_for_it(shop):
    shop.buy(shop.letter(), card="4000000000000259")
    events = sorted(shop.events(), key=lambda event: event["type"] != "charge.dispute.created")
    shop.tell(events[:1])
    assert shop.purchases == []
    shop.tell(events[1:])
    assert [row.state for row in shop.purchases] == ["disputed"]
    assert not [row for row in shop.world.all(webhook_inbox) if row.outcome == "unmatched"]


def test_who_disputes_is_not_written_to_again(shop):
    send_id = shop.letter()
    shop.buy(send_id, card="4000000000000259")
    shop.tell()
    found = {(row.kind, bytes(row.subject_hmac), row.reason) for row in shop.world.all(suppressions)}
    assert ("address", shop.world.hashes.address("owner@joes.example"), "disputed") in found
    assert ("business", shop.purchases[0].business_id.bytes, "disputed") in found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount_total": 100}, "wrong_amount"),
        ({"currency": "eur"}, "wrong_currency"),
        ({"livemode": True}, "live_money"),
    ],
)
def test_money_that_is_not_what_we_asked_for_is_quarantined_by_name(shop, change, reason):
    shop.buy(shop.letter())
    (event,) = [each for each in shop.events() if each["type"] == "checkout.session.completed"]
    event["data"]["object"] |= change
    shop.tell([event])
    (row,) = shop.purchases
    assert (row.state, row.reason.startswith(reason)) == ("quarantined", True)
    assert set(shop.book) == {"stripe", "unexplained"}


def test_a_checkout_of_somebody_elses_shop_makes_no_purchase(shop):
    form = {"mode": "payment", "success_url": "https://other.example/", "line_items[0][quantity]": "1", "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": "500", "line_items[0][price_data][product_data][name]": "Mug"}  # fmt: skip
    made = shop.vendor.post("/stripe/v1/checkout/sessions", headers=KEY, data=form).json()
    shop.pay(made["url"])
    shop.tell()
    assert shop.purchases == []


def test_who_gives_up_leaves_an_expired_checkout(shop):
    session_id = shop.open(shop.letter()).rsplit("/", 1)[1]
    shop.vendor.post(f"/stripe/v1/checkout/sessions/{session_id}/expire", headers=KEY).raise_for_status()
    shop.tell()
    assert ([row.state for row in shop.purchases], [row.state for row in shop.checkouts], shop.book) == (
        ["expired"],
        ["expired"],
        {},
    )


def test_drains_at_once_make_one_purchase_and_post_once(shop):
    for number in range(1, 4):
        shop.buy(shop.letter(number))
    for event in shop.events() * 3:
        shop.world.pay(event)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: shop.drain(), range(4)))
    assert (len(shop.purchases), shop.book["stripe"]) == (3, 3 * 19_900)


def test_folding_again_changes_nothing_and_the_set_rules_hold(shop):
    shop.refund(shop.buy(shop.letter()), 5_000)
    shop.tell()
    before = (shop.purchases, shop.world.all(money_entries))
    with shop.world.db.begin() as tx:
        events, sessions = folding.refold(tx, UNIT, TUESDAY, live=False)
    assert (shop.purchases, shop.world.all(money_entries)) == before
    assert (events, sessions) == (3, 1)
    with shop.world.db.begin() as tx:
        assert judge(tx, "purchases", UNIT).broken == ()


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE leadfactory.money_entries SET amount_cents = 1", "append-only"),
        ("DELETE FROM leadfactory.money_entries", "append-only"),
        ("INSERT INTO leadfactory.money_entries (posting_id, kind, account, amount_cents, currency, purchase_id, occurred_at, recorded_at) "
         "SELECT gen_random_uuid(), 'sale', 'stripe', 5, 'usd', purchase_id, now(), now() FROM leadfactory.purchases", "does not sum to zero"),
    ],
    ids=["changed", "deleted", "one-sided"],
)  # fmt: skip
def test_not_even_the_owner_bends_the_book(shop, owner_database, statement, error):
    shop.buy(shop.letter())
    shop.tell()
    with pytest.raises(sa.exc.DBAPIError, match=error), owner_database.begin() as tx:
        tx.execute(sa.text(statement))


def test_the_application_may_not_touch_what_stripe_said(shop):
    shop.buy(shop.letter())
    shop.tell()
    with pytest.raises(sa.exc.ProgrammingError) as refused, shop.world.db.begin() as tx:
        tx.execute(sa.delete(payment_events))
    assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)
