"""Damage outside of Postgres, and the cluster's pages: which files are not what was written, and how they come back.

A lake file is held against the manifest of its export (the file of an old month campaign-day by campaign-day), a blob against its own name, the warehouse is opened and read, and pages are read by
Postgres' own checksums. What is damaged or gone comes back from the newest backup that has it as it must be.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

import sqlalchemy as sa

from leadfactory.backup import catalogue, files
from leadfactory.backup.keys import Keys
from leadfactory.backup.store import Damaged, Store
from leadfactory.d06_reports.tables import audit_reports
from leadfactory.d10_analytics import compacting, lake_files
from leadfactory.d10_analytics.compacting import Cohort
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.settings import Settings

REMEDY = "leadfactory recover-files"
AREAS = ("lake", "blobs", "warehouse")


@dataclasses.dataclass(frozen=True)
class Broken:
    """One file that is damaged or gone: where it belongs, the content that it must have where that is known, and what is wrong."""

    area: str
    path: str
    sha256: str | None
    what: str
    listed: tuple[tuple[Cohort, str], ...] = ()  # of the file of a month: whose rows lie in it, and their hashes


@dataclasses.dataclass(frozen=True)
class Looked:
    """What was looked at in one area, and what of it is broken."""

    area: str
    files: int
    broken: list[Broken]


def look(tx: sa.Connection, settings: Settings, areas: Iterable[str] = AREAS) -> list[Looked]:
    """Reads every file of ``areas`` that must be there; nothing is changed."""
    how = {"lake": _lake, "blobs": _blobs, "warehouse": _warehouse}
    return [how[area](tx, settings) for area in areas]


def recover(settings: Settings, broken: list[Broken]) -> tuple[list[Broken], list[Broken]]:
    """Puts back what a backup has as it must be: what came back, and what no backup has.

    Raises:
        OSError: a file cannot be written.
    """
    store, keys = Store(settings.backups), Keys.of(settings)
    back, left = [], list(broken)
    for backup in reversed(catalogue.every(store)):
        if not left:
            break
        saved = {(each.area, each.path): each for each in _listed(store, keys, backup)}
        for each in list(left):
            kept = saved.get((each.area, each.path))
            if kept is None or (each.sha256 is not None and kept.sha256 != each.sha256):
                continue
            try:
                content = files.content_of(store, keys, backup.key, kept)
            except Damaged:
                continue  # an older backup may have it
            if each.listed and not compacting.holds(content, each.listed):
                continue  # a month that was written anew since: another backup may have it as it is listed now
            files.write_back(_root(settings, each.area), each.path, content)
            back.append(each)
            left.remove(each)
    return back, left


def _listed(store: Store, keys: Keys, backup: catalogue.Backup) -> list[files.Saved]:
    import io

    sink, part = io.BytesIO(), backup.part("files.json")
    try:
        store.get(part.path, cast(IO[bytes], sink), keys, expected=part)
    except Damaged:
        return []
    return files.listed(sink.getvalue())


def _root(settings: Settings, area: str) -> str | Path:
    if area == "warehouse":
        return settings.warehouse.parent
    return settings.lake if area == "lake" else settings.blobs


def _lake(tx: sa.Connection, settings: Settings) -> Looked:
    m = lake_manifest.c
    of_path: dict[str, list[tuple[Cohort, str]]] = defaultdict(list)
    for row in tx.execute(sa.select(m.path, m.campaign, m.cohort_on, m.sha256).order_by(m.path)):
        of_path[row.path].append(((row.campaign, row.cohort_on), row.sha256))
    found = [
        _month(settings.lake, path, tuple(listed))
        if compacting.is_month(path)
        else _judged(settings.lake, "lake", path, listed[0][1])
        for path, listed in of_path.items()
    ]
    return Looked("lake", len(of_path), [each for each in found if each])


def _month(root: str, path: str, listed: tuple[tuple[Cohort, str], ...]) -> Broken | None:
    content = lake_files.get(root, path)
    if content is None:
        return Broken("lake", path, None, "is gone", listed)
    return None if compacting.holds(content, listed) else Broken("lake", path, None, "is not what was written", listed)


def _blobs(tx: sa.Connection, settings: Settings) -> Looked:
    r = audit_reports
    wanted = sorted(
        {
            sha
            for row in tx.execute(sa.select(r.c.html_sha256, r.c.pdf_sha256, r.c.evidence_sha256))
            for sha in row
            if sha
        }
    )
    found = [_judged(settings.blobs, "blobs", f"{sha[:2]}/{sha}", sha) for sha in wanted]
    return Looked("blobs", len(wanted), [each for each in found if each])


def _judged(root: str, area: str, path: str, sha256: str) -> Broken | None:
    content = lake_files.get(root, path)
    if content is None:
        return Broken(area, path, sha256, "is gone")
    if hashlib.sha256(content).hexdigest() != sha256:
        return Broken(area, path, sha256, "is not what was written")
    return None


def _warehouse(_: sa.Connection, settings: Settings) -> Looked:
    """Every block of every table is read: DuckDB keeps a checksum of each."""
    path = settings.warehouse
    if not path.exists():
        return Looked("warehouse", 0, [])
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as opened:
            for schema, name in opened.sql("SELECT schema_name, table_name FROM duckdb_tables()").fetchall():
                opened.sql(f'SELECT count(*), min(hash(COLUMNS(*))) FROM "{schema}"."{name}"').fetchall()  # noqa: S608 - names of the catalogue
    except duckdb.Error as error:
        return Looked(
            "warehouse", 1, [Broken("warehouse", path.name, None, f"cannot be read ({str(error).splitlines()[0]})")]
        )
    return Looked("warehouse", 1, [])


def pages(settings: Settings) -> list[str]:
    """Asks a server that is ours for pages whose checksum is wrong, by reading all of them as a backup does; what it said.

    Raises:
        ProgramFailed: something else than a page is wrong.
    """
    import tempfile

    from leadfactory.backup import physical, programs, source

    server = source.of(settings)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix="pages-") as aside:
        try:
            physical.take(server.major, server.url, Path(aside) / "read")
        except programs.ProgramFailed as error:
            if "checksum" not in str(error):
                raise
            return [str(error)]
    return []


def told(looked: list[Looked]) -> str:
    """One line for people."""
    return ", ".join(f"{each.files:,} files of the {each.area}" for each in looked)
