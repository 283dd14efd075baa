"""The lake's files, on local disk or any fsspec store: written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import urllib.parse
import urllib.request
from pathlib import Path

from leadfactory import crash_points

MANIFEST = "_manifest.parquet"


def folder(lake: str) -> Path | None:
    """The lake as a folder of this machine; None when it is an object store."""
    if lake.startswith("file://"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(lake).path))
    return None if "://" in lake else Path(lake)


def put(lake: str, path: str, content: bytes) -> bool:
    """Writes ``content`` as a whole; whether anything changed: a file that holds the same bytes is left alone.

    Raises:
        OSError: nothing was written, and the file that was there still is.
    """
    if get(lake, path) == content:
        return False
    root = folder(lake)
    if root is None:
        import fsspec

        filesystem, base = fsspec.core.url_to_fs(lake)
        filesystem.pipe_file(f"{base}/{path}", content)  # object stores replace an object as a whole
        return True
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")  # one name: what a kill leaves here, the next export replaces
    try:
        with beside.open("wb") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        crash_points.reached(crash_points.BEFORE_REPLACE)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(target.parent)  # else a power cut may take the rename back, after the flags have fallen
    return True


def get(lake: str, path: str) -> bytes | None:
    """What the file holds; None when there is none."""
    root = folder(lake)
    try:
        if root is not None:
            return (root / path).read_bytes()
        import fsspec

        filesystem, base = fsspec.core.url_to_fs(lake)
        return filesystem.cat_file(f"{base}/{path}")
    except FileNotFoundError:
        return None


def remove(lake: str, path: str) -> None:
    """Takes a file away; nothing happens when there is none."""
    root = folder(lake)
    if root is not None:
        (root / path).unlink(missing_ok=True)
        return
    import fsspec

    filesystem, base = fsspec.core.url_to_fs(lake)
    with contextlib.suppress(FileNotFoundError):
        filesystem.rm_file(f"{base}/{path}")


def manifest_sha256(lake: str) -> str | None:
    """Names the state of the whole lake; None when nothing was ever exported."""
    content = get(lake, MANIFEST)
    return None if content is None else hashlib.sha256(content).hexdigest()


def sync_folder(path: Path) -> None:
    """Makes a rename in ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
