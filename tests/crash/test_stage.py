"""`python -m leadfactory.stage` as an operator's shell starts it: light, and killed on request everywhere but in production."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leadfactory.settings import ROOT, SANDBOX_KEYS, Settings
from tests.crash.scene import UNIT, Lane

pytestmark = pytest.mark.slow
STAGE = "sourcing"


def run(environment: dict[str, str], *options: str, stage: str = STAGE) -> subprocess.CompletedProcess[str]:
    """A process of its own, with nothing of ours in its environment but ``environment``."""
    theirs = {k: v for k, v in os.environ.items() if not k.startswith(("LEADFACTORY_", "DAGSTER_", "WEBSITE_"))}
    argv = [sys.executable, *options, "-m", "leadfactory.stage", stage, UNIT.key]
    return subprocess.run(
        argv, cwd=ROOT, env=theirs | environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def lane(lanes: list[Lane]) -> Lane:
    """A campaign-day that was planned and is not sourced yet."""
    lanes[0].begin(STAGE)
    return lanes[0]


def test_a_process_numbers_the_points_that_a_forked_one_numbers(lane: Lane) -> None:
    alone = run(lane.environment | {"LEADFACTORY_CRASH_AT": "0"})
    lane.begin(STAGE)
    assert json.loads(alone.stderr.splitlines()[-1])["points"] == lane.run(STAGE, kill_at=0).points


def test_a_process_ends_by_sigkill_at_its_point(lane: Lane) -> None:
    killed = run(lane.environment | {"LEADFACTORY_CRASH_AT": "5"})
    assert (killed.returncode, killed.stdout) == (-9, "")


def test_production_refuses_to_be_killed_on_purpose(tmp_path: Path) -> None:
    seller = tmp_path / "seller.yaml"
    seller.write_text((ROOT / "config" / "seller.yaml").read_text().replace("invented: true", "invented: false"))
    people = tmp_path / "contacts.yaml"
    people.write_text((ROOT / "config" / "contacts.yaml").read_text().replace("[Contact]", "somebody"))
    named = {name: str(Settings.model_fields[name].validation_alias) for name in SANDBOX_KEYS}
    environment = dict.fromkeys(named.values(), "a-key") | {
        "LEADFACTORY_ENV": "production", "LEADFACTORY_SUPPRESSION_KEY": "s" * 32, "LEADFACTORY_SIGNING_KEYS": "k" * 32,
        "LEADFACTORY_DATABASE_URL": "postgresql://nobody@db.invalid/leadfactory", "LEADFACTORY_CRASH_AT": "1",
        "LEADFACTORY_SELLER": str(seller), "LEADFACTORY_CONTACTS": str(people), "STRIPE_WEBHOOK_SECRET": "whsec_live",
        "SENDGRID_WEBHOOK_PUBLIC_KEY": "a-key", "LEADFACTORY_BACKUP_KEYS": "a-key",
    }  # fmt: skip
    refused = run(environment)
    assert refused.returncode == 2
    assert "LEADFACTORY_CRASH_AT is set: no process is killed on purpose in production" in refused.stderr


def test_what_is_no_number_is_refused(lane: Lane) -> None:
    refused = run(lane.environment | {"LEADFACTORY_CRASH_AT": "now"})
    assert refused.returncode == 2
    assert "LEADFACTORY_CRASH_AT='now' is no point" in refused.stderr


@pytest.mark.parametrize("stage", ["sourcing", "export"])
def test_a_stage_loads_neither_the_orchestrator_nor_the_judge(lane: Lane, stage: str) -> None:
    done = run(lane.environment, "-X", "importtime", stage=stage)
    assert done.returncode == 0
    loaded = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "sqlalchemy" in loaded
    assert {"dagster", "great_expectations"} & loaded == set()
