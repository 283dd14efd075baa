"""Builds the marts aside, tests them, and publishes the file by one rename. A failed build leaves the old file in place."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from leadfactory.d10_analytics import lake_files
from leadfactory.settings import ROOT, Settings

if TYPE_CHECKING:
    import duckdb

PROJECT = ROOT / "dbt_project"
DBT = Path(sys.executable).with_name("dbt")  # beside our interpreter, whatever PATH says
MARTS = "marts"  # the one schema of the published file
Run = Callable[[list[str], dict[str, str]], None]


@dataclasses.dataclass(frozen=True)
class Tested:
    """One dbt test of a build: dbt's id of it, whether it held, how many rows broke it, and dbt's words if it did not."""

    test_id: str
    passed: bool
    failures: int
    message: str


class MartsError(RuntimeError):
    """The marts were not built or not published, and the old file still stands; ``tested`` are the tests that ran."""

    def __init__(self, message: str, tested: tuple[Tested, ...] = ()) -> None:
        super().__init__(message)
        self.tested = tested


@dataclasses.dataclass(frozen=True)
class Published:
    """A published build: its id, the lake manifest it was built from, when, rows by mart, and its tests."""

    build_id: str
    lake_manifest_sha256: str
    built_at: dt.datetime
    rows: dict[str, int]
    tested: tuple[Tested, ...] = ()


def environment(settings: Settings, build: Path | None = None) -> dict[str, str]:
    """What dbt's processes need: where the lake is, where to build, and where to leave their files (never the repository)."""
    home = settings.home / "dbt"
    found = {
        "LEADFACTORY_LAKE": str(lake_files.folder(settings.lake) or settings.lake),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(home / "target"),
        "DBT_LOG_PATH": str(home / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    if build is not None:
        found["LEADFACTORY_WAREHOUSE_BUILD"] = str(build)
    return found


def manifest(settings: Settings) -> Path:
    """dbt's manifest of the project as it is now; parsed again only when a file of the project changed.

    Raises:
        MartsError: when the project does not parse, with dbt's words.
    """
    files = sorted(p for p in PROJECT.rglob("*") if p.suffix in {".sql", ".yml"} and "target" not in p.parts)
    told = hashlib.sha256(b"".join(str(p.relative_to(PROJECT)).encode() + p.read_bytes() for p in files))
    found = settings.home / "dbt" / f"manifest-{told.hexdigest()[:16]}" / "manifest.json"
    if not found.is_file():
        found.parent.mkdir(parents=True, exist_ok=True)
        aside = found.parent / f"parse-{uuid.uuid4().hex[:8]}"  # two code servers may start at once
        try:
            run_dbt(["parse", "--target-path", str(aside)], environment(settings))
            (aside / "manifest.json").replace(found)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return found


def run_dbt(arguments: list[str], extra: dict[str, str]) -> None:
    """Runs dbt on the project.

    Raises:
        MartsError: when it fails, with the end of what it said.
    """
    command = [str(DBT), *arguments, "--project-dir", str(PROJECT)]
    done = subprocess.run(
        command, env=dict(os.environ) | extra, capture_output=True, text=True, cwd=PROJECT, check=False
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise MartsError(f"dbt {arguments[0]} failed; the published marts are unchanged:\n{said}")


def build_marts(settings: Settings, *, run: Run = run_dbt) -> Published:
    """Builds, tests and publishes all marts; ``run`` runs dbt with arguments and environment.

    Raises:
        MartsError: when nothing was exported yet, or a model or a test fails; the old file stays.
    """
    results = settings.home / "dbt" / "target" / "run_results.json"
    with _building(settings) as side, lake_files.held(settings.lake, alone=False):
        sha = lake_files.manifest_sha256(settings.lake)
        if sha is None:
            raise MartsError(
                f"nothing has been exported to {settings.lake} yet: materialize leadfactory/lake_export first"
            )
        results.unlink(missing_ok=True)
        try:
            run(["build"], environment(settings, side))
        except MartsError as error:
            raise MartsError(str(error), _tests(results)) from None
        return _publish(settings, side, sha, _tests(results))


@contextlib.contextmanager
def _building(settings: Settings) -> Iterator[Path]:
    """A side file to build in, one build at a time; it is gone when the block ends, published or not."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "warehouse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # an older build must not be published over a newer one
        for left in settings.home.glob("warehouse.building-*"):  # of a killed build: we are alone
            left.unlink(missing_ok=True)
        side = settings.home / f"warehouse.building-{uuid.uuid4().hex[:8]}.duckdb"
        try:
            yield side
        finally:
            for left in (side, side.with_name(side.name + ".wal")):
                left.unlink(missing_ok=True)


def _tests(results: Path) -> tuple[Tested, ...]:
    """The tests of the last dbt command; those that it skipped are not among them."""
    if not results.is_file():
        return ()
    return tuple(
        Tested(
            each["unique_id"], each["status"] in {"pass", "warn"}, each.get("failures") or 0, each.get("message") or ""
        )
        for each in json.loads(results.read_text())["results"]
        if each["unique_id"].startswith(("test.", "unit_test.")) and each["status"] != "skipped"
    )


def _publish(settings: Settings, side: Path, sha: str, tested: tuple[Tested, ...]) -> Published:
    """Publishes a built and tested side file: tables only, with a version row, by one rename; readers keep the old file."""
    import duckdb

    build_id = f"{settings.clock.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    with duckdb.connect(str(side)) as warehouse:
        rows = _tables_only(warehouse)
        done = Published(build_id, sha, settings.clock.now(), rows, tested)
        warehouse.execute(
            f"CREATE TABLE {MARTS}.version "
            "(build_id VARCHAR, lake_manifest_sha256 VARCHAR, built_at TIMESTAMPTZ, row_counts JSON)"
        )
        warehouse.execute(
            f"INSERT INTO {MARTS}.version VALUES (?, ?, ?, ?)",  # noqa: S608
            [build_id, sha, done.built_at, json.dumps(rows)],
        )
        warehouse.execute("CHECKPOINT")  # everything in the one file that is renamed
    with side.open("rb") as built:
        os.fsync(built.fileno())
    side.replace(settings.warehouse)
    lake_files.sync_folder(settings.home)
    return done


def _tables_only(warehouse: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Drops what is not a mart, and counts the rows of what is.

    Raises:
        MartsError: when a mart is missing, or is a view: it would read the live lake after publication.
    """
    schemas = warehouse.execute(
        "SELECT DISTINCT schema_name FROM duckdb_schemas() WHERE database_name = current_database() AND NOT internal"
    ).fetchall()
    for (schema,) in schemas:
        if schema not in {MARTS, "main"}:
            warehouse.execute(f'DROP SCHEMA "{schema}" CASCADE')
    for kind, listed in (("VIEW", "duckdb_views()"), ("TABLE", "duckdb_tables()")):
        left = warehouse.execute(
            f"SELECT {kind}_name FROM {listed} WHERE schema_name = 'main' AND NOT internal AND database_name = current_database()"  # noqa: S608
        ).fetchall()
        for (name,) in left:
            warehouse.execute(f'DROP {kind} "main"."{name}"')
    views = warehouse.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = ?", [MARTS]).fetchall()
    if views:
        raise MartsError(f"{', '.join(name for (name,) in views)} is a view: a published mart must be a table")
    tables = {
        name
        for (name,) in warehouse.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [MARTS]
        ).fetchall()
    }
    missing = {path.stem for path in (PROJECT / "models" / "marts").rglob("*.sql")} - tables
    if missing:
        raise MartsError(f"{', '.join(sorted(missing))} was not built: only a build of all marts is published")
    counts = (warehouse.execute(f'SELECT count(*) FROM {MARTS}."{name}"').fetchone() for name in sorted(tables))  # noqa: S608
    return {name: int(row[0]) for name, row in zip(sorted(tables), counts, strict=True) if row is not None}
