"""The weekly look is the same as `make security`: an open finding fails its run, and so does a test of attacks that fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from leadfactory.settings import settings
from leadfactory_assets.security import security_review

Run = Callable[[], dg.ExecuteInProcessResult]
DANGER = "import subprocess\nsubprocess.run(input(), shell=True)\n"
ACCEPTED = """as_of: 2026-11-30
accepted:
  - {tool: bandit, rule: B404, files: [leadfactory/*], reason: it is a test that a reason is read from the tree}
  - {tool: bandit, rule: B602, files: [leadfactory/*], reason: it is a test that a reason is read from the tree}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository of one file, and a folder of one test."""
    for folder in ("leadfactory", "config", "attacks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "leadfactory" / "rooms.py").write_text("ROOMS = 12\n")
    (tmp_path / "attacks" / "test_one.py").write_text("def test_one():\n    assert True\n")
    return tmp_path


@pytest.fixture
def run(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The job as its schedule starts it, over that tree."""
    monkeypatch.setenv("LEADFACTORY_HOME", str(tree / "home"))
    settings.cache_clear()
    ops = {
        "review_security": {"config": {"root": str(tree), "only": ["code"]}},
        "run_security_tests": {"config": {"folder": str(tree / "attacks")}},
    }
    yield lambda: security_review.execute_in_process(run_config={"ops": ops}, raise_on_error=False)
    settings.cache_clear()


def test_clean_code_and_tests_that_pass_are_a_run_that_succeeds(run: Run, tree: Path) -> None:
    assert run().success
    assert json.loads((tree / "home" / "security_report.json").read_text())["status"] == "clean"


def test_an_open_finding_fails_the_run_and_one_with_a_reason_does_not(run: Run, tree: Path) -> None:
    (tree / "leadfactory" / "rooms.py").write_text(DANGER)
    assert not run().success
    (tree / "config" / "security_accepted.yaml").write_text(ACCEPTED)
    assert run().success


def test_a_test_that_fails_fails_the_run_and_an_image_without_tests_says_so(run: Run, tree: Path) -> None:
    (tree / "attacks" / "test_one.py").write_text("def test_one():\n    assert False\n")
    assert not run().success
    shutil.rmtree(tree / "attacks")
    assert run().success
