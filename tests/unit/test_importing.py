"""Imports that leave out what nobody uses: it is not loaded, and what is asked for after all is the real thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from leadfactory.importing import Later, standing_in

ROOT = Path(__file__).parents[2]
JUDGES = """
import sys
from leadfactory.quality import gx
from leadfactory.quality.suites import Expect
rule = Expect("ExpectColumnValuesToNotBeNull", {"column": "a"})
assert gx.broken("rows", ["a"], [(1,), (2,)], (rule,)) == []
assert len(gx.broken("rows", ["a"], [(None,)], (rule,))) == 1
print("altair.vegalite" in sys.modules, "rfc3987_syntax" in sys.modules)
from great_expectations.expectations.core import expect_column_kl_divergence_to_be_less_than as drawing
import altair
print(drawing.alt.Chart is altair.Chart)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that says of itself that it was loaded."""
    (tmp_path / "seldom_used.py").write_text("import sys\nsys.seldom_used = True\nANSWER = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delattr(sys, "seldom_used", raising=False)
    monkeypatch.delitem(sys.modules, "seldom_used", raising=False)
    return "seldom_used"


def test_a_module_that_comes_later_is_loaded_when_it_is_asked(module: str) -> None:
    with standing_in({module: Later(module)}):
        import seldom_used  # type: ignore[import-not-found]

        assert not hasattr(sys, "seldom_used")
        assert seldom_used.ANSWER == 42
    assert seldom_used.ANSWER == 42
    assert hasattr(sys, "seldom_used")


def test_a_module_that_is_left_out_is_missing_inside_the_block_only(module: str) -> None:
    with standing_in({module: None}), pytest.raises(ImportError):
        import seldom_used
    import seldom_used

    assert seldom_used.ANSWER == 42


def test_what_was_imported_before_stays(module: str) -> None:
    import seldom_used

    with standing_in({module: None}):
        assert sys.modules[module] is seldom_used
    assert sys.modules[module] is seldom_used


def test_a_process_that_judges_rows_loads_neither_charts_nor_a_grammar_of_addresses() -> None:
    done = subprocess.run([sys.executable, "-c", JUDGES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "False", "True"], done.stderr
