"""The dbt project is written as .sqlfluff says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from leadfactory.settings import ROOT

SQLFLUFF = Path(sys.executable).with_name("sqlfluff")


def lint(*paths: str) -> subprocess.CompletedProcess[str]:
    command = [str(SQLFLUFF), "lint", "--disable-progress-bar", *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_project_keeps_to_its_style() -> None:
    told = lint("dbt_project")
    assert told.returncode == 0, told.stdout[-4000:]
