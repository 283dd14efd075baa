"""What a purchase is, by the set of its events: any order, any repetition, one state and one set of balances."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d07_storefront.purchase_states import Expected, PaymentEvent, fold
from tests.examples import examples

NOON = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)
EXPECTED = Expected(19_900, "usd", live=False)
PAID = {"session": "cs_1", "payment_intent": "pi_1", "status": "complete", "payment_status": "paid", "currency": "usd",
        "amount_total": 19_900, "amount_tax": 0, "livemode": False, "payer_hmac": "ab" * 32}  # fmt: skip


def event(kind, number=0, **facts):
    return PaymentEvent(
        f"evt_{kind}_{number}_{sorted(facts.items())}", kind, NOON + dt.timedelta(minutes=number), facts
    )


def session(kind="completed", number=0, **changes):
    return event(f"checkout.session.{kind}", number, **PAID | changes)


def refund(name, status, cents, number):
    return event("refund.updated", number, payment_intent="pi_1", refund=name, refund_status=status, refund_cents=cents)


def charge(cents, number):
    return event("charge.refunded", number, payment_intent="pi_1", amount_refunded=cents)


def dispute(status, number, name="du_1", cents=19_900):
    kind = "charge.dispute.closed" if status in ("won", "lost", "warning_closed") else "charge.dispute.created"
    return event(kind, number, payment_intent="pi_1", dispute=name, dispute_status=status, dispute_cents=cents)


UNPAID = session(payment_status="unpaid")
HISTORIES = {
    "paid": ("paid", [session()]),
    "paid and seen by us": ("paid", [session(), event("session.observed", 1, **PAID)]),
    "waits for the bank": ("pending", [UNPAID]),
    "the bank paid": ("paid", [UNPAID, session("async_payment_succeeded", 5)]),
    "the bank did not": ("failed", [UNPAID, session("async_payment_failed", 5, payment_status="unpaid")]),
    "gave up": ("expired", [session("expired", status="expired", payment_status="unpaid")]),
    "declined, then gave up": ("expired", [event("payment_intent.payment_failed", payment_intent="pi_1"), session("expired", 9, status="expired", payment_status="unpaid")]),
    "declined, then paid": ("paid", [event("payment_intent.payment_failed", payment_intent="pi_1"), session(number=3)]),
    "refunded": ("refunded", [session(), refund("re_1", "succeeded", 19_900, 2), charge(19_900, 2)]),
    "refunded, told by the charge only": ("refunded", [session(), charge(19_900, 2)]),
    "refunded in part": ("partially_refunded", [session(), refund("re_1", "succeeded", 5_000, 2), charge(5_000, 2)]),
    "refunded in two parts": ("refunded", [session(), refund("re_1", "succeeded", 5_000, 2), refund("re_2", "pending", 14_900, 3)]),
    "a refund that failed": ("paid", [session(), refund("re_1", "succeeded", 19_900, 2), charge(19_900, 2), refund("re_1", "failed", 19_900, 8)]),
    "disputed": ("disputed", [session(), dispute("needs_response", 4)]),
    "dispute won": ("dispute_won", [session(), dispute("needs_response", 4), dispute("won", 9)]),
    "dispute lost": ("dispute_lost", [session(), dispute("needs_response", 4), dispute("lost", 9)]),
    "an inquiry that was closed": ("paid", [session(), dispute("warning_needs_response", 4), dispute("warning_closed", 9)]),
    "dispute won, then refunded": ("refunded", [session(), dispute("needs_response", 4), dispute("won", 9), refund("re_1", "succeeded", 19_900, 12)]),
    "wrong amount": ("quarantined", [session(amount_total=100)]),
    "wrong currency": ("quarantined", [session(currency="eur")]),
    "real money here": ("quarantined", [session(livemode=True)]),
}  # fmt: skip


@pytest.mark.parametrize(("state", "events"), HISTORIES.values(), ids=HISTORIES)
def test_a_history_ends_in_its_state(state, events):
    assert fold(events, EXPECTED).state == state


@examples(300)
@given(st.data())
def test_any_order_and_up_to_46_repetitions_give_the_same(data):
    _, events = data.draw(st.sampled_from(list(HISTORIES.values())))
    straight = fold(events, EXPECTED)
    told = data.draw(st.lists(st.sampled_from(events), max_size=46 * len(events)))
    told = data.draw(st.permutations([*events, *told][: 46 * len(events)]))
    assert fold(told, EXPECTED) == straight
    assert fold(told, EXPECTED).balances() == straight.balances()


@examples(200)
@given(st.lists(st.sampled_from([each for _, events in HISTORIES.values() for each in events]), min_size=1))
def test_whatever_came_every_posting_sums_to_zero(events):
    for posting in fold(events, EXPECTED).balances().values():
        assert sum(posting.values()) == 0


@pytest.mark.parametrize(
    ("name", "book"),
    [
        ("paid", {"stripe": 19_900, "sales": -19_900}),
        ("refunded", {"stripe": 0, "sales": -19_900, "refunds": 19_900}),
        ("refunded in part", {"stripe": 14_900, "sales": -19_900, "refunds": 5_000}),
        ("a refund that failed", {"stripe": 19_900, "sales": -19_900}),
        ("disputed", {"stripe": 0, "sales": -19_900, "disputes": 19_900}),
        ("dispute won", {"stripe": 19_900, "sales": -19_900}),
        ("wrong amount", {"stripe": 100, "unexplained": -100}),
        ("waits for the bank", {}),
    ],
)
def test_the_book_of_a_history(name, book):
    found = Counter()
    for posting in fold(HISTORIES[name][1], EXPECTED).balances().values():
        found.update(posting)
    assert {account: found[account] for account in book} == book
    assert sum(found.values()) == 0


def test_tax_is_apart_from_the_price():
    taxed = fold([session(amount_total=21_500, amount_tax=1_600)], EXPECTED)
    assert (taxed.state, taxed.balances()["sale"]) == ("paid", {"stripe": 21_500, "sales": -19_900, "tax": -1_600})


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([session(amount_total=100)], "wrong_amount: 100 instead of 19900"),
        ([session(currency="eur")], "wrong_currency: eur instead of usd"),
        ([session(livemode=True)], "live_money_in_test_mode"),
    ],
)
def test_a_quarantine_says_why(events, reason):
    assert fold(events, EXPECTED).reason == reason


def test_test_money_buys_nothing_where_money_is_real():
    assert fold([session()], Expected(19_900, "usd", live=True)).reason == "test_money_in_live_mode"


def test_the_purchase_is_dated_by_the_first_who_saw_it_paid():
    events = [session(number=2), event("session.observed", 1, **PAID)]
    assert fold(events, EXPECTED).paid_at == NOON + dt.timedelta(minutes=1)


def test_without_events_there_is_no_purchase():
    with pytest.raises(ValueError, match="without events"):
        fold([], EXPECTED)
