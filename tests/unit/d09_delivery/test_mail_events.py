"""What became of a mail, as a function of its events alone: no order, no repetition, no machine changes it."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d09_delivery.mail_events import KINDS, MailEvent, fold
from leadfactory.inbox.rules import Bots
from tests.examples import examples

BOTS = Bots(after_delivery_s=5, burst_links=3, burst_s=10, agents=())
START = dt.datetime(2026, 10, 6, 15, 0, tzinfo=dt.UTC)


def event(kind, at_s=0, *, url=None, machine=False, bounce=None, name=None):
    return MailEvent(name or f"{kind}-{at_s}-{url}", kind, START + dt.timedelta(seconds=at_s), bounce, url, machine)


HISTORIES = st.lists(
    st.builds(
        event,
        st.sampled_from(sorted(KINDS)),
        st.integers(0, 60),
        url=st.sampled_from([None, "a", "b", "c", "d"]),
        machine=st.booleans(),
        bounce=st.sampled_from([None, "bounce", "blocked"]),
        name=st.integers(0, 15).map(str),  # few ids: some are told twice with different words
    ),
    max_size=20,
)


@examples(300)
@given(HISTORIES, st.integers(1, 46), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_outcome(history, most, chance):
    told = [each for each in history for _ in range(chance.randint(1, most))]
    chance.shuffle(told)
    assert fold(told, BOTS) == fold(history, BOTS)


def test_a_history_told_forty_six_times_is_the_same_history():
    history = [event("processed", 1), event("delivered", 5), event("open", 700), event("click", 710, url="a")]
    told = history * 46
    random.Random(1).shuffle(told)
    assert fold(told, BOTS) == fold(history, BOTS)


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ([event("processed")], "processed"),
        ([event("processed"), event("deferred", 2)], "deferred"),
        ([event("deferred", 2), event("delivered", 9)], "delivered"),
        ([event("dropped", 1)], "dropped"),
        ([event("delivered", 5), event("bounce", 60, bounce="bounce")], "bounced"),
        ([event("bounce", 5, bounce="blocked")], "blocked"),
        ([event("bounce", 5, bounce="blocked"), event("delivered", 60)], "delivered"),
        ([event("delivered", 5), event("open", 600)], "opened"),
        ([event("delivered", 5), event("open", 600), event("click", 640, url="a")], "clicked"),
        ([event("delivered", 5), event("click", 640, url="a"), event("group_unsubscribe", 700)], "unsubscribed"),
        ([event("delivered", 5), event("unsubscribe", 6), event("spamreport", 900)], "complained"),
        ([event("delivered", 5), event("group_resubscribe", 9)], "delivered"),
        ([], "processed"),
    ],
)
def test_the_strongest_event_names_the_state(history, state):
    assert fold(history, BOTS).state == state


@pytest.mark.parametrize(
    ("visits", "reasons"),
    [
        ([event("open", 600, machine=True)], ["machine"]),
        ([event("open", 7)], ["at_delivery"]),
        ([event("click", 10, url="a")], ["at_delivery"]),
        ([event("click", 11, url="a")], []),
        ([event("click", 600 + n, url=url) for n, url in enumerate("abc")], ["burst"] * 3),
        ([event("click", 600 + n, url="a", name=str(n)) for n in range(3)], []),
        ([event("click", 600 + 20 * n, url=url) for n, url in enumerate("abc")], []),
        ([event("open", 600)], []),
    ],
)
def test_visits_that_no_person_made_are_named_and_do_not_count(visits, reasons):
    outcome = fold([event("delivered", 5), *visits], BOTS)
    assert list(outcome.bots.values()) == reasons
    assert outcome.bot_opens + outcome.bot_clicks == len(reasons)
    assert outcome.state == (
        "delivered" if len(reasons) == len(visits) else "opened" if visits[0].kind == "open" else "clicked"
    )


def test_the_first_human_visit_is_the_one_that_counts():
    history = [event("delivered", 5), event("open", 6), event("open", 900), event("open", 500)]
    assert fold(history, BOTS).opened_at == START + dt.timedelta(seconds=500)
