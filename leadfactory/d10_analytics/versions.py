"""The published warehouse file and the versions before it: each is a file of its own, and the published one a second name of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import uuid
from pathlib import Path

from leadfactory.d10_analytics import lake_files
from leadfactory.settings import Settings

KEPT = 7  # versions, the published one among them: a week of nights


class NoSuchVersion(LookupError):
    """There is nothing to go back to; the message lists what there is."""


@dataclasses.dataclass(frozen=True)
class Version:
    """One kept version of the warehouse."""

    build_id: str
    built_at: dt.datetime
    lake_manifest_sha256: str
    rows: int
    size_bytes: int
    published: bool


def folder(settings: Settings) -> Path:
    """Where the versions are."""
    return settings.home / "warehouse.versions"


def publish(settings: Settings, side: Path, build_id: str) -> None:
    """Keeps the built file ``side`` as a version and makes it the published one by one rename; drops the oldest beyond ``KEPT``."""
    folder(settings).mkdir(parents=True, exist_ok=True)
    kept = folder(settings) / f"{build_id}.duckdb"
    side.replace(kept)
    _name(settings, kept)
    for old in sorted(folder(settings).glob("*.duckdb"), key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
        if not _is_published(settings, old):
            old.unlink()


def keep_only_published(settings: Settings) -> int:
    """Removes every version but the published one; how many. For what must be forgotten."""
    others = [path for path in folder(settings).glob("*.duckdb") if not _is_published(settings, path)]
    for path in others:
        path.unlink()
    return len(others)


def listed(settings: Settings) -> list[Version]:
    """The kept versions, the last built first; by their files' times, for the factory's clock may stand."""
    paths = sorted(folder(settings).glob("*.duckdb"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [_read(settings, path) for path in paths]


def before(settings: Settings, build_id: str | None) -> Path:
    """The file of ``build_id``, or of the newest version before the published one.

    Raises:
        NoSuchVersion: when there is none, or it is the published one.
    """
    versions = listed(settings)
    live = next((version for version in versions if version.published), None)
    older = versions if live is None else versions[versions.index(live) + 1 :]
    wanted = (
        [version for version in versions if version.build_id == build_id and not version.published]
        if build_id
        else older
    )
    if not wanted:
        there = ", ".join(version.build_id for version in versions) or "none"
        raise NoSuchVersion(
            f"no version {build_id or 'before the published one'} to go back to: kept are {there} (published: "
            f"{live.build_id if live else 'none'})"
        )
    return folder(settings) / f"{wanted[0].build_id}.duckdb"


def restore(settings: Settings, kept: Path) -> Version:
    """Makes a kept version the published one again, by one rename."""
    _name(settings, kept)
    return _read(settings, kept)


def _name(settings: Settings, kept: Path) -> None:
    beside = settings.warehouse.with_name(f"warehouse.link-{uuid.uuid4().hex[:8]}")
    os.link(kept, beside)
    beside.replace(settings.warehouse)
    beside.unlink(missing_ok=True)  # two names of one file: the rename does nothing and leaves the first
    lake_files.sync_folder(folder(settings))
    lake_files.sync_folder(settings.home)


def _is_published(settings: Settings, path: Path) -> bool:
    return settings.warehouse.is_file() and settings.warehouse.samefile(path)


def _read(settings: Settings, path: Path) -> Version:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as warehouse:
        row = warehouse.execute(
            "SELECT build_id, built_at AT TIME ZONE 'UTC', lake_manifest_sha256, row_counts::VARCHAR FROM marts.version"
        ).fetchone()
    assert row is not None
    rows = sum(json.loads(row[3]).values())
    return Version(
        row[0], row[1].replace(tzinfo=dt.UTC), row[2], rows, path.stat().st_size, _is_published(settings, path)
    )
