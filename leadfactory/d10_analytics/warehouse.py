"""Builds the marts aside, judges them, and publishes file and Postgres. What fails before leaves yesterday's in place in both.

Belongs here: the order of build, tests and publication. Does not: how Postgres takes the marts, and which versions are kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from leadfactory.d10_analytics import (
    dbt_process,
    dbt_runs,
    increments,
    judging,
    lake_files,
    lake_lock,
    postgres_marts,
    repeating,
    schema_changes,
    versions,
)
from leadfactory.d10_analytics.dbt_runs import ANEW, FRESH, RESULTS, MartsError, Tested, run_dbt, tests
from leadfactory.settings import Settings

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)
PROJECT = increments.PROJECT
BUILDING = "warehouse.building-aside.duckdb"  # one name: another one makes dbt parse its whole project anew
MARTS = "marts"  # the one schema of the published file
__all__ = ["FRESH", "RESULTS", "MartsError", "Tested", "run_dbt"]  # of dbt_runs, for those who build
EXPECTATIONS = "expectations."  # how ids of Great Expectations' verdicts begin, beside those of dbt's tests
Run = Callable[[list[str], dict[str, str]], None]
Judge = Callable[[Path], dict[str, list[str]]]


@dataclasses.dataclass(frozen=True)
class Published:
    """A published build: its id, the lake manifest it was built from, when, rows by mart, its tests, and how many campaign-days it
    read (None: all of them, from nothing); ``repeated``: whether it sent what dbt had sent before."""

    build_id: str
    lake_manifest_sha256: str
    built_at: dt.datetime
    rows: dict[str, int]
    tested: tuple[Tested, ...] = ()
    changed: int | None = None
    repeated: bool = False


def environment(
    settings: Settings, build: Path | None = None, lake: Path | None = None, *, increment: bool = False
) -> dict[str, str]:
    """What dbt's processes need: where the lake is, where to build, whether the build goes on from another one, and where to leave their
    files (never the repository)."""
    home = settings.home / "dbt"
    found = {
        "LEADFACTORY_LAKE": str(lake or lake_files.folder(settings.lake) or settings.lake),
        "LEADFACTORY_INCREMENT": "yes" if increment else "no",
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(home / "target"),
        "DBT_LOG_PATH": str(home / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "LEADFACTORY_NOW": settings.clock.now().isoformat(),
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
            run_dbt(["parse", "--target-path", str(aside)], environment(settings, settings.home / BUILDING))
            dbt_process.hand_on(aside, settings.home / "dbt" / "target")  # the first build need not parse again
            (aside / "manifest.json").replace(found)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return found


def build_marts(
    settings: Settings,
    *,
    full: bool = False,
    run: Run = run_dbt,
    judge: Judge = judging.judge,
    into: str | None = None,
) -> Published:
    """Builds, tests and publishes all marts: on the published build, from the campaign-days that changed since; or all anew.

    Args:
        full: everything anew, whatever is published.
        run: runs dbt with arguments and environment.
        judge: what is wrong with a built file, by mart.
        into: Postgres that gets the marts too, as a role that owns their schemas.

    Raises:
        MartsError: when nothing was exported yet, a model or a test fails, or Postgres does not take them; the old ones stay.
        OSError: the lake cannot be read, or could not be held while it was.
    """
    results = settings.home / "dbt" / "target" / RESULTS
    with building(settings) as side, lake_lock.reading(settings) as still:
        sha = lake_files.manifest_sha256(settings.lake)
        if sha is None:
            raise MartsError(
                f"nothing has been exported to {settings.lake} yet: materialize leadfactory/lake_export first"
            )
        results.unlink(missing_ok=True)
        scope = increments.scope(settings, full=full)
        try:
            with increments.view(settings, scope) as lake:
                still()
                _built(run, scope, side, environment(settings, side, lake, increment=scope.base is not None))
        except MartsError as error:
            raise MartsError(f"{error}{_columns_behind(settings.lake)}", tests(results)) from None
        done = _finished(settings, side, sha, tests(results), scope)
        done = dataclasses.replace(done, repeated=dbt_runs.repeated(results))
        done = dataclasses.replace(done, tested=(*done.tested, *_judged(side, judge, done.tested)))
        try:
            if into is not None:
                postgres_marts.load(into, side)
                postgres_marts.swap(into)
        except postgres_marts.MartsNotLoaded as error:
            raise MartsError(str(error), done.tested) from error
        versions.publish(settings, side, done.build_id)
        return done


def rebuild_and_forget(settings: Settings, *, into: str) -> Published:
    """Builds and publishes anew, then removes every earlier version, in files and in Postgres: of what must be forgotten.

    Raises:
        MartsError: as ``build_marts``.
    """
    # A row that an increment deletes may stay in the file's free blocks.
    done = build_marts(settings, into=into, full=True)
    postgres_marts.forget_previous(into)
    versions.keep_only_published(settings)
    return done


def _judged(side: Path, judge: Judge, before: tuple[Tested, ...]) -> tuple[Tested, ...]:
    found = judge(side)
    tested = tuple(
        Tested(f"{EXPECTATIONS}{mart}", not broken, len(broken), "; ".join(broken)) for mart, broken in found.items()
    )
    wrong = [f"{mart}: {'; '.join(broken)}" for mart, broken in found.items() if broken]
    if wrong:
        raise MartsError(
            f"the built marts break expectations; the published ones are unchanged: {' | '.join(wrong)}",
            (*before, *tested),
        )
    return tested


@contextlib.contextmanager
def building(settings: Settings) -> Iterator[Path]:
    """A side file to build in, one build at a time; it is gone when the block ends, published or not."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "warehouse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # an older build must not be published over a newer one
        for left in settings.home.glob("warehouse.building-*"):  # of a killed build: we are alone
            left.unlink(missing_ok=True)
        side = settings.home / BUILDING
        try:
            yield side
        finally:
            increments.begin_on(None, side)


def _columns_behind(lake: str) -> str:
    """Columns in which the lake is not what the project reads; nothing where it is. Files without a column may stand beside others."""
    told = schema_changes.found(lake)
    if not told:
        return ""
    named = "; ".join(f"{table}: {', '.join(changes)}" for table, changes in sorted(told.items()))
    return f"\nthe lake was written before its columns changed ({named}): materialize leadfactory/lake_export, then build again"


def _built(run: Run, scope: increments.Scope, side: Path, told: dict[str, str]) -> None:
    """Builds and tests in ``side``: as before where that can be repeated, else by dbt, from the beginning."""
    increments.begin_on(scope.base, side)
    try:
        run(["build"], told)
    except repeating.NotAsBefore as why:
        log.info("dbt builds, for something is not as it was in the build that was recorded: %s", why)
        increments.begin_on(scope.base, side)
        run(["build"], told | {ANEW: "yes"})


def _finished(
    settings: Settings, side: Path, sha: str, tested: tuple[Tested, ...], scope: increments.Scope
) -> Published:
    """Makes a built and tested side file what may be published: tables only, with a version row, wholly on disk."""
    import duckdb

    build_id = f"{settings.clock.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    changed = None if scope.changed is None else len(scope.changed)
    with duckdb.connect(str(side)) as warehouse:
        rows = _tables_only(warehouse)
        done = Published(build_id, sha, settings.clock.now(), rows, tested, changed)
        warehouse.execute(
            f"CREATE TABLE {MARTS}.version (build_id VARCHAR, lake_manifest_sha256 VARCHAR, built_at TIMESTAMPTZ, row_counts JSON, "
            "project_sha256 VARCHAR, goes_on_from VARCHAR)"
        )
        warehouse.execute(
            f"INSERT INTO {MARTS}.version VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
            [build_id, sha, done.built_at, json.dumps(rows), increments.project_sha256(), scope.base_build],
        )
        warehouse.register("lake_files_now", scope.files)
        warehouse.execute(f"CREATE TABLE {MARTS}.{increments.SNAPSHOT} AS FROM lake_files_now")
        warehouse.execute("CHECKPOINT")  # everything in the one file that is renamed
    with side.open("rb") as built:
        os.fsync(built.fileno())
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
