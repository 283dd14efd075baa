"""`leadfactory simulate` plays days through the real rooms; what went wrong in them is in the ledgers and in the marts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from cli.simulating import script
from cli.simulating.figures import Figures, doubts
from leadfactory.database import Database
from tests.dashboards.conftest import DAYS, Played


@pytest.fixture(scope="module")
def rows(played: Played) -> Any:
    db = Database.from_settings(played.config)

    def ask(query: str) -> list[Any]:
        with db.begin() as tx:
            return list(tx.execute(sa.text(query)))

    yield ask
    db.dispose()


def test_every_day_has_its_cohort_and_letters(played: Played, rows: Any) -> None:
    assert played.told["counts"]["campaign_days"] == DAYS
    assert rows("SELECT count(DISTINCT cohort_on) FROM enriched_businesses WHERE status = 'ok'")[0][0] == DAYS
    assert played.told["counts"]["letters"] > 0
    assert played.told["doubts"] == []


def test_what_goes_wrong_happened(played: Played, rows: Any) -> None:
    assert played.told["happened"]["days of vendor outage"] == 2
    assert played.told["happened"]["days of bounce spike"] == 1
    down = rows(
        "SELECT DISTINCT occurred_on FROM vendor_calls WHERE vendor = 'pagespeed' AND status = 'unavailable' ORDER BY 1"
    )
    start = script.read().starts_on
    assert [row.occurred_on for row in down] == [start, start + dt.timedelta(days=1)]


def test_an_outage_that_ends_on_its_day_loses_no_lead_and_a_longer_one_does(rows: Any) -> None:
    start = script.read().starts_on
    open_by_day = rows(
        "SELECT cohort_on, count(*) FILTER (WHERE status <> 'ok') AS open FROM site_audits GROUP BY 1 ORDER BY 1"
    )
    (first, still_open), (_, lost), *_ = open_by_day
    assert (first, still_open) == (start, 0)
    assert lost > 0


def test_every_call_is_dated_by_the_simulated_day(rows: Any) -> None:
    assert rows("SELECT count(*) FROM vendor_calls WHERE started_at::date <> occurred_on")[0][0] == 0


def test_people_act_in_their_own_time(rows: Any) -> None:
    wrong = "SELECT count(*) FROM send_outcomes o JOIN email_sends s USING (send_id) WHERE o.opened_at < s.claimed_at"
    assert rows(wrong)[0][0] == 0
    assert rows("SELECT count(opened_at) FROM send_outcomes")[0][0] > 0


def test_the_published_marts_hold_the_days(played: Played) -> None:
    with duckdb.connect(str(played.config.warehouse), read_only=True) as warehouse:
        version = warehouse.execute("SELECT count(*) FROM marts.version").fetchone()
    assert version == (1,)


def test_a_second_simulation_in_the_same_database_is_refused(
    played: Played, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cli.output import CommandError
    from cli.simulate import simulate

    assert played.config.database_url is not None
    monkeypatch.setenv("LEADFACTORY_DATABASE_URL", played.config.database_url.get_secret_value())
    with pytest.raises(CommandError, match="starts empty"):
        simulate(days=1, seed="demo", home=tmp_path, anew=False, json=True)


def test_production_is_never_simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from cli.output import CommandError
    from cli.simulate import simulate

    monkeypatch.setenv("LEADFACTORY_ENV", "production")
    with pytest.raises(CommandError, match="development"):
        simulate(days=1, seed="demo", home=tmp_path, anew=False, json=True)
    assert not list(tmp_path.iterdir())


def test_anew_deletes_nothing_that_no_simulation_made(tmp_path: Path) -> None:
    from cli.output import CommandError
    from cli.simulate import simulate

    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CommandError, match="was not made by a simulation"):
        simulate(days=1, seed="demo", home=tmp_path, anew=True, json=True)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def _figures(**changes: int) -> Figures:
    counts = {"letters": 2000, "businesses": 800, "delivered": 1960, "bounced": 20, "clicked": 40, "purchased": 3}
    return Figures(counts | changes, (860, 290, 95, 95, 660, 0, 0), (340, 115, 115, 115, 115, 0, 0))


def test_a_quarter_as_it_should_be_is_believed() -> None:
    assert doubts(_figures(), script.read().believable, 12) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"delivered": 1999}, "delivered"),
        ({"bounced": 60}, "bounced"),
        ({"clicked": 200}, "clicked"),
        ({"purchased": 0}, "purchased"),
        ({"purchased": 5}, "purchased is 0.62% of the businesses"),
    ],
)
def test_a_figure_out_of_its_range_is_named(changes: dict[str, int], named: str) -> None:
    (doubt,) = doubts(_figures(**changes), script.read().believable, 12)
    assert doubt.startswith(named)


def test_letters_on_a_sunday_are_never_believed() -> None:
    few = Figures(
        {"letters": 10, "delivered": 10, "bounced": 0, "clicked": 0, "purchased": 0}, (5, 0, 0, 0, 0, 0, 5), (0,) * 7
    )
    assert doubts(few, script.read().believable, 1) == ["Sun has 5 letters: nobody writes on it"]


@pytest.mark.parametrize(
    ("letters", "first", "named"),
    [
        ((1900, 25, 25, 25, 25, 0, 0), (340, 115, 115, 115, 115, 0, 0), "hardly any letters"),
        ((860, 290, 95, 95, 660, 0, 0), (700, 25, 25, 25, 25, 0, 0), "hardly any first letters"),
    ],
)
def test_a_week_without_a_pattern_is_named(letters: tuple[int, ...], first: tuple[int, ...], named: str) -> None:
    found = doubts(Figures(_figures().counts, letters, first), script.read().believable, 12)
    assert [named in doubt for doubt in found] == [True] * 4
