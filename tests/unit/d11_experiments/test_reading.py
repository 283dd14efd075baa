"""Read-outs come from the ledgers, day by day, and end what annoys or is split wrongly; a weak test waits for a person."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa
import yaml

from leadfactory.d09_delivery.tables import send_outcomes
from leadfactory.d11_experiments import launches, reading
from leadfactory.d11_experiments.assignment import assign
from leadfactory.d11_experiments.definitions import PATH, ExperimentChanged, load, read
from leadfactory.d11_experiments.tables import experiment_assignments, experiment_readouts, experiments
from tests.leads import CLOCK, TUESDAY, UNIT

NAME = "subject_line_test"


def happened(db, arm: str, *, exposed: int, on: dt.datetime = TUESDAY, clicked: int = 0, complained: int = 0) -> None:
    """Puts ``exposed`` mailed businesses into an arm, of which the first ones clicked and the last ones complained."""
    ids = [uuid.uuid4() for _ in range(exposed)]
    assigned = [
        {
            "campaign": UNIT.campaign, "cohort_on": UNIT.day, "business_id": each, "experiment": NAME, "version": 1, "arm": arm,
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


@pytest.fixture
def loaded(leads):
    with leads.db.begin() as tx:
        load(tx, read(), TUESDAY)
    return leads.db


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
        assert tx.scalar(sa.select(experiments.c.state)) == "halted"


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
        assert tx.scalar(sa.select(experiments.c.state)) == "draft"
        launches.accept_weak(tx, NAME, "ops@example.com", TUESDAY)
        load(tx, read(), TUESDAY)
        assert tx.scalar(sa.select(experiments.c.state)) == "running"


def test_the_forecast_names_the_weeks(leads):
    mailed(leads.db, 140, TUESDAY - dt.timedelta(days=7))
    with leads.db.begin() as tx:
        told = launches.forecast(tx, read()[NAME], TUESDAY)
    assert told.weeks == -(-told.needed // 133)
    assert "weeks at today's volume of 133 a week" in told.sentence()


def test_before_the_first_mail_the_weeks_are_unknown_and_it_may_start(loaded):
    with loaded.begin() as tx:
        assert launches.forecast(tx, read()[NAME], TUESDAY).weeks is None
        assert tx.scalar(sa.select(experiments.c.state)) == "running"


def test_accepting_what_is_no_draft_is_refused(loaded):
    with pytest.raises(launches.NotAccepted, match="drafts: none"), loaded.begin() as tx:
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
        name: shipped | {"salt": f"salt-of-{name}", "design": shipped["design"] | {"traffic_bp": part}}
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
