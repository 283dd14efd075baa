"""What a business was told once holds for life, whoever asks, however often, and whatever the list says later."""

from __future__ import annotations

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory.d07_storefront import price_book as room
from leadfactory.d07_storefront.price_book import Price, PriceList, price_for, price_list
from leadfactory.d07_storefront.tables import price_book
from leadfactory.d11_experiments.buckets import HOLDOUT
from leadfactory.d11_experiments.definitions import read
from leadfactory.d11_experiments.tables import experiment_assignments
from leadfactory.yaml_config import ConfigError
from tests.leads import TUESDAY, UNIT

BUSINESS = uuid.UUID(int=7)
LIST = {"version": "1", "as_of": "2026-11-23", "currency": "USD", "prices": {"full_report": 19_900}}
TESTED = LIST | {"version": "2", "arms": {"report_price": {"list": 19_900, "lower": 14_900}}}


def told(leads, business_id=BUSINESS, now=TUESDAY):
    with leads.db.begin() as tx:
        return price_for(tx, business_id, UNIT.campaign, now)


def use(monkeypatch, content):
    monkeypatch.setattr(room, "price_list", lambda: PriceList.model_validate(content))


def assign(leads, arm, *, experiment="report_price", business_id=BUSINESS, at=TUESDAY, cohort_on=UNIT.day):
    values = {"campaign": UNIT.campaign, "cohort_on": cohort_on, "business_id": business_id, "experiment": experiment,
              "version": 1, "arm": arm, "bucket": 1, "assigned_at": at}  # fmt: skip
    with leads.db.begin() as tx:
        tx.execute(sa.insert(experiment_assignments).values(values))


def test_the_report_starts_at_19_900_cents():
    assert (price_list().prices["full_report"], price_list().currency) == (19_900, "USD")


def test_without_an_experiment_the_list_price_holds(leads):
    assert told(leads) == Price(19_900, "usd", None)


def test_a_price_is_shown_with_its_currency():
    assert [Price(cents, "usd", None).shown for cents in (19_900, 14_950, 123_456_00)] == [
        "$199 USD", "$149.50 USD", "$123,456 USD",
    ]  # fmt: skip


def test_a_later_list_does_not_move_what_was_told(leads, monkeypatch):
    told(leads)
    use(monkeypatch, LIST | {"version": "9", "prices": {"full_report": 29_900}})
    assert told(leads, now=TUESDAY + dt.timedelta(days=90)).amount_cents == 19_900
    assert told(leads, uuid.UUID(int=8)).amount_cents == 29_900


@pytest.mark.parametrize(("arm", "cents", "name"), [("list", 19_900, "list"), ("lower", 14_900, "lower"), (HOLDOUT, 19_900, None)])  # fmt: skip
def test_an_arm_decides_and_the_holdout_pays_the_list_price(leads, monkeypatch, arm, cents, name):
    use(monkeypatch, TESTED)
    assign(leads, arm)
    assert told(leads) == Price(cents, "usd", name)


def test_an_experiment_that_the_list_does_not_name_moves_no_price(leads, monkeypatch):
    use(monkeypatch, TESTED)
    assign(leads, "lower", experiment="subject_line_test")
    assert told(leads).arm is None


def test_the_arm_of_a_second_campaign_day_does_not_move_the_price(leads, monkeypatch):
    use(monkeypatch, TESTED)
    assign(leads, "lower")
    assert told(leads).amount_cents == 14_900
    later = UNIT.day + dt.timedelta(days=200)
    assign(leads, "list", cohort_on=later, at=TUESDAY - dt.timedelta(days=1))
    assert told(leads).amount_cents == 14_900


def test_the_shipped_price_test_has_a_price_for_each_arm():
    shipped = read()["price_point_test"]
    assert set(price_list().arms["price_point_test"]) == set(shipped.arms)
    assert price_list().arms["price_point_test"][shipped.design.control] == price_list().prices["full_report"]


def test_an_arm_without_a_price_is_refused_by_name(leads, monkeypatch):
    use(monkeypatch, TESTED)
    assign(leads, "higher")
    with pytest.raises(ConfigError, match=r"arms\.report_price has no price for arm 'higher'"):
        told(leads)


def test_of_many_who_ask_at_once_all_hear_the_same(leads, monkeypatch):
    cents = iter(range(20_000, 20_008))
    monkeypatch.setattr(
        room, "price_list", lambda: PriceList.model_validate(LIST | {"prices": {"full_report": next(cents)}})
    )
    with ThreadPoolExecutor(8) as pool:
        heard = set(pool.map(lambda _: told(leads), range(8)))
    assert len(heard) == 1


def test_the_application_may_not_change_what_was_told(leads):
    told(leads)
    with pytest.raises(sa.exc.ProgrammingError) as refused, leads.db.begin() as tx:
        tx.execute(sa.update(price_book).values(amount_cents=1))
    assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)
