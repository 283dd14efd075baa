"""Assignments: replaced until exposed, fixed from then on; a loaded version of an experiment never changes."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from leadfactory.d11_experiments.assignment import assign
from leadfactory.d11_experiments.definitions import ExperimentChanged, load, read
from leadfactory.d11_experiments.tables import experiment_assignments, experiments
from tests.leads import CLOCK, TUESDAY, UNIT


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
