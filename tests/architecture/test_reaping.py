"""What a suite's processes worked is counted whole: an orphan that outlives its parent is waited for and counted too."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.promises import ROOT

# A parent that leaves a child behind, which works for half a second and then tells a file that it is done.
LEAVES = """
import os, sys, time
if os.fork() == 0:
    if os.fork() == 0:
        until = time.process_time() + 0.5
        while time.process_time() < until: pass
        open(sys.argv[1], "w").close()
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]): time.sleep(0.02)
time.sleep(0.2)
sys.exit(3)
"""


def test_what_an_orphan_worked_is_counted_and_the_commands_own_end_is_told(tmp_path):
    ran = subprocess.Popen([sys.executable, "-m", "tests.reaping", sys.executable, "-c", LEAVES, str(tmp_path / "done")], cwd=ROOT)  # fmt: skip
    _, ended, used = os.wait4(ran.pid, 0)
    ran.returncode = os.waitstatus_to_exitcode(ended)
    assert ran.returncode == 3
    least = 0.5 if sys.platform == "linux" else 0.0  # elsewhere an orphan is nobody's child
    assert used.ru_utime + used.ru_stime > least
