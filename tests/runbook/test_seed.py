"""Nothing of the runbook that this system was asked to satisfy is left out: its lines stand in the table, and what it names exists."""

from __future__ import annotations

import re

import pytest
import yaml

from leadfactory.settings import ROOT

SEED = ROOT.parent / "shared" / "seed-runbook.md"
PAGE = (ROOT / "docs" / "runbook.md").read_text()
ALERTS = (ROOT / "docs" / "alerts.md").read_text()
TABLE = "\n".join(line.split("|")[1] for line in PAGE.partition("### From the seed's runbook")[2].splitlines() if line.startswith("| "))  # fmt: skip
# What a line of the seed says when it has no command of its own to be found by, and the words of the row that answers it.
INLINE = {
    "from d10_analytics.warehouse import get_daily_metrics": "get_daily_metrics()",
    "from d9_delivery.models import Email": "delivered share",
    "from d7_storefront.models import Purchase": "today's purchases",
    "from d11_orchestration.experiments import get_experiment_metrics": "get_experiment_metrics('subject_line_test')",
    "from d0_gateway.rate_limiter import RateLimiter": "RateLimiter().get_usage_stats()",
    "from d0_gateway.circuit_breaker import CircuitBreaker": "CircuitBreaker('yelp').force_open()",
}
OTHERS = (
    "alembic upgrade head", "docker logs leadfactory_pipeline_1", "curl localhost:9090/metrics", "tail -f logs/sendgrid_events.log",
    "safety check", "bandit -r . -f json -o security_report.json", "pip list --outdated", "pytest tests/security/test_compliance.py -v",
    "pg_isready", "SELECT * FROM pg_stat_activity", "redis-cli info stats", "redis-cli flushdb", "EXPLAIN ANALYZE", "docker stats",
    "ALTER SYSTEM SET log_min_duration_statement", "docker-compose stop pipeline", "docker-compose ps", "git checkout <previous-commit>",
    "git checkout main -- config/", "cp .env.example .env.production", "/app/cron/daily_pipeline.sh", "/app/cron/cleanup.sh",
    "/app/cron/backup.sh", "logs/nginx/", "logs/postgresql.log", "http://localhost:8000/health", "monitoring/alerts.yaml",
)  # fmt: skip
RULES = {
    "pipeline_failure": "PipelineFailure", "high_bounce_rate": "HighBounceRate", "payment_failure": "PaymentFailure",
    "database_down": "DatabaseDown", "low_delivery_rate": "LowDeliveryRate", "api_rate_limits": "ApiRateLimits", "disk_space": "DiskSpace",
}  # fmt: skip


@pytest.fixture(scope="module")
def seed() -> str:
    if not SEED.is_file():
        pytest.skip("the seed's runbook is not present")
    return SEED.read_text()


def test_every_script_of_the_seed_has_a_row_with_its_options(seed: str) -> None:
    scripts = set(re.findall(r"python scripts/(\w+\.py)", seed))
    assert len(scripts) > 20
    assert {script for script in scripts if f"python scripts/{script}" not in TABLE} == set()


def test_every_option_of_the_seeds_scripts_is_in_the_row(seed: str) -> None:
    options = set(re.findall(r"python scripts/\w+\.py.*?(--[a-z]+)", seed))
    assert {option for option in options if option not in TABLE} == set()


def test_every_snippet_of_the_seed_has_a_row(seed: str) -> None:
    snippets = set(re.findall(r"from d\d+_\w+\.\w+ import \w+", seed))
    assert snippets == set(INLINE)
    assert {words for words in INLINE.values() if words not in TABLE} == set()


@pytest.mark.parametrize("line", OTHERS)
def test_what_else_the_seed_types_has_a_row(seed: str, line: str) -> None:
    assert line in seed
    assert line in TABLE


def test_every_threshold_of_the_seed_is_a_rule_that_is_told(seed: str) -> None:
    named = re.search(r"critical:\n(.+?)```", seed, re.DOTALL)
    assert named is not None
    assert set(re.findall(r"- (\w+):", named[1])) == set(RULES)
    groups = yaml.safe_load((ROOT / "monitoring" / "alerts.yaml").read_text())["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert set(RULES.values()) <= set(rules)
    told = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.+)$", ALERTS, re.MULTILINE)}
    assert {rules[name]["annotations"]["section"] for name in RULES.values()} <= told
    critical = named[1].partition("warning:")[0]
    for ours in RULES:
        expected = "critical" if f"- {ours}:" in critical else "warning"
        assert rules[RULES[ours]]["labels"]["severity"] == expected, ours


def test_every_file_of_configuration_of_the_seed_exists_or_is_written_by_a_command(seed: str) -> None:
    files = re.findall(r"^- `([^`]+\.(?:yaml|yml|production))`:", seed, re.MULTILINE)
    assert len(files) == 5
    missing = [name for name in files if not (ROOT / name).is_file()]
    assert missing == [".env.production"]  # secrets are nobody's file to keep: `init-production` writes it
    assert "`leadfactory init-production` writes it" in PAGE
