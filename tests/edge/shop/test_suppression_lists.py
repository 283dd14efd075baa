"""What a push of SendGrid's lost is on its lists: it is asked for, acted on as if the push had come, and each difference is named."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid

import dagster as dg
import pytest
import sqlalchemy as sa

from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.mail import Mail
from leadfactory.d00_gateway.sendgrid import SendGridClient
from leadfactory.d09_delivery import folding, halting, list_age, list_polling
from leadfactory.d09_delivery.mailer import PostOffice
from leadfactory.d09_delivery.tables import email_sends, halts, send_outcomes, suppression_polls, suppressions
from leadfactory.inbox.tables import webhook_inbox
from leadfactory_assets import d09_delivery as wiring
from tests.leads import TUESDAY, clock_at

LATER = clock_at(TUESDAY + dt.timedelta(hours=4))
KEY = {"Authorization": "Bearer SG.sandbox-sendgrid-key"}
FATES = {"bounce": "bounced", "spamreport": "complained", "blocked": "blocked"}


class Post:
    """Mails that SendGrid took and whose events nobody was told; ``told`` brings them after all."""

    def __init__(self, shop):
        self.shop, self.world, self.vendor = shop, shop.world, shop.vendor
        self.fates: dict[str, str] = {}

    def client(self, clock=LATER) -> SendGridClient:
        config = self.world.settings
        return SendGridClient(Gateway(self.world.db, clock=clock, settings=config), config)

    def mailed(self, number: int, fate: str = "deliver") -> uuid.UUID:
        send_id, lead = self.world.send(number)
        self.fates[lead.email] = fate
        self.vendor.post("/_admin/options", json={"sendgrid_outcomes": self.fates}).raise_for_status()
        asyncio.run(self._hand_over(Mail(
            send_id, lead.email, "ana@mail.leadfactory.example", "Ana", "ana@mail.leadfactory.example", "Hello", "text", "<p>text</p>", {},
        )))  # fmt: skip
        return send_id

    async def _hand_over(self, mail: Mail) -> None:
        sendgrid = self.client(clock_at(TUESDAY))
        async with sendgrid.gateway.running():
            await sendgrid.send(mail)

    def unsubscribed(self, email: str) -> None:
        self.vendor.post("/sendgrid/v3/asm/suppressions/global", headers=KEY, json={"recipient_emails": [email]}).raise_for_status()  # fmt: skip

    def forget(self, name: str, email: str) -> None:
        self.vendor.delete(f"/sendgrid/v3/suppression/{name}/{email}", headers=KEY).raise_for_status()

    def poll(self, clock=LATER):
        found = asyncio.run(list_polling.poll(db=self.world.db, clock=clock, settings=self.world.settings, sendgrid=self.client()))  # fmt: skip
        folding.drain(db=self.world.db, clock=clock)
        return found

    def differences(self) -> list[str]:
        found = asyncio.run(list_polling.differences(db=self.world.db, clock=LATER, settings=self.world.settings, sendgrid=self.client()))  # fmt: skip
        return [each.name for each in found]


@pytest.fixture
def post(shop):
    return Post(shop)


@pytest.mark.parametrize("fate", FATES)
def test_what_no_push_told_is_taken_over_from_the_lists_once(post, fate):
    send_id = post.mailed(1, fate)
    assert post.poll().unheard == 1
    (outcome,) = post.world.all(send_outcomes)
    assert (outcome.send_id, outcome.state) == (send_id, FATES[fate])
    assert bool(post.world.all(suppressions)) is (fate != "blocked")
    assert post.poll().unheard == 0
    assert post.differences() == []
    assert not [row for row in post.world.all(webhook_inbox) if "shop1" in str(row.payload)]


def test_a_complaint_that_was_lost_stops_its_sender_as_one_that_was_told(post):
    post.mailed(1, "spamreport")
    post.poll()
    assert {row.scope for row in post.world.all(halts)} == {"sender", "campaign"}


def test_a_refusal_of_somebody_whom_we_never_mailed_ends_what_is_planned_for_them(post):
    post.world.send(2, state="planned")
    post.unsubscribed("info@shop2.example")
    assert post.poll().suppressed > 0
    (row,) = post.world.all(email_sends)
    assert (row.state, row.reason) == ("refused", "unsubscribe")


def test_more_than_a_page_is_read(post):
    emails = [f"person{number}@many.example" for number in range(1_203)]
    answer = post.vendor.post("/sendgrid/v3/asm/suppressions/global", headers=KEY, json={"recipient_emails": emails})
    answer.raise_for_status()
    assert post.poll().listed == 1_203
    assert len({row.subject_hmac for row in post.world.all(suppressions) if row.kind == "address"}) == 1_203


def bounced(post):
    """One bounce that both sides know of."""
    post.mailed(1, "bounce")
    post.poll()
    assert post.differences() == []


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda post: post.forget("bounces", "info@shop1.example"), ["heard_not_listed"]),
        (lambda post: post.unsubscribed("somebody@new.example"), ["listed_not_suppressed"]),
        (lambda post: post.mailed(2, "blocked"), ["listed_not_heard"]),
        (lambda post: (post.forget("bounces", "info@shop1.example"), post.unsubscribed("info@shop1.example")), ["listed_otherwise"]),
    ],
    ids=["an entry that is gone there", "an entry more there", "a block that nobody told", "an entry that is another there"],
)  # fmt: skip
def test_what_changed_at_the_vendor_is_named(post, spoil, named):
    bounced(post)
    spoil(post)
    assert post.differences() == named


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM leadfactory.email_events", ["listed_not_heard"]),
        ("DELETE FROM leadfactory.suppressions", ["listed_not_suppressed"]),
        ("UPDATE leadfactory.email_events SET kind = 'spamreport' WHERE kind = 'bounce'", ["listed_otherwise"]),
        (
            "INSERT INTO leadfactory.email_events (campaign, cohort_on, event_id, send_id, business_id, kind, occurred_at, machine, received_at) "
            "SELECT campaign, cohort_on, 'made-up', send_id, business_id, 'spamreport', occurred_at, FALSE, received_at "
            "FROM leadfactory.email_events WHERE kind = 'bounce'",
            ["heard_not_listed"],
        ),
    ],
    ids=["an event lost", "a suppression lost", "an event changed", "an event more"],
)
def test_what_somebody_did_to_our_tables_is_named(post, owner_database, statement, named):
    bounced(post)
    with owner_database.begin() as tx:
        tx.execute(sa.text(statement))
    assert post.differences() == named


def test_lists_that_cannot_be_read_leave_a_poll_that_is_not_whole(post):
    post.world.settings.sendgrid_base_url = "http://127.0.0.1:9"
    with pytest.raises(VendorUnavailable):
        post.poll()
    (row,) = post.world.all(suppression_polls)
    assert (row.whole, row.reason) == (False, "suppression/bounces: connect_failed")


HOURS = dt.timedelta(hours=26)


@pytest.mark.parametrize(
    ("sent_ago", "polled_ago", "is_stale"),
    [
        (None, None, False),  # nothing was ever sent
        (HOURS, None, False),
        (HOURS + dt.timedelta(seconds=1), None, True),
        (HOURS * 9, HOURS, False),
        (HOURS * 9, HOURS + dt.timedelta(seconds=1), True),
    ],
)
def test_lists_are_stale_when_mail_left_and_no_whole_poll_is_young_enough(post, sent_ago, polled_ago, is_stale):
    if sent_ago is not None:
        post.world.send(1, claimed_at=TUESDAY - sent_ago)
    if polled_ago is not None:
        post.poll(clock_at(TUESDAY - polled_ago))
    with post.world.db.begin() as tx:
        assert (list_age.stale(tx, TUESDAY, HOURS) is not None) is is_stale
        assert halting.judge_lists(tx, "production", TUESDAY) == is_stale
        assert [row["scope"] for row in halting.listed(tx)] == ["mailer"] * is_stale


def test_a_poll_that_is_not_whole_makes_nothing_fresh(post):
    post.world.send(1, claimed_at=TUESDAY - HOURS * 2)
    with post.world.db.begin() as tx:
        tx.execute(sa.insert(suppression_polls).values(mailer="sendgrid", began_at=TUESDAY, ended_at=TUESDAY, whole=False))  # fmt: skip
        assert halting.judge_lists(tx, "production", TUESDAY) == 1


def test_the_asset_takes_over_what_was_lost_and_its_check_names_what_differs(post, monkeypatch):
    monkeypatch.setattr(wiring, "settings", lambda: post.world.settings)
    post.mailed(1, "bounce")
    resources = {
        "db": post.world.db, "clock": LATER,
        "mailer": PostOffice.of(post.world.settings, Gateway(post.world.db, clock=LATER, settings=post.world.settings)),
    }  # fmt: skip
    done = dg.materialize([wiring.suppression_poll], resources=resources)
    told = done.asset_materializations_for_node("leadfactory__suppression_poll")
    (event,) = [each for each in told if each.asset_key.path[-1] == "suppression_poll"]
    assert event.metadata["that no event told of"].value == 1
    post.forget("bounces", "info@shop1.example")
    checked = wiring.lists_match(**resources)
    assert (checked.passed, checked.metadata["differences"].value) == (False, 1)
