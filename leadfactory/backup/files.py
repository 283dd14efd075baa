"""Lake, blobs, warehouse and configuration in a backup: each content once in the store, whatever number of backups has it.

Sold reports never change and most of the lake does not, so a night adds only what is new. A backup lists paths with their SHA-256.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from leadfactory.backup.keys import Keys
from leadfactory.backup.store import Counted, Damaged, Store
from leadfactory.d10_analytics import lake_files, lake_lock
from leadfactory.database import Database
from leadfactory.settings import ROOT, Settings

OBJECTS = "objects"
AREAS = ("lake", "blobs", "warehouse", "configuration")
CONFIGURATION = ("config", "experiments", "dagster.yaml", "workspace.yaml", "requirements.lock", "alembic.ini")
LEFT = (".new", ".lock")


@dataclasses.dataclass(frozen=True)
class Saved:
    """One file of a backup: which area, its path there, its size and SHA-256."""

    area: str
    path: str
    bytes: int
    sha256: str


def object_path(keys: Keys, sha256: str) -> str:
    """Where a content lies; under the key that encrypted it, so that a new key writes it anew."""
    return f"{OBJECTS}/{keys.fingerprint}/{sha256[:2]}/{sha256}.age"


def save(settings: Settings, store: Store, keys: Keys, db: Database | None) -> tuple[list[Saved], int]:
    """Stores what the store lacks; every file of all areas, and the bytes that were added, encrypted.

    Raises:
        OSError: a file cannot be read or stored.
    """
    there, saved, added = store.sizes(OBJECTS), [], 0
    with lake_lock.held(settings.lake, db, alone=False) as still:  # no export is half way
        for area, path, opened in _every(settings):
            with opened as source:
                sha256, size = _sum(source)
                target = object_path(keys, sha256)
                if there.get(target, 0) < size:  # what lies there is always a little longer than what is inside
                    source.seek(0)
                    part = store.put(target, source, keys)
                    if part.plain_sha256 != sha256:
                        raise OSError(f"{area}/{path} changed while it was read: run the backup again")
                    there[target] = part.bytes
                    added += part.bytes
                saved.append(Saved(area, path, size, sha256))
        still()
    return saved, added


def listing(saved: list[Saved]) -> bytes:
    """The list as it is stored, encrypted, in the backup."""
    return json.dumps([dataclasses.astuple(each) for each in saved]).encode()


def listed(content: bytes) -> list[Saved]:
    """What ``listing`` made."""
    return [Saved(*each) for each in json.loads(content)]


def content_of(store: Store, keys: Keys, key_fingerprint: str, each: Saved) -> bytes:
    """One file's bytes.

    Raises:
        Damaged: it is gone or not what was saved.
    """
    sink = io.BytesIO()
    path = f"{OBJECTS}/{key_fingerprint}/{each.sha256[:2]}/{each.sha256}.age"
    found = store.get(path, cast(IO[bytes], sink), keys)
    if found != each.sha256:
        raise Damaged(f"{path} holds something else than {each.area}/{each.path}")
    return sink.getvalue()


def damaged(store: Store, keys: Keys, key_fingerprint: str, saved: list[Saved]) -> Iterator[str]:
    """Reads every content once and names what is gone or changed."""
    for sha256 in {each.sha256: each for each in saved}.values():
        try:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
                path = f"{OBJECTS}/{key_fingerprint}/{sha256.sha256[:2]}/{sha256.sha256}.age"
                if store.get(path, nowhere, keys) != sha256.sha256:
                    yield f"{path} holds something else than {sha256.area}/{sha256.path}"
        except Damaged as error:
            yield str(error)


def secrets_of(settings: Settings) -> list[dict[str, Any]]:
    """The secrets that a restored factory needs: names and fingerprints, never a value."""
    found = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if hasattr(value, "get_secret_value"):
            text = value.get_secret_value()
            found.append({"name": str(field.validation_alias), "set": bool(text), "fingerprint": fingerprint(text)})
    return found


def fingerprint(secret: str) -> str | None:
    """16 hex digits that tell whether a secret is the same one; slow to try values against. None of none."""
    if not secret:
        return None
    return hashlib.pbkdf2_hmac("sha256", secret.encode(), b"leadfactory backup", 20_000).hex()[:16]


def plain_settings(settings: Settings) -> dict[str, str]:
    """Every setting that is no secret, by its variable."""
    return {
        str(field.validation_alias): str(getattr(settings, name))
        for name, field in type(settings).model_fields.items()
        if not hasattr(getattr(settings, name), "get_secret_value") and getattr(settings, name) is not None
    }


def _every(settings: Settings) -> Iterator[tuple[str, str, IO[bytes]]]:
    for area, root in (("lake", settings.lake), ("blobs", settings.blobs)):
        yield from ((area, path, opened) for path, opened in _below(root))
    if settings.warehouse.is_file():
        yield "warehouse", settings.warehouse.name, settings.warehouse.open("rb")
    for name in CONFIGURATION:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield "configuration", path.relative_to(ROOT).as_posix(), path.open("rb")
    if settings.seller_file is not None and settings.seller_file.is_file():
        yield "configuration", "seller.yaml", settings.seller_file.open("rb")


def _below(root: str) -> Iterator[tuple[str, IO[bytes]]]:
    local = lake_files.folder(root)
    if local is not None:
        for path in sorted(local.rglob("*")):
            if path.is_file() and not path.name.endswith(LEFT):
                yield path.relative_to(local).as_posix(), path.open("rb")
        return
    import fsspec

    filesystem, base = fsspec.core.url_to_fs(root)
    if filesystem.exists(base):
        for name in sorted(filesystem.find(base)):
            yield name.removeprefix(base).lstrip("/"), filesystem.open(name, "rb")


def _sum(source: IO[bytes]) -> tuple[str, int]:
    counted = Counted(source)
    while counted.read(1 << 20):
        pass
    return counted.sha256, counted.bytes


def write_back(root: str | Path, path: str, content: bytes) -> None:
    """Puts one file where it was, whole or not at all; folders of this machine or any fsspec store."""
    if isinstance(root, Path) or lake_files.folder(str(root)) is not None:
        base = root if isinstance(root, Path) else lake_files.folder(root)
        target = cast(Path, base) / path
        if target.is_dir():
            shutil.rmtree(target)
    lake_files.put(str(root), path, content)
