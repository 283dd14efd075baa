"""The table of promises names tests that exist; `make test` also refuses when one of them did not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import promises

REPORT = """<testsuites><testsuite>
<testcase classname="tests.races.test_money" name="test_never_a_cent_over[64]"/>
<testcase classname="tests.races.test_money" name="test_never_a_cent_over[2]"/>
<testcase classname="tests.races.test_money" name="test_one_probe"><skipped message="no"/></testcase>
<testcase classname="tests.races.test_money" name="test_one_lease[1]"/>
<testcase classname="tests.races.test_money" name="test_one_lease[2]"><failure/></testcase>
</testsuite></testsuites>"""


def test_every_test_that_the_promises_name_exists() -> None:
    nodes = promises.named(promises.DOCUMENT.read_text())
    assert nodes
    assert promises.missing(nodes) == []


def test_every_invariant_has_a_row() -> None:
    text = promises.DOCUMENT.read_text()
    assert [number for number in range(1, 12) if f"| {number}. " not in text] == []


def test_a_test_that_does_not_exist_is_found() -> None:
    here = str(Path(__file__).relative_to(promises.ROOT))
    assert promises.missing([(here, "test_every_test_that_the_promises_name_exists"), (here, "test_of_nothing")]) == [
        f"{here}::test_of_nothing"
    ]


@pytest.mark.parametrize(
    ("name", "proven"),
    [("test_never_a_cent_over", True), ("test_one_probe", False), ("test_one_lease", False), ("test_absent", False)],
)
def test_a_promise_is_proven_when_all_cases_of_its_test_passed(tmp_path: Path, name: str, proven: bool) -> None:
    report = tmp_path / "races.xml"
    report.write_text(REPORT)
    node = ("tests/races/test_money.py", name)
    assert promises.unproven([node], [report]) == ([] if proven else [f"tests/races/test_money.py::{name}"])
