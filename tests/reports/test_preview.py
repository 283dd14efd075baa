"""`leadfactory report preview`: one audited business's report, and one clear line for everything else."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import reports
from cli.output import CommandError
from leadfactory.database import Database
from tests.leads import Leads
from tests.postgres import settings_for_tests

ROOT = Path(__file__).resolve().parents[2]


def preview(*arguments: str, home: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    given = {
        **os.environ,
        "LEADFACTORY_HOME": str(home),
        "COLUMNS": "400",
        "LEADFACTORY_CLOCK": "2026-10-08T15:00:00+00:00",
        **env,
    }
    command = [sys.executable, "-m", "cli.main", "report", "preview", *arguments]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False)


def read(path: str) -> bytes:
    return Path(path).read_bytes()


@pytest.fixture
def cli_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def cli_env(database: Database) -> dict[str, str]:
    """Points a command at the tests' own Postgres."""
    url = database.url.render_as_string(hide_password=False)
    return {"LEADFACTORY_DATABASE_URL": url.replace("postgresql+psycopg", "postgresql")}


@pytest.fixture
async def audited(database: Database, tmp_path: Path) -> Leads:
    """shop1.example, audited."""
    leads = Leads(database, settings_for_tests(tmp_path))
    leads.campaign()
    leads.business(1)
    await leads.through("audit")
    return leads


async def test_it_writes_the_twin_and_tells_its_hash(audited: Leads, cli_home: Path, cli_env: dict[str, str]) -> None:
    out = cli_home / "folder" / "x.html"
    done = preview("shop1.example", "--html", f"--out={out}", "--json", home=cli_home, env=cli_env)
    told = json.loads(done.stdout)
    assert told["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (told["path"], told["format"], told["campaign_day"]) == (str(out), "html", "restaurant-nyc|2026-10-06")
    assert "Shop 1" in out.read_text()
    assert "October 8, 2026" in out.read_text()


async def test_it_writes_the_pdf_under_the_home_or_says_what_is_missing(
    audited: Leads, cli_home: Path, cli_env: dict[str, str]
) -> None:
    told = json.loads(preview("www.shop1.example", "--json", home=cli_home, env=cli_env).stdout)
    path, content = Path(told["path"]), read(told["path"])
    assert path.parent == cli_home / "reports"
    assert len(content) == told["bytes"]
    if told["no_pdf"] is None:
        assert path.name == "shop1.example-2026-10-08.pdf"
        assert content.startswith(b"%PDF-1.7")
        assert told["pages"] > 8
    else:
        assert path.suffix == ".html"
        assert "apt-get install" in told["no_pdf"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.example"], "business 'nowhere.example' is unknown"),
        (["shop1.example", "--html", "--out=/proc/nowhere/x.html"], "--out=/proc/nowhere/x.html cannot be written"),
    ],
)
async def test_what_cannot_be_done_is_one_line(
    audited: Leads, cli_home: Path, cli_env: dict[str, str], arguments: list[str], said: str
) -> None:
    done = preview(*arguments, home=cli_home, env=cli_env)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_date_that_is_none_is_told_with_the_form_that_is() -> None:
    with pytest.raises(CommandError, match="--on='soon' is no date: write it as 2026-10-06"):
        reports._date("soon")


def test_html_never_bears_the_name_of_a_pdf() -> None:
    assert reports._path(Path("x.pdf"), True, Path("y")) == Path("x.html")
