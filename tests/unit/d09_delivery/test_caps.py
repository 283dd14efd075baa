"""Caps by sender, recipient domain and day, and the warm-up of a sender: each at its boundary, and what counts."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d09_delivery import spending
from leadfactory.d09_delivery.caps import Caps, count_domains, of_today
from leadfactory.d09_delivery.policy import DeliveryPolicy, policy
from leadfactory.d09_delivery.tables import email_sends, suppression_polls
from tests.leads import TUESDAY, clock_at

RAMP = {"per_day": [2, 3, 5], "of_last_days": 10}
RULES = policy().model_copy(
    update={
        "sender_cap_per_day": 4,
        "warm_up": policy().warm_up.model_validate(RAMP),
        "recipient_domain_cap_per_day": policy().recipient_domain_cap_per_day.model_validate(
            {"mail_provider": 3, "own_domain": 1}
        ),
    }
)
ANA = "ana@mail.leadfactory.example"


@pytest.fixture
def small(room, monkeypatch):
    """A mailroom under small caps, whose recipients are real ones."""
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | RULES.__dict__)
    room.change("UPDATE campaigns SET consent_basis = 'consented'")
    read = {"mailer": "sendgrid", "began_at": TUESDAY + dt.timedelta(days=3), "ended_at": TUESDAY, "whole": True}
    with room.db.begin() as tx:
        tx.execute(sa.insert(suppression_polls).values(read))  # its lists are fresh whenever a test looks
    return room


def caps(sent: int, days: int = 99, domains: dict[str, int] | None = None) -> Caps:
    return Caps(RULES, {ANA: sent}, domains or {}, {ANA: days})


def stops(day: Caps, domain: str = "shop.example", *, own: bool = True, simulated: bool = False) -> str | None:
    return day.stops(ANA, domain, own_domain=own, simulated=simulated)


@pytest.mark.parametrize(
    ("days", "sent", "gate"),
    [
        (0, 1, None),
        (0, 2, "warm_up"),
        (1, 2, None),
        (1, 3, "warm_up"),
        (2, 3, None),
        (2, 4, "sender_cap"),  # the ramp ends above the full cap, which is the one that holds
        (3, 3, None),
        (3, 4, "sender_cap"),
    ],
)
def test_a_sender_warms_up_day_by_day_until_its_full_cap(days, sent, gate):
    assert stops(caps(sent, days)) == gate


def test_mail_to_recipients_that_do_not_exist_warms_nothing_up():
    assert stops(caps(2, days=0), simulated=True) is None
    assert stops(caps(4, days=0), simulated=True) == "sender_cap"


@pytest.mark.parametrize(
    ("own", "sent", "gate"),
    [(True, 0, None), (True, 1, "recipient_domain_cap"), (False, 2, None), (False, 3, "recipient_domain_cap")],
)
def test_a_recipient_domain_takes_so_many_a_day(own, sent, gate):
    assert stops(caps(0, domains={"d": sent}), "d", own=own) == gate


@given(st.integers(0, 5), st.lists(st.sampled_from(["a.example", "gmail.com"]), max_size=20))
def test_whatever_comes_no_cap_is_passed(days, wishes):
    day, taken = caps(0, days), []
    for domain in wishes:
        if stops(day, domain, own=domain != "gmail.com") is None:
            day.take(ANA, domain)
            taken.append(domain)
    assert len(taken) <= [2, 3, 4, 4, 4, 4][days]
    assert taken.count("a.example") <= 1
    assert taken.count("gmail.com") <= 3


@pytest.mark.parametrize("change", [{"per_day": [5, 3]}, {"per_day": [1, 2, 3], "of_last_days": 2}])
def test_a_warm_up_that_falls_or_never_ends_is_refused(change):
    content = policy().model_dump()
    content["warm_up"] |= change
    with pytest.raises(ValueError, match="never falls"):
        DeliveryPolicy.model_validate(content)


def test_an_unknown_sender_begins_with_little_and_the_rest_waits(small):
    small.drafted(6)
    report, sendgrid = small.send()
    assert len(sendgrid.asked) == 2
    assert report.counts["stopped by warm_up"] == small.states["planned"] > 0
    assert small.send()[1].asked == []


def test_each_day_on_which_it_sent_allows_more(small):
    small.drafted(20)
    sent = [len(small.send(clock=clock_at(TUESDAY + dt.timedelta(days=day)))[1].asked) for day in (0, 1, 2)]
    assert sent == [2, 3, 4]


def test_a_sender_that_was_silent_for_long_begins_anew(small):
    small.drafted(20)
    small.send()
    small.change("UPDATE email_sends SET claimed_at = claimed_at - interval '11 days' WHERE state = 'accepted'")
    assert len(small.send()[1].asked) == 2


def test_mails_that_did_not_leave_fill_no_cap(small):
    small.drafted(6)

    def refuse(mail):
        raise VendorRejected("sendgrid", "mail/send", "bad_request", status=400)

    def unavailable(mail):
        raise VendorUnavailable("sendgrid", "mail/send", "breaker_open", left_the_house=False)

    small.send(unavailable)
    small.send(refuse, limit=1)
    assert len(small.send()[1].asked) == 2


def test_one_mail_provider_takes_no_more_than_its_cap(small):
    small.change("UPDATE campaigns SET consent_basis = 'simulated'")
    for number in range(6):
        small.business(number, email=f"shop{number}@gmail.com")
    small.drafted(0)
    report, sendgrid = small.send()
    assert len(sendgrid.asked) == 3
    assert report.counts["stopped by recipient_domain_cap"] == small.states["planned"] > 0
    assert {row.mail_provider for row in small.rows(sa.select(email_sends))} == {"gmail.com"}


def test_a_claim_knows_what_went_to_a_domain_and_by_its_sender_today(small):
    small.drafted(1)
    small.send()
    (sent,) = small.rows(sa.select(email_sends))
    domain = bytes(sent.domain_hmac)
    with small.db.begin() as tx:
        day = of_today(tx, sent.claimed_at, among=[sent.send_id])
        before = day.stops(sent.sender_email, domain.hex(), own_domain=True, simulated=False)
        count_domains(tx, day, sent.claimed_at, [], [domain, b"another"])
    after = day.stops(sent.sender_email, domain.hex(), own_domain=True, simulated=False)
    assert (before, after) == (None, "recipient_domain_cap")


def test_senders_at_once_never_pass_a_warm_up(small, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"claim_batch": 1})
    small.drafted(8)
    start = threading.Barrier(3)

    def sender(_):
        start.wait()
        return len(small.send()[1].asked)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(sender, range(3))) == 2


@pytest.mark.parametrize(
    ("drawn", "cap", "price", "room"), [(0, 399, 399, True), (1, 399, 399, False), (9, 0, 0, True), (0, 0, 1, False)]
)
def test_a_budget_has_room_for_what_fits_and_for_what_costs_nothing(drawn, cap, price, room):
    assert spending.has_room(drawn, cap, price) is room


@pytest.mark.parametrize(
    "row",
    [
        "('vendor', 'sendgrid|2026-10', 10000000000, 10000000000)",
        "('day', '2026-10-06', 10000000000, 10000000000)",
        "('campaign', 'restaurant-nyc', 50000000, 50000000)",
    ],
)
def test_no_claim_is_made_that_a_budget_cannot_pay(room, row):
    room.drafted()
    room.change(f"INSERT INTO budgets (scope, key, cap_microusd, spent_microusd) VALUES {row}")
    report, sendgrid = room.send()
    assert sendgrid.asked == []
    assert report.counts["stopped by budget"] == 1
    assert room.transitions == [(None, "planned")]


def test_a_mailer_that_costs_nothing_sends_though_the_budget_is_spent(room):
    room.drafted()
    room.change("UPDATE campaigns SET mailer = 'smtp', budget_cents = 0")
    assert len(room.send()[1].asked) == 1
