"""The re-contact cooldown: nobody hears from two campaigns within its days, and what is planned knows it."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d01_targeting import campaigns, exclusions, history, previewing
from leadfactory.d01_targeting.exclusion_values import Value
from leadfactory.d02_sourcing import chains
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.sending import send_due
from leadfactory.d09_delivery.tables import contact_slots, email_sends
from tests.leads import TUESDAY, UNIT, FakeSendGrid, Leads, clock_at


@pytest.fixture
def written(room):
    """A mailbox that one campaign has written to on a Tuesday."""
    room.drafted(1, email="owner@both.example")
    room.send()
    assert room.states == {"accepted": 1}
    return room


def another_campaign(room, *, weeks: int):
    """A letter of a second campaign to the same mailbox, that many weeks later: the mails handed over and the send's row."""
    clock = clock_at(TUESDAY + dt.timedelta(weeks=weeks))
    second = Leads(room.db, room.settings, CampaignDay("dental-nyc", clock.today()))
    second.campaign(vertical="dental")
    for number in range(1, 20):  # some are held out of the experiment and get no letter
        second.business(number, email="owner@both.example", fetched_at=clock.now())
        asyncio.run(second.through("audit", clock=clock))
        room.change("UPDATE site_audits SET expires_at = :fresh", fresh=clock.now() + dt.timedelta(days=9))
        asyncio.run(second.through("draft", clock=clock))
        drafted = sa.text("SELECT 1 FROM email_drafts WHERE campaign = 'dental-nyc' AND status = 'drafted'")
        if second.rows(drafted):
            break
    sendgrid = FakeSendGrid(room.settings, lambda mail: "id")
    asyncio.run(send_due(second.unit, db=room.db, clock=clock, settings=room.settings, mailer=sendgrid, dry_run=False))
    (row,) = room.rows(sa.select(email_sends).where(email_sends.c.campaign == "dental-nyc"))
    return sendgrid.asked, row


def test_the_claim_holds_a_recipient_for_the_cooldown(written):
    held = {row.held_until for row in written.rows(sa.select(contact_slots.c.held_until))}
    assert held == {TUESDAY + dt.timedelta(days=policy().recontact_cooldown_days)}
    assert policy().recontact_cooldown_days == 90


@pytest.mark.parametrize("weeks", [1, 12])
def test_another_campaign_does_not_write_within_the_cooldown(written, weeks):
    asked, row = another_campaign(written, weeks=weeks)
    assert asked == []
    assert row.state == "planned"


def test_another_campaign_may_write_after_it(written):
    asked, row = another_campaign(written, weeks=13)
    assert (len(asked), row.state) == (1, "accepted")


@pytest.mark.parametrize(
    "value",
    [Value("phone", "+12125550100"), Value("name", "Pronto Slice"), Value("domain", "shop0.example"), Value("address", "info@shop0.example")],
)  # fmt: skip
def test_what_was_excluded_after_the_letter_was_drafted_stops_it_in_the_claim(room, value):
    room.drafted()
    room.change(
        "INSERT INTO businesses (business_id, first_campaign, first_cohort_on, phone_hmac, name_hmac, registered_at) "
        "SELECT business_id, campaign, cohort_on, :phone, :name, now() FROM unique_businesses",
        phone=room.hashes.phone("+12125550100"),
        name=room.hashes.name("Pronto Slice"),
    )
    with room.db.begin() as tx:
        exclusions.add(tx, room.hashes, [value], into="chains", label="test", campaign=None, now=TUESDAY)
    assert room.send()[1].asked == []
    (row,) = room.rows(sa.select(email_sends))
    assert (row.state, row.reason) == ("refused", "excluded")


@pytest.mark.parametrize("branches", ["all", "one"])
def test_chains_are_written_to_by_a_campaign_that_keeps_them(room, branches):
    room.drafted()
    with room.db.begin() as tx:
        value = Value("domain", "shop0.example")
        exclusions.add(tx, room.hashes, [value], into="chains", label="test", campaign=None, now=TUESDAY)
        chains.set_policy(tx, UNIT.campaign, branches)
    assert len(room.send()[1].asked) == 1


def test_the_plan_expects_fewer_letters_where_another_campaign_has_written(written):
    second = Leads(written.db, written.settings, CampaignDay("dental-nyc", UNIT.day))
    second.campaign(vertical="dental")
    for number in range(1, 31):
        second.business(number, email=f"owner@{'both' if number <= 15 else number}.example", site_host="wix.example")
    later = TUESDAY + dt.timedelta(days=10)

    def cooling(now: dt.datetime) -> float:
        with written.db.begin() as tx:
            row = campaigns.get(tx, "dental-nyc")
            return history.day_state(tx, second.unit, row, Policies.load(), now).cooling

    assert cooling(later) == pytest.approx(15 / (30 + history.config().cooldown_prior_businesses))
    assert cooling(TUESDAY + dt.timedelta(days=91)) == 0
    with written.db.begin() as tx:
        assert history.day_state(tx, UNIT, campaigns.get(tx, UNIT.campaign), Policies.load(), later).cooling == 0
        plan = previewing.preview(tx, [second.unit], now=later)
    assert plan.days[0].nominal.mails < plan.days[0].nominal.leads * 0.97 * 0.95 * 0.9
