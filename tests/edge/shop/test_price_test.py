"""A price experiment through the real rooms: the arm's price in the letter, on the landing page and at the till, for life."""

from __future__ import annotations

import re

import httpx
import pytest
import sqlalchemy as sa
import yaml

from leadfactory.d07_storefront.price_book import price_list
from leadfactory.d07_storefront.tables import price_book, purchases
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.d11_experiments import assignment, definitions, launches, reading
from leadfactory.d11_experiments.tables import experiment_assignments
from tests.leads import CLOCK, TUESDAY, UNIT

NAME = "price_point_test"


@pytest.fixture
async def priced(shop):
    """Six businesses of the shipped test, which a person let start; each has its letter, sent."""
    world = shop.world
    for number in range(1, 7):
        world.business(number, contact_email_url=f"https://shop{number}.example/contact")
    await world.through("score")
    with world.db.begin() as tx:
        definitions.load(tx, definitions.read(), TUESDAY)
        launches.accept_weak(tx, NAME, "ana", TUESDAY)
    await world.through("draft")
    with world.db.begin() as tx:
        for draft in tx.execute(sa.select(email_drafts)).all():
            row = {
                "campaign": UNIT.campaign, "cohort_on": UNIT.day, "send_id": draft.draft_id, "business_id": draft.business_id, "step": 1,
                "draft_id": draft.draft_id, "address_hmac": b"\x01", "address_plus_hmac": b"\x01", "sender_email": "ana@mail.leadfactory.example",
                "state": "accepted", "due_at": TUESDAY, "expires_at": TUESDAY, "planned_at": TUESDAY, "claimed_at": TUESDAY,
            }  # fmt: skip
            tx.execute(sa.insert(email_sends).values(row))
        tx.execute(sa.update(experiment_assignments).values(exposed_at=TUESDAY))
    return shop


def arms(shop):
    t = experiment_assignments
    rows = shop.world.rows(sa.select(t.c.business_id, t.c.arm).where(t.c.experiment == NAME))
    return {row.business_id: row.arm for row in rows}


async def test_one_price_from_the_letter_over_the_page_to_the_till(priced):
    found = arms(priced)
    assert set(found.values()) == {"list", "lower"}
    for send in priced.world.all(email_sends):
        shown = f"${price_list().arms[NAME][found[send.business_id]] // 100} USD"
        (draft,) = priced.world.rows(sa.select(email_drafts).where(email_drafts.c.draft_id == send.draft_id))
        assert shown in draft.body_text
        landing = priced.client.get(f"/a/{priced.token('landing', send.send_id)}").text
        assert f"Order and pay {shown}" in landing
        till = priced.vendor.get(httpx.URL(priced.open(send.send_id)).path).text
        assert re.findall(r"\$\d+\.\d\d", till)[0] == f"{shown.removesuffix(' USD')}.00"


async def test_a_sale_is_counted_for_the_arm_that_was_paid(priced):
    found = arms(priced)
    (send,) = [each for each in priced.world.all(email_sends) if found[each.business_id] == "lower"][:1]
    priced.buy(send.send_id)
    priced.tell()
    (row,) = priced.world.all(purchases)
    assert (row.amount_cents, row.arm) == (14_900, "lower")
    with priced.world.db.begin() as tx:
        said = reading.read(tx, NAME, 1, TUESDAY.replace(day=20)).newest
    assert {arm.arm: arm.events for arm in said.arms} == {"list": 0, "lower": 1}


async def test_a_business_that_was_told_a_price_is_in_no_arm_of_another(priced, tmp_path):
    before = {row.business_id: row.arm for row in priced.world.all(price_book)}
    shipped = yaml.safe_load(definitions.PATH.read_text())["experiments"][NAME]
    file = tmp_path / "experiments.yaml"
    file.write_text(yaml.safe_dump({"experiments": {NAME: shipped | {"version": 2, "salt": "another-salt"}}}))
    with priced.world.db.begin() as tx:
        tx.execute(sa.update(experiment_assignments).values(exposed_at=None))
        definitions.load(tx, definitions.read(file), TUESDAY)
        launches.accept_weak(tx, NAME, "ana", TUESDAY)
    assignment.assign(UNIT, db=priced.world.db, clock=CLOCK, path=file)
    after = arms(priced)
    assert 0 < len(after) < len(before)
    assert all(before[business] == arm for business, arm in after.items())
