"""The factory floor does not know Dagster, and the code location starts without what is heavy."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WIRING = {"dagster", "dagster_dbt", "leadfactory_assets", "resources", "sensors", "schedules", "edge", "cli"}
HEAVY = (
    "great_expectations",
    "dagster_dbt",
    "dbt",
    "weasyprint",
    "openai",
    "stripe",
    "sendgrid",
    "pandas",
    "matplotlib",
    "duckdb",
)


@functools.cache
def tree(path: Path) -> ast.Module:
    """What is written in ``path``; three tests look at most files."""
    return ast.parse(path.read_text())


@functools.cache
def imported_packages(path: Path) -> frozenset[str]:
    """The first part of every module that ``path`` imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return frozenset(found)


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", modules("leadfactory"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_factory_floor_does_not_know_the_wiring(path: Path) -> None:
    assert imported_packages(path).isdisjoint(WIRING)


@pytest.mark.parametrize("path", modules("edge"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_edge_knows_the_floor_only(path: Path) -> None:
    assert imported_packages(path).isdisjoint(WIRING - {"edge"} | {"sandbox"})


@pytest.mark.parametrize("path", modules("sandbox"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_sandbox_imports_nothing_of_ours(path: Path) -> None:
    assert imported_packages(path).isdisjoint(WIRING | {"leadfactory"})


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    folders = ("leadfactory", "leadfactory_assets", "resources", "sensors", "schedules", "edge", "cli", "sandbox")
    too_long = {
        str(path.relative_to(ROOT)): lines
        for folder in folders
        for path in modules(folder)
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert too_long == {}


@pytest.mark.parametrize(
    "path",
    [
        p
        for folder in (
            "leadfactory",
            "leadfactory_assets",
            "resources",
            "sensors",
            "schedules",
            "edge",
            "cli",
            "sandbox",
        )
        for p in modules(folder)
    ],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_every_module_says_what_belongs_in_it(path: Path) -> None:
    assert not path.read_text().strip() or ast.get_docstring(tree(path))


def test_the_code_location_imports_nothing_heavy() -> None:
    code = "import sys, leadfactory_assets.definitions; print(' '.join(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert sorted(loaded & set(HEAVY)) == []


def test_nothing_in_the_project_names_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    told = [
        name
        for name in listed
        if (ROOT / name).is_file()
        and (ROOT / name).suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".lock", ".txt", ".sql"}
        and (str(ROOT.parent) + "/" in (text := (ROOT / name).read_text(errors="ignore")) or "--index" + "-url" in text)
    ]
    assert told == []
