"""Assignments: replaced until exposed, fixed from then on; a loaded version of an experiment never changes."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.d08_personalization.drafting import draft
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d11_experiments import buckets
from leadfactory.d11_experiments.assignment import assign
from leadfactory.d11_experiments.definitions import PATH, ExperimentChanged, GlobalHoldout, load, load_holdout, read
from leadfactory.d11_experiments.tables import experiment_assignments, experiments
from tests.leads import CLOCK, TUESDAY, UNIT, FakeOpenAI, model_down


def assignments(leads):
    return leads.rows(sa.select(experiment_assignments).order_by(experiment_assignments.c.business_id))


async def test_qualified_businesses_get_one_arm_each_and_others_none(leads):
    seeds = [leads.business(number) for number in range(6)]
    leads.business(7, email=None)
    await leads.through("score")
    report = assign(UNIT, db=leads.db, clock=CLOCK)
    rows = assignments(leads)
    assert {row.business_id for row in rows} == {seed.business_id for seed in seeds}
    assert report.rows_out == 6


async def test_assigning_again_changes_nothing(leads):
    leads.business()
    await leads.through("assign")
    before = assignments(leads)
    assign(UNIT, db=leads.db, clock=type(CLOCK)(start=TUESDAY.replace(hour=20)))
    assert assignments(leads) == before


async def test_an_exposed_assignment_stays_whatever_happens_to_its_lead(leads):
    seed = leads.business()
    await leads.through("assign")
    with leads.db.begin() as tx:
        tx.execute(sa.update(experiment_assignments).values(arm="plain", bucket=7, exposed_at=TUESDAY))
        tx.execute(sa.text("UPDATE lead_scores SET qualified = FALSE, reason = 'changed'"))
    report = assign(UNIT, db=leads.db, clock=CLOCK)
    (row,) = assignments(leads)
    assert (row.business_id, row.arm, row.bucket) == (seed.business_id, "plain", 7)
    assert report.counts["exposed"] == 1


async def test_an_unexposed_assignment_leaves_with_its_lead(leads):
    leads.business()
    await leads.through("assign")
    with leads.db.begin() as tx:
        tx.execute(sa.text("UPDATE lead_scores SET qualified = FALSE, reason = 'changed'"))
    assign(UNIT, db=leads.db, clock=CLOCK)
    assert assignments(leads) == []


def test_a_loaded_version_cannot_be_edited(database):
    found = read()
    with database.begin() as tx:
        load(tx, found, TUESDAY)
    edited = {"subject_line_test": found["subject_line_test"].model_copy(update={"salt": "another-salt"})}
    with pytest.raises(ExperimentChanged, match="version 2"), database.begin() as tx:
        load(tx, edited, TUESDAY)


def test_a_new_version_stops_the_old_one_and_what_is_gone_from_the_file_stops(database):
    found = read()
    newer = {"subject_line_test": found["subject_line_test"].model_copy(update={"version": 2, "salt": "another-salt"})}
    with database.begin() as tx:
        load(tx, found, TUESDAY)
        load(tx, newer, TUESDAY)
        of_name = sa.select(experiments).where(experiments.c.experiment == "subject_line_test")
        states = {row.version: row.state for row in tx.execute(of_name)}
        assert states == {1: "stopped", 2: "running"}
        load(tx, {}, TUESDAY)
        assert set(tx.scalars(sa.select(experiments.c.state))) == {"stopped"}


def holding_out(tmp_path, told):
    """The shipped experiments with a global holdout."""
    half = tmp_path / "production.yaml"
    half.write_text(PATH.read_text().replace("global_holdout: null", f"global_holdout: {told}"))
    return half


HALF = "{version: 1, salt: nobody-2026-12, holdout_bp: 5000}"


async def test_who_is_in_the_global_holdout_is_in_nothing_else_and_gets_no_letter(leads, tmp_path):
    half = holding_out(tmp_path, HALF)
    seeds = [leads.business(number).business_id for number in range(8)]
    await leads.through("score")
    assign(UNIT, db=leads.db, clock=CLOCK, path=half)
    out = {each for each in seeds if buckets.bucket("nobody-2026-12", each) < 5_000}
    assert 0 < len(out) < len(seeds)
    rows = assignments(leads)
    sides = {row.business_id: row.arm for row in rows if row.experiment == "global_holdout"}
    assert sides == {each: "holdout" if each in out else "mailed" for each in seeds}
    assert {row.arm for row in rows if row.business_id in out} == {"holdout"}
    assert {row.business_id for row in rows if row.experiment != "global_holdout"} == set(seeds) - out
    model = FakeOpenAI(leads.settings, model_down)
    await draft(UNIT, db=leads.db, clock=CLOCK, settings=leads.settings, openai=model)
    drafts = leads.rows(sa.select(email_drafts))
    assert {row.business_id for row in drafts if row.reason == "holdout of global_holdout"} == out
    assert not {row.business_id for row in drafts if row.status == "drafted"} & out


async def test_a_side_of_the_global_holdout_stays_whatever_happens_to_the_lead(leads, tmp_path):
    half = holding_out(tmp_path, HALF)
    for number in range(8):
        leads.business(number)
    await leads.through("score")
    assign(UNIT, db=leads.db, clock=CLOCK, path=half)
    before = {row.business_id: row.arm for row in assignments(leads) if row.experiment == "global_holdout"}
    with leads.db.begin() as tx:
        tx.execute(sa.text("UPDATE lead_scores SET qualified = FALSE, reason = 'changed'"))
    assign(
        UNIT, db=leads.db, clock=CLOCK, path=holding_out(tmp_path, HALF.replace("1, salt: nobody", "2, salt: others"))
    )
    assert {row.business_id: row.arm for row in assignments(leads)} == before


async def test_a_cohort_before_the_global_holdout_is_on_no_side_and_keeps_its_arms(leads, tmp_path):
    for number in range(8):
        leads.business(number)
    await leads.through("assign")
    before = assignments(leads)
    later = type(CLOCK)(start=TUESDAY + dt.timedelta(days=1))
    assign(UNIT, db=leads.db, clock=later, path=holding_out(tmp_path, HALF))
    assert assignments(leads) == before


def test_the_global_holdout_changes_by_a_new_version_only_and_stops_with_its_line(database):
    first = GlobalHoldout(version=1, salt="nobody-2026-12", holdout_bp=200)
    with database.begin() as tx:
        load_holdout(tx, first, TUESDAY)
        load(tx, {}, TUESDAY)  # the file's experiments are not what it lives by
        load_holdout(tx, first, TUESDAY)
        with pytest.raises(ExperimentChanged, match="holdout_bp"):
            load_holdout(tx, first.model_copy(update={"holdout_bp": 300}), TUESDAY)
        load_holdout(tx, first.model_copy(update={"version": 2, "holdout_bp": 300}), TUESDAY)
        states = sa.select(experiments.c.version, experiments.c.state).order_by(experiments.c.version)
        assert [tuple(row) for row in tx.execute(states)] == [(1, "stopped"), (2, "running")]
        load_holdout(tx, None, TUESDAY)
        assert {row.state for row in tx.execute(states)} == {"stopped"}
