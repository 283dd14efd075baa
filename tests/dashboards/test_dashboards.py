"""Every panel asks something that the published marts answer; pages, CSV and Grafana's files say the same; nobody else may look."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from edge.app import create_app
from leadfactory import api_keys
from leadfactory.dashboards import asking, drawing, grafana, words
from leadfactory.dashboards.asking import Filter, Rows
from leadfactory.dashboards.panels import NAMES, dashboard
from leadfactory.database import Database
from leadfactory.settings import ROOT
from tests.dashboards.conftest import DATABASE, Played

PANELS = [(name, panel.name) for name in NAMES for panel in dashboard(name).panels]


@pytest.fixture(scope="module")
def visit(played: Played, db: Database) -> Iterator[TestClient]:
    now = played.config.clock.now()
    with db.begin() as tx:
        key = api_keys.create(tx, "ana", ["dashboards"], now + dt.timedelta(days=30), now)
    app = create_app(played.config, db=db)
    with TestClient(app, headers={"Authorization": f"Bearer {key}"}, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_has_something_to_show(db: Database, name: str, panel: str) -> None:
    found = dashboard(name)
    version = asking.version(db)
    _, rows = asking.ask(db, found, Filter.usual(version), only=[found.panel(panel)])
    assert rows[panel].rows
    assert any(value is not None for row in rows[panel].rows for value in row[1:] or row)


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_those_that_the_file_names(db: Database, name: str) -> None:
    _, rows = asking.ask(db, dashboard(name), Filter.usual(asking.version(db)))
    for panel in dashboard(name).panels:
        columns = set(rows[panel.name].columns)
        assert set(panel.series) <= columns, panel.name
        assert set(panel.units) <= columns, panel.name


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_every_panel_and_the_build_it_is_from(visit: TestClient, db: Database, name: str) -> None:
    answer = visit.get(f"/dashboards/{name}")
    assert answer.status_code == 200
    assert asking.version(db).build_id in answer.text
    assert "Nothing on the chosen days" not in answer.text
    assert all(f'id="p-{panel.name}"' in answer.text for panel in dashboard(name).panels)


def test_a_page_needs_no_script_and_no_style_that_the_policy_forbids(visit: TestClient) -> None:
    answer = visit.get("/dashboards/funnel")
    assert "<script" not in answer.text
    assert ' style="' not in answer.text
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]


def test_a_csv_holds_what_the_page_shows(visit: TestClient, db: Database) -> None:
    answer = visit.get("/dashboards/funnel/campaigns.csv")
    head, *lines = csv.reader(io.StringIO(answer.text))
    assert head[0] == "campaign"
    assert [line[0] for line in lines] == list(asking.version(db).campaigns)
    assert answer.headers["x-marts-version"] == asking.version(db).build_id


def test_days_without_anything_say_so(visit: TestClient) -> None:
    answer = visit.get("/dashboards/funnel?since=2020-01-01&until=2020-01-31")
    assert answer.status_code == 200
    assert "Nothing on the chosen days" in answer.text


@pytest.mark.parametrize(
    ("query", "named"),
    [("since=tomorrow", "since="), ("since=2026-05-01&until=2026-04-01", "turn them round"), ("campaign=other", "campaign="),
     ("since=2000-01-01", "choose fewer")],
)  # fmt: skip
def test_a_choice_that_is_none_is_named(visit: TestClient, query: str, named: str) -> None:
    answer = visit.get(f"/dashboards/funnel?{query}")
    assert answer.status_code == 400
    assert named in answer.text


def test_a_panels_question_reaches_nothing_but_the_marts(db: Database) -> None:
    funnel = dashboard("funnel")
    curious = funnel.panels[0].model_copy(update={"sql": "SELECT contact_email FROM leadfactory.enriched_businesses"})
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        asking.ask(db, funnel, Filter.usual(asking.version(db)), only=[curious])


def test_a_campaign_day_leads_to_the_operators_ui_that_the_setting_names(played: Played, db: Database) -> None:
    now = played.config.clock.now()
    with db.begin() as tx:
        key = api_keys.create(tx, "ben", ["dashboards"], now + dt.timedelta(days=30), now)
    app = create_app(played.config.model_copy(update={"dagster_url": "https://ops.example/"}), db=db)
    with TestClient(app, headers={"Authorization": f"Bearer {key}"}) as client:
        answer = client.get(
            "/dashboards/funnel?since=2026-04-06&until=2026-04-07"
        )  # a choice that no other test has drawn
    assert 'href="https://ops.example/assets/leadfactory/email_drafts?partition=' in answer.text


def test_nobody_looks_without_a_key(visit: TestClient) -> None:
    for path in ("/dashboards/funnel", "/dashboards/funnel/totals.csv"):
        assert visit.get(path, headers={"Authorization": ""}).status_code == 401


def test_an_unknown_dashboard_is_not_found(visit: TestClient) -> None:
    assert visit.get("/dashboards/nothing").status_code == 404
    assert visit.get("/dashboards/funnel/nothing.csv").status_code == 404


def test_without_marts_a_page_says_what_to_run(visit: TestClient, db: Database, postgres: Any) -> None:
    owner = Database(postgres.url("owner", DATABASE))
    try:
        with owner.begin() as tx:
            tx.execute(sa.text("ALTER TABLE marts.version RENAME TO version_aside"))
        answer = visit.get("/dashboards/funnel")
        assert answer.status_code == 200
        assert "run the jobs `lake` and `marts`" in answer.text
    finally:
        with owner.begin() as tx:
            tx.execute(sa.text("ALTER TABLE marts.version_aside RENAME TO version"))
        owner.dispose()


def test_grafanas_files_are_those_of_the_panels() -> None:
    for path, text in grafana.files().items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)}: run `leadfactory dashboards build`"


@pytest.mark.parametrize("name", NAMES)
def test_grafana_asks_what_postgres_understands(db: Database, name: str) -> None:
    version = asking.version(db)
    chosen = Filter.usual(version)
    with db.engine.connect() as tx:
        for panel in dashboard(name).panels:
            asked = (
                grafana.sql(panel)
                .replace("$__timeFrom()", f"'{chosen.since}'")
                .replace("$__timeTo()", f"'{chosen.until}'")
            )
            asked = asked.replace("${campaign:singlequote}", ", ".join(f"'{each}'" for each in version.campaigns))
            assert tx.exec_driver_sql(asked.replace("%", "%%")).all(), panel.name


def test_grafana_finds_each_dashboard_by_its_name() -> None:
    for name in NAMES:
        assert json.loads((grafana.FOLDER / "dashboards" / f"{name}.json").read_text())["uid"] == name


def test_no_panel_uses_a_metric_that_is_not_told() -> None:
    source = "".join(path.read_text() for path in (ROOT / "leadfactory" / "monitoring").glob("*.py"))
    for live in dashboard("system").prometheus:
        for metric in re.findall(r"leadfactory_([a-z_]+)", live.expr):
            assert f'"{metric}"' in source, metric


def test_a_chart_has_no_colour_of_its_own() -> None:
    rows = Rows(("day", "sent"), ((dt.date(2026, 4, 6), 3), (dt.date(2026, 4, 7), 5)))
    drawn = drawing.svg(dashboard("funnel").panel("daily"), rows)
    assert "#01" not in drawn
    assert 'role="img"' in drawn


def test_a_name_is_no_formula_in_a_csv() -> None:
    assert words.table(Rows(("label",), (("=1+1",),))).splitlines()[1] == "'=1+1"
