"""A machine without Pango gives the HTML twin, and says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# dlopen finds no library of that name, as on a machine where Pango was never installed
CODE = """
import cffi
real = cffi.FFI.dlopen
cffi.FFI.dlopen = lambda self, name, flags=0: (_ for _ in ()).throw(OSError(f"cannot load library {name!r}")) if "pango" in str(name) else real(self, name, flags)
from leadfactory.d06_reports.rendering import render_report
from tests.unit.d06_reports.inputs import an_input
report = render_report(an_input())
print(report.pdf, report.pages, len(report.html) > 10_000)
print(report.no_pdf)
"""


def test_there_is_html_and_the_reason_why_there_is_no_pdf() -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    first, reason = done.stdout.splitlines()[:2]
    assert first == "None None True"
    assert "Pango is not installed" in reason
    assert "apt-get install libpango-1.0-0 libpangoft2-1.0-0" in reason
