"""Blobs: bytes by their SHA-256, on local disk or any fsspec store. What is stored once never changes."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import threading
from collections.abc import Collection, Mapping
from typing import Any

from leadfactory import crash_points
from leadfactory.d10_analytics.lake_files import folder, sync_folder

_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobDamaged(OSError):
    """What is stored under a hash does not have it; the message names the hash."""


def put(root: str, content: bytes) -> str:
    """Stores ``content`` and returns its SHA-256 in hex; the same bytes are stored once, whoever stores them.

    Raises:
        OSError: nothing was stored under the hash that is not whole.
    """
    digest = hashlib.sha256(content).hexdigest()
    local = folder(root)
    if local is None:
        import fsspec

        filesystem, base = fsspec.core.url_to_fs(root)
        filesystem.pipe_file(f"{base}/{_path(digest)}", content)  # object stores replace an object as a whole
        return digest
    target = local / _path(digest)
    if target.is_file() and target.stat().st_size == len(content):
        return digest
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{digest}.{os.getpid()}.{threading.get_ident()}.new")  # two may store the same at once
    try:
        with beside.open("wb") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        crash_points.reached(crash_points.BEFORE_REPLACE)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(target.parent)
    return digest


def get(root: str, digest: str) -> bytes:
    """The bytes of a hash.

    Raises:
        FileNotFoundError: there are none.
        BlobDamaged: they are not those that were stored.
    """
    local = folder(root)
    if local is None:
        import fsspec

        filesystem, base = fsspec.core.url_to_fs(root)
        content = bytes(filesystem.cat_file(f"{base}/{_path(digest)}"))
    else:
        content = (local / _path(digest)).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise BlobDamaged(f"blob {digest} is damaged: restore it from a backup")
    return content


def remove_unused(root: str, used: Collection[str], before: dt.datetime) -> tuple[int, int]:
    """Removes what no row names any more and was stored before a moment: how many went, and how many stay.

    Whoever stores a blob stores its row after it: what is younger may be waiting for its row.
    """
    import fsspec

    local = folder(root)
    filesystem, base = fsspec.core.url_to_fs(str(local) if local is not None else root)
    removed = kept = 0
    for path, told in filesystem.find(base, detail=True).items():
        digest = path.rsplit("/", 1)[-1]
        if not _DIGEST.fullmatch(digest):
            continue
        if digest in used or _stored_at(told) >= before:
            kept += 1
            continue
        filesystem.rm_file(path)
        removed += 1
    return removed, kept


def _stored_at(told: Mapping[str, Any]) -> dt.datetime:
    """When a store says that a file was written; now when it does not say, so that nothing goes by mistake."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        found = told.get(name)
        if isinstance(found, int | float):
            return dt.datetime.fromtimestamp(found, dt.UTC)
        if isinstance(found, dt.datetime):
            return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return dt.datetime.now(dt.UTC)


def _path(digest: str) -> str:
    return f"{digest[:2]}/{digest}"
