"""What the documents name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_make_target_of_the_readme_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    have = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named - have == set()


def test_every_command_of_the_readme_exists() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    named = set(
        re.findall(
            r"leadfactory ([a-z]+(?:-[a-z]+)+)",
            (ROOT / "README.md").read_text() + (ROOT / "docs" / "walk.md").read_text(),
        )
    )
    assert {name for name in named if name not in done.stdout} == set()


def test_every_setting_is_in_the_example() -> None:
    from leadfactory.settings import Settings

    example = (ROOT / ".env.example").read_text()
    missing = [
        str(f.validation_alias) for f in Settings.model_fields.values() if f"{f.validation_alias}=" not in example
    ]
    assert missing == []
