"""Builds the marts aside, tests them, and publishes the file by one rename. A failed build leaves the old file in place."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from leadfactory.settings import ROOT, Settings

PROJECT = ROOT / "dbt_project"
DBT = Path(sys.executable).with_name("dbt")  # beside our interpreter, whatever PATH says


class MartsError(RuntimeError):
    """The marts were not built or not published; the message says which step failed, and the old file still stands."""


@dataclasses.dataclass(frozen=True)
class Published:
    """A published build: its id, the lake manifest it was built from, when, and rows by mart."""

    build_id: str
    lake_manifest_sha256: str
    built_at: dt.datetime
    rows: dict[str, int]


def environment(settings: Settings, build: Path | None = None) -> dict[str, str]:
    """What dbt's processes need: where the lake is, where to build, and where to leave their files (never the repository)."""
    home = settings.home / "dbt"
    found = {
        "LEADFACTORY_LAKE": settings.lake,
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
    digest = hashlib.sha256(b"".join(str(p.relative_to(PROJECT)).encode() + p.read_bytes() for p in files)).hexdigest()[
        :16
    ]
    target = settings.home / "dbt" / f"manifest-{digest}"
    if not (target / "manifest.json").is_file():
        target.mkdir(parents=True, exist_ok=True)
        beside = target / f"parse-{uuid.uuid4().hex[:8]}"
        run_dbt(["parse", "--target-path", str(beside)], environment(settings))
        (beside / "manifest.json").replace(target / "manifest.json")
    return target / "manifest.json"


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


@contextlib.contextmanager
def building(settings: Settings) -> Iterator[Path]:
    """A side file to build in; it is gone when the block ends, published or not."""
    settings.home.mkdir(parents=True, exist_ok=True)
    for old in settings.home.glob("warehouse.building-*"):  # what a killed build left
        if old.stat().st_mtime < dt.datetime.now(dt.UTC).timestamp() - 6 * 3600:
            old.unlink(missing_ok=True)
    side = settings.home / f"warehouse.building-{uuid.uuid4().hex[:8]}.duckdb"
    try:
        yield side
    finally:
        for left in (side, side.with_name(side.name + ".wal")):
            left.unlink(missing_ok=True)


def build_marts(settings: Settings, *, run: Callable[[list[str], dict[str, str]], None] = run_dbt) -> Published:
    """Builds, tests and publishes.

    Raises:
        MartsError: when a model or a test fails; the old file stays.
    """
    with building(settings) as side:
        run(["build"], environment(settings, side))
        return publish(settings, side)


def publish(settings: Settings, side: Path) -> Published:
    """Publishes a built and tested side file: tables only, with a version row, by one rename.

    Raises:
        MartsError: when the file holds a view, which would read the live lake after publication.
    """
    import duckdb

    lake = Path(settings.lake) / "_manifest.parquet"
    sha = hashlib.sha256(lake.read_bytes()).hexdigest() if "://" not in settings.lake and lake.is_file() else "unknown"
    with duckdb.connect(str(side)) as warehouse:
        views = warehouse.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_type = 'VIEW' AND table_schema = 'marts'"
        ).fetchall()
        if views:
            raise MartsError(f"{', '.join(v[0] for v in views)} is a view: a published mart must be a table")
        names = [
            r[0]
            for r in warehouse.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts' ORDER BY 1"
            ).fetchall()
        ]
        rows = {name: int(warehouse.table(f"marts.{name}").shape[0]) for name in names if name != "version"}
        done = Published(uuid.uuid4().hex[:12], sha, settings.clock.now(), rows)
        warehouse.execute(
            "CREATE OR REPLACE TABLE marts.version (build_id VARCHAR, lake_manifest_sha256 VARCHAR, built_at TIMESTAMPTZ, row_counts JSON)"
        )
        warehouse.execute(
            "INSERT INTO marts.version VALUES (?, ?, ?, ?)", [done.build_id, sha, done.built_at, json.dumps(rows)]
        )
        warehouse.execute("CHECKPOINT")
    descriptor = os.open(side, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    side.replace(settings.warehouse)
    return done
