"""Analysts' commands over real marts: figures with their build, files in every format, and nothing but reading."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from cli import main, output
from leadfactory import embedded
from leadfactory.d10_analytics import reading
from leadfactory.settings import ROOT, settings
from tests.dbt.cohorts import NYC
from tests.dbt.conftest import Story

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "analytics.md").read_text()
QUESTIONS = re.findall(r"\n([A-Z][^\n]+\?)\n\n```sql\n(.+?)```", PAGE, re.DOTALL)


@pytest.fixture
def ask(
    story: Story, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """Runs one command in this process over the story's home; what it printed, or its error when it ``fails``."""
    monkeypatch.setattr(output.console, "width", 400)

    def once(*arguments: str, fails: bool = False, exit_code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["leadfactory", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        said = capsys.readouterr()
        assert (ended.value.code or 0) == (1 if fails else exit_code), said.err
        return said.err if fails else said.out

    settings.cache_clear()
    yield once
    settings.cache_clear()


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize(("question", "query"), QUESTIONS, ids=[question for question, _ in QUESTIONS])
def test_a_worked_question_has_an_answer(story: Story, question: str, query: str) -> None:
    with reading.Marts(story.config) as marts:
        assert marts.ask(query).num_rows > 0, question


def test_the_notebook_of_the_page_runs_and_plots_every_day(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    (cells,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    path = ".leadfactory/warehouse.duckdb"
    assert path in cells
    monkeypatch.setenv("MPLBACKEND", "agg")
    left: dict[str, Any] = {}
    exec(cells.replace(path, str(story.config.warehouse)), left)
    assert len(left["days"]) > 0
    left["marts"].close()


@pytest.fixture
def analysts_password(monkeypatch: pytest.MonkeyPatch, postgres: embedded.EmbeddedServer) -> str:
    monkeypatch.setenv("LEADFACTORY_ANALYST_PASSWORD", postgres.passwords["lf_analyst"])
    return postgres.passwords["lf_analyst"]


def test_an_analyst_is_told_a_way_into_both_stores_that_was_tried(
    ask: Callable[..., str], story: Story, analysts_password: str
) -> None:
    file, server = json.loads(ask("doctor", "analyst", "--json"))
    assert (file["state"], server["state"]) == ("ok", "ok")
    assert str(story.config.warehouse.resolve()) in file["told"]
    with psycopg.connect(server["told"].partition(" ")[0]) as opened:
        assert opened.execute("SELECT count(*) FROM marts.dim_campaigns").fetchone() == (2,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            opened.execute("CREATE TABLE marts.mine (a int)")


@pytest.mark.usefixtures("analysts_password")
def test_an_analyst_who_could_read_the_factory_is_told_of_as_broken(
    ask: Callable[..., str], postgres: embedded.EmbeddedServer
) -> None:
    with psycopg.connect(postgres.url("owner"), autocommit=True) as owner:
        owner.execute("GRANT USAGE ON SCHEMA leadfactory TO lf_analyst")
        owner.execute("GRANT SELECT ON leadfactory.contact_slots TO lf_analyst")
        try:
            said = ask("doctor", "analyst", exit_code=1)
        finally:
            owner.execute("REVOKE SELECT ON leadfactory.contact_slots FROM lf_analyst")
            owner.execute("REVOKE USAGE ON SCHEMA leadfactory FROM lf_analyst")
    assert "may read 1 tables of the factory" in said


def test_an_analyst_without_the_password_is_told_where_it_stands(ask: Callable[..., str]) -> None:
    assert "set LEADFACTORY_ANALYST_PASSWORD, which stands in .env.admin" in ask("doctor", "analyst")


def test_the_day_is_what_happened_on_it(ask: Callable[..., str], story: Story) -> None:
    said = json.loads(ask("metrics", "daily", "--json"))
    with reading.Marts(story.config) as marts:
        (row,) = marts.ask("FROM mart_daily_activity WHERE occurred_on = '2026-10-06'").to_pylist()
    assert {name: said[name] for name in row if name != "occurred_on"} == {
        k: v for k, v in row.items() if k != "occurred_on"
    }
    assert said["build"] == marts.build.build_id


def test_a_day_without_anything_is_zero(ask: Callable[..., str]) -> None:
    assert json.loads(ask("metrics", "daily", "--date=2020-01-01", "--json"))["sent"] == 0


def test_a_campaign_is_the_sum_of_its_days(ask: Callable[..., str], story: Story) -> None:
    said = json.loads(ask("metrics", "campaign", NYC.campaign, "--json"))
    days = [counts for unit, counts in story.counts.items() if unit.campaign == NYC.campaign]
    for name in ("sourced", "sent", "purchased", "revenue_cents", "vendor_cost_microusd"):
        assert said[name] == sum(day[name] for day in days), name


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("metrics", "campaign", "nobody"), "restaurant-nyc"),
        (("metrics", "experiment", "nothing"), "they hold none"),
        (("metrics", "daily", "--date=soon"), "today, yesterday"),
        (("sql", "-c", "SELECT nothing"), "nothing"),
        (("sql", "-c", "DELETE FROM dim_campaigns"), "read-only"),
        (("sql", "-c", "FROM read_csv('/etc/passwd')"), "disabled"),
        (("sql", "-c", "SET enable_external_access = true"), "lock"),
        (("sql", "-c", "FROM dim_campaigns", "--format=xlsx"), "csv, json, parquet"),
        (("sql", "-c", "FROM dim_campaigns", "--format=parquet"), "--output"),
        (("export-data", "--table=suppressions_of_ours"), "no such table"),
        (("export-data", "--table=inbound_mails"), "stays in Postgres"),
        (("export-data", "--table=mart_nothing"), "no such mart"),
        (("warehouse", "rollback", "--to=nothing"), "kept are"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_said_with_what_can(
    ask: Callable[..., str], arguments: tuple[str, ...], word: str
) -> None:
    assert word in ask(*arguments, fails=True)


def test_sql_gives_csv_with_a_header(ask: Callable[..., str]) -> None:
    lines = ask("sql", "-c", "SELECT campaign_id, state FROM dim_campaigns ORDER BY 1", "--format=csv").splitlines()
    assert lines[0] == "campaign_id,state"
    assert lines[1] == "dental-la,launched"


def test_sql_gives_typed_parquet(ask: Callable[..., str], tmp_path: Path) -> None:
    target = tmp_path / "calls.parquet"
    ask("sql", "-c", "FROM fct_vendor_calls", "-o", str(target))
    table = pq.read_table(target)
    assert str(table.schema.field("started_at").type) == "timestamp[us, tz=UTC]"
    assert table.num_rows > 0


def test_the_shell_answers_statement_by_statement(ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(
        sys, "stdin", io.StringIO(".tables\nSELECT 40 +\n 2 AS answer;\nSELECT oops;\nSELECT 43 AS more;\n")
    )
    said = ask("sql")
    assert "mart_daily_funnel" in said
    assert "42" in said
    assert "43" in said


def test_a_table_of_the_factory_is_exported_by_the_column_policy(ask: Callable[..., str], story: Story) -> None:
    rows = json.loads(
        ask("export-data", "--table=email_sends", "--date=2026-10-06", f"--campaign={NYC.campaign}", "--json")
    )
    assert len(rows) == sum(
        story.counts[NYC][name] for name in ("waiting", "sent", "unknown", "refused", "rejected", "expired")
    )
    assert "sender_email" not in rows[0]
    assert rows[0]["sender_domain"] == "mail.leadfactory.example"


def test_a_mart_is_exported_by_day(ask: Callable[..., str]) -> None:
    lines = ask("export-data", "--table=mart_cohort_funnel", "--date=2026-10-07").splitlines()
    assert len(lines) == 2
    assert ",restaurant-nyc," in lines[1]


def test_status_names_build_age_and_what_is_kept(ask: Callable[..., str], story: Story) -> None:
    said = json.loads(ask("warehouse", "status", "--json"))
    assert said["published"] == said["postgres"] == story.live_after_broken[0]  # type: ignore[index]
    assert (said["lake_is_newer"], said["problems"], len(said["kept"])) == (True, [], 3)


def test_a_rollback_that_is_dry_names_the_build(ask: Callable[..., str], story: Story) -> None:
    said = json.loads(ask("warehouse", "rollback", "--dry-run", "--json"))
    assert (said["to"], said["dry_run"]) == (story.full.build_id, True)


def test_the_documentation_is_one_page_with_every_column(ask: Callable[..., str], story: Story) -> None:
    ask("warehouse", "docs", "--no-serve")
    page = (story.config.home / "dbt" / "target" / "static_index.html").read_text()
    assert "What these calls cost in millionths of a US dollar" in page
    assert sorted(path.name for path in story.config.home.glob("warehouse*")) == [
        "warehouse.duckdb",
        "warehouse.lock",
        "warehouse.versions",
    ]
