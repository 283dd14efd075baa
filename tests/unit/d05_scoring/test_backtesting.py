"""A backtest: stored cohorts by other rules, from stored inputs, without a write."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.d05_scoring import revenue
from leadfactory.d05_scoring.backtesting import ORDER, backtest
from leadfactory.d05_scoring.rules import config
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.vendor_terms import Storage, VendorTerms
from tests.leads import TUESDAY, UNIT

PRICE = 19_900
STRICT = config().model_copy(update={"version": "strict", "tiers": {"A": 99, "B": 98, "C": 97}})


@pytest.fixture
async def scored(leads):
    """Three leads: two with an address, one without a website."""
    leads.business(1)
    leads.business(2, own_phone="+12125550100")
    leads.business(3, status="no_website", reason="none_known", site_url=None)
    await leads.through("score")
    return leads


def run(leads, rules, **changes):
    given = {"since": UNIT.day, "until": UNIT.day, "now": TUESDAY, "price_cents": PRICE} | changes
    with leads.db.begin() as tx:
        return backtest(tx, rules, **given)


async def test_the_same_rules_change_nothing(scored):
    found = run(scored, config())
    assert (found.campaign_days, found.leads, found.changes) == (1, 3, [])
    assert sum(found.moves[tier, tier] for tier in ORDER) == 3
    assert found.expected_before_cents == found.expected_after_cents > 0


async def test_stricter_rules_move_tiers_and_name_the_leads_that_change(scored):
    found = run(scored, STRICT)
    assert (found.qualified_before, found.qualified_after) == (2, 0)
    assert {move for move, count in found.moves.items() if count} == {("A", "D"), ("B", "D"), ("none", "none")}
    assert [(each.after.tier, each.after.reason) for each in found.changes] == [("D", "tier below B")] * 2
    assert found.rules_version.endswith(".strict")


async def test_expected_revenue_is_price_times_the_tiers_probability_over_the_qualified(scored):
    found = run(scored, STRICT)
    sells = revenue.config().purchase_probability
    assert found.expected_before_cents == pytest.approx(PRICE * (sells["A"] + sells["B"]))
    assert found.expected_after_cents == 0
    assert "expected_revenue_cents_estimate" in found.figures()


async def test_no_row_is_touched(scored):
    before = scored.rows(sa.select(lead_scores))
    run(scored, STRICT)
    assert scored.rows(sa.select(lead_scores)) == before


async def test_the_database_itself_refuses_a_write_in_a_backtest(scored):
    with scored.db.engine.connect() as tx:
        backtest(tx, STRICT, since=UNIT.day, until=UNIT.day, now=TUESDAY, price_cents=PRICE)
        with pytest.raises(sa.exc.DBAPIError, match="read-only"):
            tx.execute(sa.delete(lead_scores))


async def test_it_judges_by_what_the_score_rested_on_not_by_what_is_stored_now(scored):
    with scored.db.begin() as tx:
        tx.execute(sa.text("UPDATE site_audits SET performance = 100"))
        tx.execute(sa.text("DELETE FROM audit_findings"))
    assert run(scored, config()).changes == []


async def test_scores_from_before_inputs_were_stored_are_read_again_and_counted(scored):
    with scored.db.begin() as tx:
        tx.execute(sa.update(lead_scores).values(inputs=sa.null()))
    found = run(scored, config())
    assert (found.leads, found.reread, found.changes) == (3, 3, [])


async def test_expired_inputs_count_as_unknown_and_are_counted(scored):
    known = VendorTerms.load()
    short = known.field("pagespeed", "lighthouse").model_copy(update={"store": Storage(hours=24)})
    terms = VendorTerms(vendors=known.vendors | {"pagespeed": known.vendors["pagespeed"] | {"lighthouse": short}})
    fresh = run(scored, config(), terms=terms)
    late = run(scored, config(), terms=terms, now=TUESDAY + dt.timedelta(days=2))
    assert (fresh.leads_with_expired, fresh.changes) == (0, [])
    assert late.leads_with_expired == 2
    assert late.expired["findings"] == late.expired["performance"] == 2
    assert late.figures()["expired_inputs"]["performance"] == 2
    assert {each.after.reason for each in late.changes} == {"fewer than 4 findings"}


async def test_a_band_of_reviews_that_nobody_signed_for_is_unknown(scored):
    with scored.db.begin() as tx:
        tx.execute(
            sa.text("""UPDATE lead_scores SET inputs = inputs || '{"review_band": ">50"}' WHERE score IS NOT NULL""")
        )
    assert run(scored, config()).expired == {"review_band": 2}


@pytest.mark.parametrize(
    "changes",
    [{"since": UNIT.day + dt.timedelta(days=1), "until": UNIT.day + dt.timedelta(days=9)}, {"campaign": "other"}],
)
async def test_only_the_cohorts_that_were_asked_for_are_read(scored, changes):
    assert run(scored, STRICT, **changes).leads == 0


async def test_the_campaigns_own_gate_and_top_share_hold(scored):
    with scored.db.begin() as tx:
        tx.execute(sa.text("UPDATE campaigns SET min_tier = 'D', top_share = 0.3"))
    assert run(scored, STRICT).qualified_after == 1
