"""What a build has to read: all of the lake, or only the campaign-days whose files changed since the build that is published.

A build reads a view of the lake, a folder of links on this machine. An increment's view holds the files of changed campaign-days and
the registries; the facts forget these campaign-days and take them anew, everything else is made from the facts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import io
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leadfactory.d10_analytics import columns, compacting, lake_files
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.settings import ROOT, Settings

PROJECT = ROOT / "dbt_project"
CHANGED = "_changed.parquet"
SNAPSHOT = "lake_files"  # in the published file: the lake's files that it was built from
OF_THE_BUILD = ("version", SNAPSHOT)  # tables that are no marts: which build it is, and of which files
Cohort = tuple[str, dt.date]
FILES = pa.schema([(c.name, columns.arrow_type(c)) for c in lake_manifest.columns])


@dataclasses.dataclass(frozen=True)
class Scope:
    """What to build: on which file, from which files of the lake. Without a base everything is built anew."""

    base: Path | None
    base_build: str | None
    files: pa.Table  # the lake's manifest
    changed: frozenset[Cohort] | None  # None: everything


def project_sha256() -> str:
    """Names the project as it is now: another one cannot go on from an earlier build."""
    told = hashlib.sha256()
    for path in sorted(p for p in PROJECT.rglob("*") if p.suffix in {".sql", ".yml"} and "target" not in p.parts):
        told.update(str(path.relative_to(PROJECT)).encode() + path.read_bytes())
    return told.hexdigest()


def scope(settings: Settings, *, full: bool) -> Scope:
    """An increment on the published build where there is one of this project, unless ``full``."""
    content = lake_files.get(settings.lake, lake_files.MANIFEST)
    files = FILES.empty_table() if content is None else pq.read_table(io.BytesIO(content)).cast(FILES)
    known = None if full else _published(settings)
    if known is None:
        return Scope(None, None, files, None)
    build, before = known
    now = {(*_cohort(row), row["table_name"]): row["sha256"] for row in files.to_pylist()}
    apart = {key[:2] for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    return Scope(settings.warehouse, build, files, frozenset(apart - {columns.WHOLE}))


def _published(settings: Settings) -> tuple[str, dict[tuple[str, dt.date, str], str]] | None:
    """Build and lake files of the published build, if it is of this project."""
    if not settings.warehouse.is_file():
        return None
    import duckdb

    with duckdb.connect(str(settings.warehouse), read_only=True) as warehouse:
        try:
            row = warehouse.execute("SELECT build_id, project_sha256 FROM marts.version").fetchone()
            listed = warehouse.execute(
                "SELECT campaign, cohort_on, table_name, sha256 FROM marts.lake_files"
            ).fetchall()
        except (duckdb.CatalogException, duckdb.BinderException):  # of a build before increments
            return None
    if row is None or row[1] != project_sha256():
        return None
    return row[0], {(campaign, day, table): sha for campaign, day, table, sha in listed}


def begin_on(base: Path | None, side: Path) -> None:
    """A copy of the published file to go on from, without what says which build it is; nothing without one."""
    import duckdb

    for left in (side, side.with_name(side.name + ".wal")):
        left.unlink(missing_ok=True)
    if base is None:
        return
    shutil.copyfile(base, side)
    with duckdb.connect(str(side)) as warehouse:
        for name in OF_THE_BUILD:
            warehouse.execute(f"DROP TABLE marts.{name}")


@contextlib.contextmanager
def view(settings: Settings, chosen: Scope) -> Iterator[Path]:
    """The files that the build reads, as a folder of this machine; it is gone when the block ends."""
    target = settings.home / "dbt" / "lake-read"  # one name: another one makes dbt parse its sources anew
    for left in (settings.home / "dbt").glob("lake-*"):  # of a killed build: builds come one at a time
        shutil.rmtree(left, ignore_errors=True)
    try:
        for name in columns.policy().tables:
            _fetch(settings.lake, f"{name}/_schema/empty.parquet", target)
        months: dict[str, list[dict]] = defaultdict(list)
        for row in chosen.files.to_pylist():
            if chosen.changed is None or _cohort(row) == columns.WHOLE or _cohort(row) in chosen.changed:
                if compacting.is_month(row["path"]):
                    months[row["path"]].append(row)
                else:
                    _fetch(settings.lake, row["path"], target)
        for path, rows in months.items():
            _fetch_part(settings.lake, path, rows, target)
        cohorts = sorted(
            {_cohort(row) for row in chosen.files.to_pylist()} if chosen.changed is None else chosen.changed
        )
        days = pa.table({"campaign": pa.array([c for c, _ in cohorts], pa.string()), "cohort_on": pa.array([d for _, d in cohorts], pa.date32())})  # fmt: skip
        target.mkdir(parents=True, exist_ok=True)
        pq.write_table(days, target / CHANGED)
        pq.write_table(chosen.files, target / lake_files.MANIFEST)
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _fetch(lake: str, path: str, target: Path) -> None:
    """A link to the file where the lake is on this machine, else a copy."""
    here, root = target / path, lake_files.folder(lake)
    here.parent.mkdir(parents=True, exist_ok=True)
    if root is not None:
        here.symlink_to((root / path).resolve())
        return
    content = lake_files.get(lake, path)
    if content is None:
        raise FileNotFoundError(f"{lake}/{path} is in the lake's manifest and not there: export its campaign-day again")
    here.write_bytes(content)


def _fetch_part(lake: str, path: str, rows: list[dict], target: Path) -> None:
    """The month's file where all of its rows are wanted, else a file of those that are."""
    root = lake_files.folder(lake)
    wanted = sum(row["row_count"] for row in rows)
    if root is not None and (root / path).is_file() and pq.read_metadata(root / path).num_rows == wanted:
        _fetch(lake, path, target)
        return
    found = compacting.rows_of(lake, path, [_cohort(row) for row in rows])
    if found is None:
        raise FileNotFoundError(f"{lake}/{path} is in the lake's manifest and not there: remove {lake}/{lake_files.MANIFEST} and export anew")  # fmt: skip
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(found, target / path)


def _cohort(row: dict) -> Cohort:
    return row["campaign"], row["cohort_on"]
