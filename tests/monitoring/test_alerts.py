"""The alerting rules: each fires and keeps quiet where it should, says what a person needs, and watches what is emitted."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from leadfactory.settings import ROOT
from tests.monitoring import rules
from tests.monitoring.conftest import Told
from tests.monitoring.debian import promtool  # noqa: F401 (fixture)

FILE = ROOT / "monitoring" / "alerts.yaml"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]
}
# A rate of few things says nothing: every rule on a ratio of events asks for a sample, but shares of a capacity have none.
CAPACITIES = {"disk_used", "memory_used", "rate_used", "budget_used"}


def test_prometheus_reads_the_rules(promtool):  # noqa: F811
    promtool("check", "rules", str(FILE))


def test_each_rule_fires_and_keeps_quiet_where_it_should(promtool, tmp_path: Path):  # noqa: F811
    judged = rules.suites(FILE.read_text(), tmp_path)
    assert set(judged) == set(ALERTS)
    assert promtool("test", "rules", *judged.values()).count("SUCCESS") == len(ALERTS)


def test_the_rule_tester_notices_a_rule_that_does_not_fire(promtool, tmp_path: Path):  # noqa: F811
    broken = FILE.read_text().replace("leadfactory_database_up == 0", "leadfactory_database_up == 2")
    judged = rules.suites(broken, tmp_path)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        promtool("test", "rules", *judged.values())
    told = failed.value.stdout + failed.value.stderr
    assert re.findall(r'expr: "min\(ALERTS\{alertname=..(\w+)', told) == ["DatabaseDown"]
    assert told.count("SUCCESS") == len(ALERTS) - 1


def test_every_rule_has_its_cases():
    assert set(rules.CASES) == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_a_rule_says_what_a_person_needs(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    sections = {
        line[3:].strip() for line in (ROOT / "docs" / "alerts.md").read_text().splitlines() if line.startswith("## ")
    }
    assert rule["annotations"]["section"] in {title.lower().replace(" ", "-") for title in sections}


@pytest.mark.parametrize("name", ALERTS)
def test_a_rate_has_a_minimum_count_and_no_range_is_longer_than_five_minutes(name):
    expression = ALERTS[name]["expr"]
    ratios = set(re.findall(r"leadfactory_(\w+)_ratio", expression)) - CAPACITIES
    assert all(f"leadfactory_{ratio}_sample" in expression for ratio in ratios)
    assert set(re.findall(r"\[(\w+)\]", expression)) <= {"5m"}


@pytest.mark.parametrize("name", [name for name, rule in ALERTS.items() if "deviates" in rule["annotations"]])
def test_a_deviation_from_the_runbook_is_written_in_the_page_of_alerts(name):
    page = " ".join((ROOT / "docs" / "alerts.md").read_text().split())
    assert ALERTS[name]["annotations"]["deviates"] in page


def test_every_metric_of_a_rule_is_emitted(scrape: Callable[[], Told], world):
    world.client.get("/health")
    told = scrape()
    watched = {name for rule in ALERTS.values() for name in re.findall(r"leadfactory_\w+", rule["expr"])}
    assert watched - set(told) == set()
