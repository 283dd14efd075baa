"""The operator's commands about targets, plans and exclusions, as they are typed."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.d01_targeting.tables import campaign_targets, exclusions
from tests.cli.test_bad_input import SEED


def test_a_plan_is_printed_for_people_and_programs_and_writes_nothing(here, database):
    here(*SEED, "--name=nyc")
    here("targets", "add", "nyc", "--zip=10002", "--quota=30")
    told = here("plan", "--campaign=nyc", "--date=2026-10-06", "--json")
    assert [each["target"] for each in told["days"][0]["targets"]] == ["10001", "10002"]
    assert told["businesses"] == 100
    shown = here("plan", "--campaign=nyc")
    assert all(
        word in shown for word in ("10002 (untried)", "per sale", "$199.00", "bounded by: the campaign's quota of 100")
    )
    with database.begin() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(campaign_targets)) == 0
    assert "--date='tomorrow' is not a date" in here("plan", "--date=tomorrow", fails=True)
    assert "'nowhere' does not exist: there are nyc" in here("plan", "--campaign=nowhere", fails=True)


def test_exclusions_are_added_listed_and_removed_and_a_dry_run_writes_nothing(here, tmp_path, database):
    file = tmp_path / "customers.csv"
    file.write_text("name,phone,email\nAnn,(212) 555-0100,ann@joes.com\nBob,12,\nCarl,,\n")

    def stored() -> int:
        with database.begin() as tx:
            return tx.scalar(sa.select(sa.func.count()).select_from(exclusions)) or 0

    add = ("exclusions", "add", str(file), "--list=customers")
    assert [row["line"] for row in here(*add, "--dry-run", "--json")["bad_rows"]] == [3, 4]
    assert "2 bad rows: nothing is added" in here(*add, fails=True)
    assert stored() == 0
    assert (
        here(*add, "--skip-bad-rows", "--json")["new_entries"] == stored() == 3
    )  # phone, address, the address's own domain
    (held,) = here("exclusions", "list", "www.joes.com", "--json")
    assert (held["list"], held["label"]) == ("customers", "customers.csv")
    assert here("exclusions", "remove", "--label=customers.csv", "--dry-run", "--json")["removed_entries"] == 3
    assert stored() == 3
    here("exclusions", "remove", "--label=customers.csv")
    assert stored() == 0
    assert "does not exist" in here("exclusions", "add", "nothing.csv", fails=True)
