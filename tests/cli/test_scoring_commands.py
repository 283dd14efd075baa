"""`leadfactory explain` and `leadfactory scoring backtest` as an operator calls them."""

from __future__ import annotations

import asyncio
import json

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.main import app
from cli.output import CommandError
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.settings import ROOT
from leadfactory.yaml_config import ConfigError
from tests.leads import UNIT, Leads
from tests.postgres import settings_for_tests

RULES = ROOT / "config" / "scoring.yaml"


@pytest.fixture
def leads(database, tmp_path) -> Leads:
    """One lead with a draft and one without a website."""
    made = Leads(database, settings_for_tests(tmp_path))
    made.campaign()
    made.business(1)
    made.business(2, status="no_website", reason="none_known", site_url=None)
    asyncio.run(made.through("draft"))
    return made


@pytest.fixture
def leadfactory(command, leads):
    return command


def test_explain_tells_the_score_the_mail_and_the_first_gate(leadfactory):
    done = leadfactory("explain", "shop1.example")
    assert done.returncode == 0, done.stderr
    assert "Tier B, " in done.stdout
    assert "first gate: sent, no send is planned yet" in done.stdout
    assert "an estimate" in done.stdout


def test_explain_as_json_is_one_document(leadfactory):
    told = json.loads(leadfactory("explain", "Shop 1", "--json").stdout)
    assert [room["name"] for room in told["rooms"]] == [
        "sourced",
        "unique",
        "enriched",
        "audited",
        "scored",
        "drafted",
        "sent",
    ]
    assert told["campaign_day"] == UNIT.key


def test_explain_of_an_unknown_business_is_one_line(leadfactory):
    done = leadfactory("explain", "nobody.example")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no business matches 'nobody.example'")


def test_a_backtest_shows_moves_and_writes_nothing(leadfactory, leads, tmp_path):
    new = tmp_path / "rules.yaml"
    new.write_text(RULES.read_text().replace("{A: 68, B: 44, C: 32}", "{A: 99, B: 98, C: 97}"))
    before = leads.rows(sa.select(lead_scores))
    done = leadfactory("scoring", "backtest", "--rules", str(new), "--since", "2026-10-01", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["leads"], told["qualified"], told["tier_moves"]["B"]["D"]) == (2, {"before": 1, "after": 0}, 1)
    assert leads.rows(sa.select(lead_scores)) == before


def test_a_backtest_as_text_names_the_leads_that_change(leadfactory, tmp_path):
    new = tmp_path / "rules.yaml"
    new.write_text(RULES.read_text().replace("min_tier: B", "min_tier: A").replace("{A: 70", "{A: 99"))
    done = leadfactory("scoring", "backtest", "--rules", str(new), "--since", "2026-10-01", "--campaign", UNIT.campaign)
    assert "changed: 1 leads" in done.stdout
    assert "(an estimate: price x purchase probability" in done.stdout
    assert "expired inputs, counted as unknown: 0 leads" in done.stdout


def test_an_unknown_campaign_is_one_line(leadfactory):
    done = leadfactory("scoring", "backtest", "--rules", str(RULES), "--since", "2026-10-01", "--campaign", "nobodys")
    assert (done.returncode, done.stdout) == (1, "")
    assert "campaign 'nobodys'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rules", "/nowhere.yaml", "--since", "2026-10-01"), "--rules=/nowhere.yaml: no such file"),
        (("--rules", str(RULES), "--since", "yesterday"), "--since='yesterday' is not a date"),
        (("--rules", str(RULES), "--since", "2026-10-02", "--until", "2026-10-01"), "--until=2026-10-01 is before"),
        (("--rules", str(RULES.with_name("prices.yaml")), "--since", "2026-10-01"), "config/prices.yaml: "),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_read(words, told):
    done = CliRunner().invoke(app, ["scoring", "backtest", *words])
    assert isinstance(done.exception, (CommandError, ConfigError))
    assert told in str(done.exception)
