"""Rendered reports: PDFs need Pango, which comes from the system."""

from __future__ import annotations

import ctypes.util

import pytest

from leadfactory.d06_reports.records import Report
from leadfactory.d06_reports.rendering import render_report
from tests.unit.d06_reports.inputs import an_input, spreads

HAS_PANGO = bool(ctypes.util.find_library("pango-1.0") and ctypes.util.find_library("pangoft2-1.0"))
NO_PANGO = "Pango is not installed"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not HAS_PANGO and item.path.name == "test_pdf.py":
            item.add_marker(pytest.mark.skip(reason=NO_PANGO))


@pytest.fixture(scope="session")
def usual() -> Report:
    """The report of the usual website, compared with others."""
    return render_report(an_input(compared=spreads(), sites=40))
