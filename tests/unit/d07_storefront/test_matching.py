"""The three-way match: a missing, an extra and an altered row on each side, and each is named."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

from leadfactory.d07_storefront.matching import Delivered, Sold, Taken, match

IDS = [uuid.UUID(int=n) for n in range(1, 5)]


def books():
    """Three purchases that agree on all sides."""
    taken = [Taken(f"cs_{n}", str(IDS[n]), 19_900, "usd", 0) for n in range(3)]
    sold = [Sold(IDS[n], f"cs_{n}", "paid", 19_900, "usd", 0, entitled=True, settled=True) for n in range(3)]
    delivered = [Delivered(uuid.UUID(int=100 + n), IDS[n], 1, intact=True, mail="accepted") for n in range(3)]
    return taken, sold, delivered


def names(taken, sold, delivered):
    return [each.name for each in match(taken, sold, delivered)]


def test_books_that_agree_have_no_difference():
    assert match(*books()) == []


def without(rows):
    return rows[1:]


def altered(rows, **changes):
    return [dataclasses.replace(rows[0], **changes), *rows[1:]]


SIDES = {
    "missing at Stripe": (lambda t, s, d: (without(t), s, d), ["purchase_without_payment"]),
    "extra at Stripe": (lambda t, s, d: ([*t, Taken("cs_9", "x", 19_900, "usd", 0)], s, d), ["paid_without_purchase"]),
    "another amount at Stripe": (lambda t, s, d: (altered(t, amount_cents=100), s, d), ["amount_differs"]),
    "another currency at Stripe": (lambda t, s, d: (altered(t, currency="eur"), s, d), ["currency_differs"]),
    "a refund that only Stripe knows": (lambda t, s, d: (altered(t, refunded_cents=5_000), s, d), ["refunded_differs"]),
    "a purchase missing": (lambda t, s, d: (t, without(s), d), ["paid_without_purchase", "report_without_purchase"]),
    "a purchase too many": (lambda t, s, d: (t, [*s, Sold(IDS[3], "cs_9", "refunded", 19_900, "usd", 0, entitled=False, settled=True)], d), ["purchase_without_payment"]),
    "a purchase altered": (lambda t, s, d: (t, altered(s, amount_cents=1), d), ["amount_differs"]),
    "a purchase in quarantine": (lambda t, s, d: (t, altered(s, state="quarantined", entitled=False), d), ["quarantined"]),
    "a report missing": (lambda t, s, d: (t, s, without(d)), ["paid_without_report"]),
    "a report too many": (lambda t, s, d: (t, s, [*d, Delivered(uuid.UUID(int=200), IDS[3], 1, intact=True, mail=None)]), ["report_without_purchase"]),
    "a report altered": (lambda t, s, d: (t, s, altered(d, intact=False)), ["report_altered"]),
    "a report that was not mailed": (lambda t, s, d: (t, s, altered(d, mail="unknown")), ["report_not_mailed"]),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), SIDES.values(), ids=SIDES)
def test_a_difference_is_named(spoil, told):
    assert names(*spoil(*books())) == told


def test_a_difference_tells_the_thing_and_both_values():
    taken, sold, delivered = books()
    (found,) = match(altered(taken, amount_cents=100), sold, delivered)
    assert (found.what, found.told) == (str(IDS[0]), "Stripe says 100, we say 19900")


def test_a_report_has_a_few_minutes_to_be_made():
    taken, sold, delivered = books()
    young = [dataclasses.replace(each, settled=False) for each in sold]
    assert match(taken, young, without(altered(delivered, mail="planned"))) == []


def test_who_got_the_money_back_needs_no_report():
    taken, sold, delivered = books()
    gone = altered(sold, state="refunded", entitled=False, refunded_cents=19_900)
    assert match(altered(taken, refunded_cents=19_900), gone, without(delivered)) == []
