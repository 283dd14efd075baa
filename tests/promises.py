"""Reads docs/promises.md: which tests it names, whether they exist, and whether they ran and passed."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "promises.md"
_NODE = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def named(text: str) -> list[tuple[str, str]]:
    """The tests that a text names as `tests/….py::test_…`: (file, function), each once, in order."""
    return list(dict.fromkeys(_NODE.findall(text)))


def missing(nodes: Iterable[tuple[str, str]], root: Path = ROOT) -> list[str]:
    """Those whose file or function does not exist."""
    return [f"{file}::{name}" for file, name in nodes if name not in _functions(root / file)]


def unproven(nodes: Iterable[tuple[str, str]], reports: Iterable[Path]) -> list[str]:
    """Those of which no case passed, or some case did not, in these JUnit reports."""
    passed, broken = set[tuple[str, str]](), set[tuple[str, str]]()
    for report in reports:
        for case in ET.parse(report).getroot().iter("testcase"):
            node = (str(case.get("classname")), str(case.get("name")).partition("[")[0])
            bad = any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
            (broken if bad else passed).add(node)
    proven = passed - broken
    return [
        f"{file}::{name}" for file, name in nodes if (file.removesuffix(".py").replace("/", "."), name) not in proven
    ]


def _functions(file: Path) -> set[str]:
    if not file.is_file():
        return set()
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, kinds)}
