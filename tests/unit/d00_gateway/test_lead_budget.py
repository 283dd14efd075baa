"""What one lead may cost: 15 cents before it qualifies, 40 after, as configured, held by the gateway itself."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d00_gateway import budget, tables
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.ledger import Ending
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.writer import Writer
from tests.unit.d00_gateway.test_limiter import a_call, policies

CALL = 35_000  # millionths of a dollar: one text search of Places


def test_the_configured_caps_are_fifteen_and_forty_cents():
    loaded = Policies.load()
    for caps in (loaded.budgets, loaded.sandbox_budgets):
        assert (caps.lead_cents, caps.qualified_lead_cents) == (15, 40)


async def test_a_lead_draws_fifteen_cents_before_it_qualifies_and_forty_after(database):
    writer, business, other = Writer(database, clock=Clock(), policies=policies()), uuid.uuid4(), uuid.uuid4()
    await writer.open()
    refusals: list[str] = []

    async def spend(about: uuid.UUID) -> int:
        """Calls until the budget refuses; each turns out to cost its worst case."""
        for count in range(100):
            call = a_call(worst_case=CALL, business=about)
            try:
                permit = await writer.start(call, 1)
            except VendorUnavailable as error:
                refusals.append(error.reason)
                return count
            writer.settle(Ending(call, permit, status="ok", cost=CALL))
        pytest.fail("no budget refused")

    before = await spend(business)
    with database.begin() as tx:
        budget.qualify(tx, [business], policies().budgets)
    after = await spend(business)
    assert (before, before + after) == (150_000 // CALL, 400_000 // CALL)
    assert await spend(other) == before
    assert refusals == ["budget"] * 3
    await writer.close()
    with database.begin() as tx:
        rows = dict(tx.execute(sa.select(tables.budgets.c.key, tables.budgets.c.spent_microusd).where(tables.budgets.c.scope == "lead")).tuples().all())  # fmt: skip
    assert rows == {str(business): (before + after) * CALL, str(other): before * CALL}
