"""Read-outs come from the ledgers, day by day, and end what annoys or is split wrongly; a weak test waits for a person."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa
import yaml

from leadfactory.clock import Clock
from leadfactory.d07_storefront.tables import purchases
from leadfactory.d09_delivery.tables import send_outcomes
from leadfactory.d11_experiments import counting, holding_out, launches, reading
from leadfactory.d11_experiments.assignment import assign
from leadfactory.d11_experiments.definitions import PATH, ExperimentChanged, GlobalHoldout, load, load_holdout, read
from leadfactory.d11_experiments.readout import Count
from leadfactory.d11_experiments.tables import experiment_assignments, experiment_readouts, experiments
from leadfactory.inbox.tables import inbound_mails
from tests.leads import CLOCK, TUESDAY, UNIT

NAME = "subject_line_test"
PRICE = "price_point_test"
STATE = sa.select(experiments.c.state).where(experiments.c.experiment == NAME)


def happened(
    db, arm: str, *, exposed: int, on: dt.datetime = TUESDAY, clicked: int = 0, complained: int = 0, name: str = NAME
) -> list[uuid.UUID]:
    """Puts ``exposed`` mailed businesses into an arm, of which the first ones clicked and the last ones complained."""
    ids = [uuid.uuid4() for _ in range(exposed)]
    assigned = [
        {
            "campaign": UNIT.campaign, "cohort_on": UNIT.day, "business_id": each, "experiment": name, "version": 1, "arm": arm,
            "bucket": 1, "exposed_at": on, "assigned_at": on,
        }
        for each in ids
    ]  # fmt: skip
    outcomes = [
        {
            "campaign": UNIT.campaign, "cohort_on": UNIT.day, "send_id": uuid.uuid4(), "business_id": each, "state": "delivered",
            "clicked_at": on + dt.timedelta(days=1) if position < clicked else None,
            "complained_at": on + dt.timedelta(days=2) if position >= exposed - complained else None,
            "bot_opens": 0, "bot_clicks": 0, "events": 1,
        }
        for position, each in enumerate(ids)
    ]  # fmt: skip
    with db.begin() as tx:
        tx.execute(sa.insert(experiment_assignments), assigned)
        tx.execute(sa.insert(send_outcomes), outcomes)
    return ids


@pytest.fixture
def loaded(leads):
    with leads.db.begin() as tx:
        load(tx, read(), TUESDAY)
    return leads.db


def split(tx, *, mailed: int, out: int, reached: int = 0) -> list[uuid.UUID]:
    """Businesses on both sides of a global holdout of 20 %, of whom the first ``reached`` got a letter; those that may be mailed."""
    load_holdout(tx, GlobalHoldout(version=1, salt="nobody-2026-12", holdout_bp=2_000), TUESDAY)
    row = {
        "campaign": UNIT.campaign, "cohort_on": UNIT.day, "experiment": "global_holdout", "version": 1, "bucket": 1, "assigned_at": TUESDAY,
    }  # fmt: skip
    arms = ["mailed"] * mailed + ["holdout"] * out
    rows = [
        row | {"arm": arm, "business_id": uuid.uuid4(), "exposed_at": TUESDAY if number < reached else None}
        for number, arm in enumerate(arms)
    ]
    tx.execute(sa.insert(experiment_assignments), rows)
    return [each["business_id"] for each in rows[:mailed]]


def test_the_global_holdout_says_what_mailing_brings_to_all_who_may_be_mailed(leads):
    with leads.db.begin() as tx:
        allowed = split(tx, mailed=400, out=100, reached=150)
        for number, buyer in enumerate(allowed[:60]):
            bought(tx, buyer, "paid", TUESDAY + dt.timedelta(days=1), number)
        bought(
            tx, allowed[60], "paid", TUESDAY - dt.timedelta(days=1), 60
        )  # before it was put on a side: no letter's doing
    (said,), _ = reading.read_all(db=leads.db, clock=Clock(start=TUESDAY + dt.timedelta(days=10)))
    assert [(arm.arm, arm.exposed, arm.events) for arm in said.newest.arms] == [
        ("mailed", 400, 60),
        ("holdout", 100, 0),
    ]
    assert (said.newest.decision, said.newest.winner, said.days) == ("winner", "mailed", 2)
    assert "60 of 400 who may be mailed (150 were)" in said.newest.sentence
    assert "mailing brings +15.00 purchases per 100 businesses (+" in said.newest.sentence
    with leads.db.begin() as tx:
        stored = tx.execute(
            sa.select(experiment_readouts).order_by(experiment_readouts.c.read_on, experiment_readouts.c.arm)
        )
        assert [(row.arm, row.exposed, row.events) for row in stored] == [
            ("holdout", 100, 0), ("mailed", 400, 0), ("holdout", 100, 0), ("mailed", 400, 60)
        ]  # fmt: skip


def test_a_holdout_of_another_size_than_planned_is_not_compared_and_goes_on(leads):
    with leads.db.begin() as tx:
        allowed = split(tx, mailed=400, out=30)
        for number, buyer in enumerate(allowed[:60]):
            bought(tx, buyer, "paid", TUESDAY + dt.timedelta(days=1), number)
    (said,), _ = reading.read_all(db=leads.db, clock=Clock(start=TUESDAY + dt.timedelta(days=10)))
    assert (said.newest.decision, said.newest.winner, said.halted) == ("invalid_srm", None, False)
    assert "400 may be mailed and 30 are held out, which is not the planned 20 %" in said.newest.sentence
    with leads.db.begin() as tx:
        assert tx.scalar(sa.select(experiments.c.state)) == "running"


@pytest.mark.parametrize(
    ("mailed", "held", "share_bp"), [((0, 0), (0, 0), 200), ((50, 2), (0, 0), 200), ((50, 2), (50, 1), 5_000)]
)
def test_a_holdout_that_proves_nothing_yet_says_so(mailed, held, share_bp):
    counts = {
        name: Count(n, {"purchased": bought}) for name, (n, bought) in (("mailed", mailed), ("holdout", held)) if n
    }
    said = holding_out.read_out(counts, share_bp)
    assert (said.decision, said.winner) == ("running", None)
    assert "yet" in said.sentence


def read_now(db, days: int = 10):
    with db.begin() as tx:
        return reading.read(tx, NAME, 1, TUESDAY + dt.timedelta(days=days))


def test_an_arm_that_wins_is_named_on_the_day_of_its_clicks_and_not_before(loaded):
    happened(loaded, "plain", exposed=2_000, clicked=40)
    happened(loaded, "measured", exposed=2_000, clicked=100)
    said = read_now(loaded)
    assert said.newest is not None
    assert (said.newest.decision, said.newest.winner, said.days) == ("winner", "measured", 2)
    with loaded.begin() as tx:
        days = tx.execute(sa.select(experiment_readouts.c.read_on, experiment_readouts.c.decision).distinct()).all()
    assert sorted(days) == [(TUESDAY.date(), "running"), ((TUESDAY + dt.timedelta(days=1)).date(), "winner")]


def test_what_will_happen_tomorrow_is_not_read_today(loaded):
    happened(loaded, "plain", exposed=100)
    happened(loaded, "measured", exposed=100, on=TUESDAY + dt.timedelta(days=20))
    assert read_now(loaded).newest.arms[1].exposed == 0


def test_reading_again_changes_nothing(loaded):
    happened(loaded, "plain", exposed=50, clicked=1)
    happened(loaded, "measured", exposed=50, clicked=2)
    read_now(loaded)
    with loaded.begin() as tx:
        before = tx.execute(sa.select(experiment_readouts).order_by("read_on", "arm")).all()
    read_now(loaded)
    with loaded.begin() as tx:
        assert tx.execute(sa.select(experiment_readouts).order_by("read_on", "arm")).all() == before


def test_an_arm_over_its_guardrail_halts_the_experiment_for_good(loaded, leads):
    happened(loaded, "plain", exposed=2_000)
    happened(loaded, "measured", exposed=2_000, complained=40)
    assert read_now(loaded).halted
    with loaded.begin() as tx:
        load(tx, read(), TUESDAY)
        assert tx.scalar(STATE) == "halted"


async def test_a_halted_experiment_takes_nobody_more(loaded, leads):
    leads.business()
    await leads.through("score")
    with loaded.begin() as tx:
        tx.execute(sa.update(experiments).values(state="halted"))
    assert assign(UNIT, db=loaded, clock=CLOCK).rows_out == 0


def test_a_broken_split_halts_the_experiment(loaded):
    happened(loaded, "plain", exposed=1_000)
    happened(loaded, "measured", exposed=1_400)
    said = read_now(loaded)
    assert (said.newest.decision, said.halted) == ("invalid_srm", True)


THREE = {"plain": 4_000, "measured": 3_000, "other": 3_000}


@pytest.fixture
def three_file(tmp_path):
    """The subject line test with a third arm, and an effect that the quotas can find."""
    shipped = yaml.safe_load(PATH.read_text())["experiments"][NAME]
    changed = {"arms": THREE, "holdout_bp": 0, "design": shipped["design"] | {"minimum_effect": 1.0}}
    file = tmp_path / "experiments.yaml"
    file.write_text(yaml.safe_dump({"experiments": {NAME: shipped | changed}}))
    return file


@pytest.fixture
def three(leads, three_file):
    """It, running."""
    with leads.db.begin() as tx:
        load(tx, read(three_file), TUESDAY)
    return leads.db


def test_an_arm_over_its_guardrail_is_paused_and_the_others_go_on(three):
    happened(three, "plain", exposed=400)
    happened(three, "measured", exposed=300, complained=20)
    happened(three, "other", exposed=300)
    said = read_now(three)
    assert (said.paused, said.halted, said.newest.decision) == (("measured",), False, "running")
    assert "Paused by a guardrail: measured" in said.newest.sentence
    with three.begin() as tx:
        assert tx.execute(sa.select(experiments.c.state, experiments.c.paused_arms)).one() == ("running", ["measured"])
    assert read_now(three).paused == ()


def test_what_an_arm_lacks_after_its_pause_does_not_break_the_split(three):
    happened(three, "measured", exposed=300, complained=20)
    for weeks in (0, 1, 2):
        happened(three, "plain", exposed=400, on=TUESDAY + dt.timedelta(days=7 * weeks))
        happened(three, "other", exposed=300, on=TUESDAY + dt.timedelta(days=7 * weeks))
    said = read_now(three, days=40)
    assert (said.newest.decision, said.halted) == ("running", False)


def test_a_control_over_its_guardrail_leaves_nothing_to_compare_with(three):
    happened(three, "plain", exposed=400, complained=20)
    happened(three, "measured", exposed=300)
    happened(three, "other", exposed=300)
    said = read_now(three)
    assert (said.newest.decision, said.halted) == ("stopped_by_guardrail", True)


async def test_nobody_joins_a_paused_arm(leads, three, three_file):
    for number in range(20):
        leads.business(number)
    await leads.through("score")
    before = assign(UNIT, db=leads.db, clock=CLOCK, path=three_file).counts
    with leads.db.begin() as tx:
        tx.execute(sa.update(experiments).values(paused_arms=["measured"]))
    after = assign(UNIT, db=leads.db, clock=CLOCK, path=three_file).counts
    assert before["arm measured"] > 0
    assert {arm: n for arm, n in before.items() if arm != "arm measured"} == after


def test_a_reply_and_a_sale_are_counted_on_their_day_and_a_notice_is_not(loaded):
    (one, other, third) = happened(loaded, "plain", exposed=3)
    with loaded.begin() as tx:
        for number, (business, kind) in enumerate(((one, "reply"), (one, "reply"), (other, "out_of_office"))):
            answered(tx, business, kind, TUESDAY + dt.timedelta(days=1 + number), number)
        for number, (business, state, days) in enumerate(
            ((one, "paid", 2), (other, "refunded", 3), (third, "expired", None))
        ):
            bought(tx, business, state, None if days is None else TUESDAY + dt.timedelta(days=days), number)
        days = counting.by_day(tx, NAME, 1, TUESDAY + dt.timedelta(days=10))
    told = {(day - TUESDAY.date()).days: counts["plain"].events for day, counts in days.items()}
    assert told == {0: {}, 1: {"replied": 1}, 2: {"replied": 1, "purchased": 1}, 3: {"replied": 1, "purchased": 2}}


def answered(tx, business_id, kind, at, number):
    send_id = uuid.uuid4()
    tx.execute(
        sa.text(
            """INSERT INTO email_sends (campaign, cohort_on, send_id, business_id, step, draft_id, address_hmac, address_plus_hmac,
                   sender_email, state, due_at, expires_at, planned_at)
               VALUES (:campaign, :day, :send, :business, :step, gen_random_uuid(), '\\x00', '\\x00', 'a@b.c', 'accepted', :at, :at, :at)"""
        ),
        {"campaign": UNIT.campaign, "day": UNIT.day, "send": send_id, "business": business_id, "step": number + 1, "at": at},
    )  # fmt: skip
    mail = {"fingerprint": str(number), "send_id": send_id, "kind": kind, "received_at": at, "stale": False}
    tx.execute(sa.insert(inbound_mails).values(mail))


def bought(tx, business_id, state, at, number):
    row = {
        "campaign": UNIT.campaign, "cohort_on": UNIT.day, "purchase_id": uuid.uuid4(), "checkout_id": uuid.uuid4(), "send_id": uuid.uuid4(),
        "business_id": business_id, "session_id": f"cs_{number}", "state": state, "amount_cents": 19_900, "tax_cents": 0, "currency": "usd",
        "refunded_cents": 0, "disputed_cents": 0, "paid_at": at, "events": 1, "last_event_at": TUESDAY,
    }  # fmt: skip
    tx.execute(sa.insert(purchases).values(row))


def mailed(db, businesses: int, at: dt.datetime) -> None:
    """First mails of a past week."""
    with db.begin() as tx:
        tx.execute(
            sa.text(
                """INSERT INTO email_sends (campaign, cohort_on, send_id, business_id, step, draft_id, address_hmac,
                       address_plus_hmac, sender_email, state, due_at, expires_at, planned_at, claimed_at)
                   SELECT :campaign, :day, gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), '\\x00', '\\x00', 'a@b.c',
                          'accepted', :at, :at, :at, :at FROM generate_series(1, :n)"""
            ),
            {"campaign": UNIT.campaign, "day": UNIT.day, "at": at, "n": businesses},
        )


def test_a_test_that_would_take_years_stays_a_draft_until_a_person_accepts_it(leads):
    mailed(leads.db, 140, TUESDAY - dt.timedelta(days=7))
    with leads.db.begin() as tx:
        load(tx, read(), TUESDAY)
        assert tx.scalar(STATE) == "draft"
        launches.accept_weak(tx, NAME, "ops@example.com", TUESDAY)
        load(tx, read(), TUESDAY)
        assert tx.scalar(STATE) == "running"


def test_the_forecast_names_the_weeks(leads):
    mailed(leads.db, 140, TUESDAY - dt.timedelta(days=7))
    with leads.db.begin() as tx:
        told = launches.forecast(tx, read()[NAME], TUESDAY)
    assert told.weeks == -(-told.needed // 133)
    assert "weeks at today's volume of 133 a week" in told.sentence()


def test_before_the_first_mail_the_weeks_are_unknown_and_it_may_start(loaded):
    with loaded.begin() as tx:
        assert launches.forecast(tx, read()[NAME], TUESDAY).weeks is None
        assert tx.scalar(STATE) == "running"


def test_before_the_first_mail_what_even_the_whole_quotas_could_not_tell_stays_a_draft(loaded):
    with loaded.begin() as tx:
        told = launches.forecast(tx, read()[PRICE], TUESDAY)
        assert (told.weeks, told.least_weeks) == (None, -(-told.needed // 700))
        assert "if all 700 a week of today's quotas were" in told.sentence()
        state = sa.select(experiments.c.state).where(experiments.c.experiment == PRICE)
        assert tx.scalar(state) == "draft"
        launches.accept_weak(tx, PRICE, "ops@example.com", TUESDAY)
        load(tx, read(), TUESDAY)
        assert tx.scalar(state) == "running"


def test_what_has_mailed_somebody_runs_on_however_the_volume_falls(loaded, leads):
    happened(loaded, "plain", exposed=10)
    mailed(leads.db, 3, TUESDAY - dt.timedelta(days=20))
    with loaded.begin() as tx:
        assert launches.forecast(tx, read()[NAME], TUESDAY).weak
        load(tx, read(), TUESDAY)
        assert tx.scalar(STATE) == "running"


def test_accepting_what_is_no_draft_is_refused(loaded):
    with pytest.raises(launches.NotAccepted, match="drafts: price_point_test"), loaded.begin() as tx:
        launches.accept_weak(tx, NAME, "ops@example.com", TUESDAY)


def test_a_design_cannot_be_edited_under_way(loaded):
    one = read()[NAME]
    easier = one.model_copy(update={"design": one.design.model_copy(update={"minimum_effect": 2.0})})
    with pytest.raises(ExperimentChanged, match="changed in design"), loaded.begin() as tx:
        load(tx, {NAME: easier}, TUESDAY)


async def test_no_business_is_in_two_experiments_of_a_layer(leads, tmp_path):
    for number in range(12):
        leads.business(number)
    await leads.through("score")
    shipped = yaml.safe_load(PATH.read_text())["experiments"][NAME]
    halves = {
        name: shipped
        | {"salt": f"salt-of-{name}", "design": shipped["design"] | {"traffic_bp": part, "minimum_effect": 1.0}}
        for name, part in (("first", [0, 5_000]), ("second", [5_000, 10_000]))
    }
    file = tmp_path / "experiments.yaml"
    file.write_text(yaml.safe_dump({"experiments": halves}))
    assign(UNIT, db=leads.db, clock=CLOCK, path=file)
    t = experiment_assignments
    rows = leads.rows(sa.select(t.c.business_id, t.c.experiment))
    assert len({row.business_id for row in rows}) == len(rows) == 12
    assert {row.experiment for row in rows} == {"first", "second"}


async def test_a_cohort_before_the_start_of_an_experiment_is_in_no_arm(leads, tmp_path):
    leads.business()
    await leads.through("score")
    later = yaml.safe_load(PATH.read_text())
    later["experiments"][NAME]["design"]["starts_on"] = UNIT.day + dt.timedelta(days=1)
    file = tmp_path / "experiments.yaml"
    file.write_text(yaml.safe_dump(later))
    assert assign(UNIT, db=leads.db, clock=CLOCK, path=file).rows_out == 0
