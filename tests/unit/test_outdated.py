"""`make outdated` names who holds a package back."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("outdated", Path(__file__).resolve().parents[2] / "ci" / "outdated.py")
assert _SPEC is not None
assert _SPEC.loader is not None
outdated = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(outdated)


def test_a_line_of_ours_holds_what_it_excludes() -> None:
    pins = outdated.ours("# a comment\ndbt-core>=1.11.16,<1.12\nsqlalchemy==2.1.9  # exact\nuv\n")
    assert pins == {"dbt-core": "<1.12,>=1.11.16", "sqlalchemy": "==2.1.9", "uv": ""}
    assert "requirements.in: dbt-core<1.12" in outdated.holds("dbt-core", "1.12.6", pins)


def test_an_installed_package_holds_what_it_does_not_take() -> None:
    assert any(line.startswith("dagster-graphql needs dagster==") for line in outdated.theirs("dagster", "99.0"))


def test_what_nobody_holds_is_free() -> None:
    assert outdated.holds("a-package-that-is-not-there", "2.0", {}).startswith("nothing")
