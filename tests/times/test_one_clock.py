"""Every decision is by the injected clock: who reads another one is listed, and two nights at different hours leave the same."""

from __future__ import annotations

import ast
import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory import embedded, migrate
from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database
from leadfactory.settings import ROOT
from sandbox.process import SandboxProcess
from tests.postgres import settings_for_tests
from tests.times.nights import differing, launch, left

FOLDERS = ("leadfactory", "leadfactory_assets", "resources", "sensors", "schedules", "cli", "migrations", "dbt_project/models", "dbt_project/macros")  # fmt: skip
PYTHON = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime", "clock_timestamp", "statement_timestamp",
          "transaction_timestamp", "current_timestamp", "current_date", "localtimestamp"}  # fmt: skip
SQL = re.compile(
    r"\b(?:now\s*\(|clock_timestamp|statement_timestamp|transaction_timestamp|current_timestamp|current_date|current_time|localtimestamp|getdate\b|today\s*\()",
    re.IGNORECASE,
)
# Who may read the clock on the wall or the database's, how often, and for what. Anything else is a decision that depends on
# the hour of the real day: hand it the Clock, or :now in SQL.
READERS = {
    "leadfactory/clock.py": (1, "the clock itself"),
    "leadfactory/blobs.py": (1, "how old a blob of a store is that stamps none"),
    "leadfactory/erasure/erasing.py": (1, "which blobs are old enough to be nobody's"),
    "leadfactory/d00_gateway/transport.py": (2, "how long to wait until a vendor's Retry-After; when its limits reset"),
    "leadfactory/d00_gateway/meanings.py": (1, "a vendor's Retry-After as a date"),
    "leadfactory/d00_gateway/batch.py": (1, "permits and breakers"),
    "leadfactory/d00_gateway/quotas.py": (1, "windows of rate limits"),
    "leadfactory/d00_gateway/limiter.py": (5, "leases and windows of rate limits"),
    "leadfactory/d00_gateway/ledger.py": (5, "when an attempt began and was settled; which attempts are dead"),
    "leadfactory/d00_gateway/express.py": (2, "when an attempt began and was settled"),
    "leadfactory/d00_gateway/usage.py": (3, "whether leases, breakers and attempts of the ledger are of now"),
    "leadfactory/backup/wall.py": (1, "when backups were made and WAL was archived; how old files on disk are"),
    "leadfactory/database_care/activity.py": (3, "how long the server's sessions have been at it"),
    "leadfactory/monitoring/escalating.py": (1, "how long an alert has fired: people's minutes"),
    "leadfactory/monitoring/orchestration.py": (1, "how old the heartbeats are that Dagster stamped"),
    "leadfactory/monitoring/figures.py": (1, "ages of what Dagster, the ledger and the disk stamped"),
    "leadfactory/quality/invariants.py": (1, "which attempts of the ledger have been open for an hour"),
    "leadfactory/d00_gateway/breaker.py": (16, "when a breaker may be tried again"),
    "leadfactory/d00_gateway/tables.py": (1, "when a breaker changed"),
    "leadfactory/d01_targeting/history.py": (1, "whether the window of Yelp's daily limit is over"),
    "leadfactory/d06_reports/delivering.py": (2, "the lease of a claimed delivery"),
    "leadfactory/d09_delivery/claiming.py": (1, "the lease of a claim"),
    "leadfactory/d09_delivery/sweeping.py": (1, "which claims' leases have lapsed"),
    "leadfactory/d09_delivery/folding.py": (1, "which claims' leases have lapsed, as claiming.py gave them"),
    "leadfactory/d10_analytics/export.py": (1, "which attempts may have been settled since their file was written"),
    "dbt_project/macros/clock.sql": (1, "where dbt is run by hand: the factory hands it its own clock"),
    "leadfactory/replica.py": (1, "how far a replica is behind its primary"),
    "cli/gaming/load.py": (
        2,
        "stamps of webhooks that a game day posts, which an edge takes only while they are fresh",
    ),
    "cli/gaming/scenes.py": (
        5,
        "what the game day's own factory is asked for: today's campaign-day, the moment to restore to",
    ),
    "cli/production.py": (2, "how long a certificate is good"),
    "cli/simulating/world.py": (2, "how far the simulated clock is from the database's, by which attempts are dated"),
    "cli/processes.py": (1, "when a process of this machine was started"),
    "cli/system_check.py": (4, "whether clocks are apart; how old the newest backup is"),
    "sensors/run_outcomes.py": (1, "when a run of Dagster's ended"),
    "sensors/webhook_inbox.py": (
        1,
        "the name of a run request, so that Dagster takes the same one again after a while",
    ),
    "migrations/versions/0001_rooms.py": (1, "the default of a breaker's changed_at"),
}
pytestmark = pytest.mark.timeout(600)
UNIT = CampaignDay("restaurant-nyc", dt.date(2026, 10, 6))
CLOCK = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
OF_THE_LEDGER = """SELECT vendor, endpoint, campaign, cohort_on, asset, business_id, attempt, units, status, http_status, reason,
    reserved_microusd, cost_microusd, cache_hit, occurred_on, count(*) FROM vendor_calls WHERE status <> 'not_sent' GROUP BY 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"""
NIGHT = """
import json, sys, time
from leadfactory.stage import main
for name in ("night", "sending", "export"):
    main([name, sys.argv[1]])
print(json.dumps({"time": time.time()}))
"""


def readings(source: str, *, sql: bool = False) -> int:
    """How often a source reads a clock that is not handed to it; ``clock.now()`` is the handed one."""
    if sql:
        return len(SQL.findall(re.sub(r"--[^\n]*|\{#.*?#\}", "", source, flags=re.DOTALL)))
    tree = ast.parse(source)
    texts = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
             and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    found = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            found += len(SQL.findall(node.value))
        if isinstance(node, ast.Attribute) and node.attr in PYTHON and not _is_handed(ast.unparse(node.value)):
            found += 1
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "datetime"}:
            found += sum(each.name in PYTHON | {"datetime", "date"} for each in node.names)
    return found


def _is_handed(owner: str) -> bool:
    if owner in {"dt.datetime", "dt.date", "datetime", "date", "time", "datetime.datetime", "datetime.date"}:
        return False
    return not owner.endswith("func")


def test_only_who_is_listed_reads_another_clock() -> None:
    found = Counter[str]()
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in {".py", ".sql"} and "target" not in file.parts:
                found[str(file.relative_to(ROOT))] += readings(file.read_text(), sql=file.suffix == ".sql")
    assert {name: count for name, count in found.items() if count} == {name: n for name, (n, _) in READERS.items()}


@pytest.mark.parametrize(
    "source",
    [
        "import datetime as dt\nage = dt.datetime.now(dt.UTC) - then",
        "import datetime\nday = datetime.date.today()",
        "import time\nstamp = time.time()",
        "from time import time\nstamp = time()",
        "from datetime import datetime\nstamp = datetime.utcnow()",
        "due = table.c.due_at <= sa.func.now()",
        "tx.execute(sa.text('SELECT 1 WHERE due_at <= NOW()'))",
        "query = f'WHERE due_at <= clock_timestamp() AND {more}'",
        "read_the_clock = dt.datetime.now",
    ],
)
def test_a_decision_by_the_wall_is_noticed(source: str) -> None:
    assert readings(source) >= 1


def test_the_handed_clock_is_not() -> None:
    assert readings('"""now() in words."""\nnow = clock.now()\nday = self._clock.today()') == 0


@pytest.fixture(scope="module")
def shim() -> Iterator[Path]:
    """The compiled shim, where the database's user can read it too."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler to move a process's clock with")
    folder = Path(tempfile.mkdtemp(prefix="lf-clock-"))
    folder.chmod(0o755)
    library = folder / "shifted_clock.so"
    source = Path(__file__).with_name("shifted_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    yield library
    shutil.rmtree(folder)


def moved(shim: Path, shift: dt.timedelta) -> dict[str, str]:
    """The variables that move a program's clock."""
    return {"LD_PRELOAD": str(shim), "TESTS_CLOCK_SHIFT_S": str(round(shift.total_seconds()))}


def a_night(db: Database, home: Path, sandbox: SandboxProcess, clock: dict[str, str]) -> tuple[dict[str, Any], float]:
    """A night with its mails and its export in a process of its own; what it left, and what time it was there."""
    launch(db, UNIT.campaign, ["10001"], 8, CLOCK)
    environment = {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(home), "LEADFACTORY_CLOCK": CLOCK.isoformat(),
        "LEADFACTORY_SANDBOX_URL": sandbox.base_url, "WEBSITE_CA_FILE": str(sandbox.ca_file),
        "LEADFACTORY_DATABASE_URL": db.url.set(drivername="postgresql").render_as_string(hide_password=False),
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", NIGHT, UNIT.key], env={**os.environ, **environment, **clock}, cwd=ROOT, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    rows = left(db, moments=True)
    with db.begin() as tx:
        rows["vendor_calls"] = Counter(map(repr, tx.execute(sa.text(OF_THE_LEDGER))))
        rows["budgets"] = Counter(map(repr, tx.execute(sa.text("SELECT * FROM budgets"))))
    # The ledger's file tells when attempts were made on the clock on the wall.
    rows["lake_manifest"] = Counter(row for row in rows["lake_manifest"] if "'vendor_calls'" not in row)
    return rows, float(json.loads(ran.stdout.splitlines()[-1])["time"])


def test_nights_at_different_hours_of_the_real_day_leave_the_same(
    database: Database, environment: dict[str, str], sandbox: SandboxProcess, shim: Path, tmp_path: Path
) -> None:
    # The database's clock and the process's each go wrong in their own way: neither agrees with the other or with ours.
    of_process, of_database = dt.timedelta(days=200, hours=17, minutes=11), dt.timedelta(days=100, hours=7, minutes=40)
    here, _ = a_night(database, tmp_path / "here", sandbox, {})
    home = Path(tempfile.mkdtemp(prefix="lf-home-"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in moved(shim, of_database).items():
                patch.setenv(name, value)
            server = embedded.ensure_running(home, fast=True)
        migrate.upgrade(settings_for_tests(home))
        with psycopg.connect(server.url("app")) as tx:
            (now,) = tx.execute("SELECT now()").fetchone() or (None,)
        elsewhere = Database(server.url("app"))
        there, time_there = a_night(elsewhere, tmp_path / "there", sandbox, moved(shim, of_process))
        elsewhere.dispose()
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)
    ours = dt.datetime.now(dt.UTC)
    assert abs(now - ours - of_database) < dt.timedelta(minutes=5), "the database's clock was not moved"
    assert abs(time_there - ours.timestamp() - of_process.total_seconds()) < 300, "the process's clock was not moved"
    assert here["email_sends"].total() >= 2
    found = differing(here, there)
    assert found == {}, "\n".join(row for rows in found.values() for row in rows)
