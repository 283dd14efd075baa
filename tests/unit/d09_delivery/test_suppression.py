"""Suppressions: keyed, global, in every form of an address, and tied to the one key for ever."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from leadfactory.d09_delivery import suppression
from leadfactory.d09_delivery.tables import suppressions
from leadfactory.keyed_hashes import KeyedHashes
from tests.leads import TUESDAY

HASHES = KeyedHashes("a key of this test")
BUSINESS = uuid.UUID(int=7)


def suppress(database, **what):
    with database.begin() as tx:
        return suppression.suppress(tx, HASHES, reason="unsubscribed", source="test", now=TUESDAY, **what)


def barred(database, **what):
    with database.begin() as tx:
        return suppression.is_suppressed(tx, HASHES, **what)


@pytest.mark.parametrize("asked", ["joe@grill.example", "JOE@Grill.Example", "joe+tag@grill.example"])
@pytest.mark.parametrize("suppressed", ["joe@grill.example", "joe+news@grill.example"])
def test_an_address_is_barred_in_every_spelling(database, suppressed, asked):
    suppress(database, address=suppressed)
    assert barred(database, address=asked)


def test_others_are_not(database):
    suppress(database, address="joe@grill.example", business_id=BUSINESS)
    assert not barred(database, address="ann@grill.example")
    assert not barred(database, business_id=uuid.UUID(int=8))
    assert not barred(database)


def test_an_internationalised_domain_is_one_in_both_forms(database):
    suppress(database, address="joe@grüll.example")
    assert barred(database, address="joe@xn--grll-1ra.example")


def test_a_domain_bars_everybody_behind_it(database):
    suppress(database, domain="WWW.Grill.example.")
    assert barred(database, address="anybody@mail.grill.example")
    assert barred(database, domain="grill.example")


def test_a_business_is_barred_by_its_id(database):
    suppress(database, business_id=BUSINESS)
    assert barred(database, business_id=BUSINESS)


def test_the_same_again_adds_nothing(database):
    assert suppress(database, address="joe@grill.example") == 2
    assert suppress(database, address="joe@grill.example") == 0


def test_no_address_is_kept(database):
    suppress(database, address="joe@grill.example", domain="grill.example")
    with database.begin() as tx:
        assert not any("joe" in str(row) or "grill" in str(row) for row in tx.execute(sa.select(suppressions)))


@pytest.mark.parametrize(("what", "message"), [({}, "nothing to suppress"), ({"domain": "gmail.com"}, "mail provider"), ({"address": "nobody"}, "without a local part")])  # fmt: skip
def test_what_cannot_be_suppressed_is_refused(database, what, message):
    with pytest.raises(ValueError, match=message):
        suppress(database, **what)


def test_another_key_can_neither_ask_nor_add(database):
    suppress(database, address="joe@grill.example")
    other = KeyedHashes("another key")
    with pytest.raises(suppression.KeyMismatch, match=HASHES.fingerprint), database.begin() as tx:
        suppression.is_suppressed(tx, other, address="joe@grill.example")
    with pytest.raises(suppression.KeyMismatch, match=other.fingerprint), database.begin() as tx:
        suppression.suppress(tx, other, reason="x", source="test", now=TUESDAY, address="ann@grill.example")
