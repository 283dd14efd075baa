"""Where backups lie: a folder of this machine or any fsspec store. Everything but the list of contents is encrypted here."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator
from typing import IO, Any, cast

from leadfactory.backup.keys import Keys
from leadfactory.d10_analytics.lake_files import folder, sync_folder


class Damaged(OSError):
    """What lies in the store is not what was written there; the message names it."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One encrypted file: where it lies, its size and SHA-256 as it lies there, and those of what is inside."""

    path: str
    bytes: int
    sha256: str
    plain_bytes: int
    plain_sha256: str


class Counted:
    """A file that is read or written through, with the number and SHA-256 of the bytes that passed."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner, self._sum, self.bytes = inner, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        content = self._inner.read(size)
        self._sum.update(content)
        self.bytes += len(content)
        return content

    def write(self, content: bytes) -> int:
        self._inner.write(content)
        self._sum.update(content)
        self.bytes += len(content)
        return len(content)

    def flush(self) -> None:
        self._inner.flush()

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()


class Store:
    """A folder of backups. Paths are relative, with ``/``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._local = folder(url)
        self._filesystem: Any = None
        self._base = ""
        if self._local is None:
            import fsspec

            self._filesystem, self._base = fsspec.core.url_to_fs(url)

    def put(self, path: str, source: IO[bytes], keys: Keys) -> Part:
        """Encrypts ``source`` to its end into ``path``, whole or not at all.

        Raises:
            OSError: nothing new lies there.
        """
        plain = Counted(source)
        with self._writing(path) as sink:
            stored = Counted(sink)
            keys.encrypt(cast(IO[bytes], plain), cast(IO[bytes], stored))
        return Part(path, stored.bytes, stored.sha256, plain.bytes, plain.sha256)

    def get(self, path: str, sink: IO[bytes], keys: Keys, *, expected: Part | None = None) -> str:
        """Decrypts ``path`` into ``sink``; the SHA-256 of what was inside.

        Raises:
            Damaged: it is gone, changed or of another key.
        """
        from leadfactory.backup.keys import CannotDecrypt

        plain = Counted(sink)
        try:
            with self._reading(path) as source:
                stored = Counted(source)
                keys.decrypt(cast(IO[bytes], stored), cast(IO[bytes], plain))
                while stored.read(1 << 20):  # age stops at its own end; what follows counts as damage
                    pass
        except FileNotFoundError:
            raise Damaged(f"{path} is gone from {self.url}") from None
        except CannotDecrypt as error:
            raise Damaged(f"{path} in {self.url}: {error}") from None
        if expected is not None and (stored.bytes, stored.sha256) != (expected.bytes, expected.sha256):
            raise Damaged(f"{path} in {self.url} has another checksum than when it was written")
        return plain.sha256

    def put_plain(self, path: str, content: bytes) -> None:
        """Writes what holds no secret: the list of a backup's contents."""
        with self._writing(path) as sink:
            sink.write(content)

    def get_plain(self, path: str) -> bytes:
        """What ``put_plain`` wrote.

        Raises:
            FileNotFoundError: there is nothing.
        """
        with self._reading(path) as source:
            return source.read()

    def sizes(self, under: str = "") -> dict[str, int]:
        """Every file below ``under`` with its size in bytes; what an interrupted write left is not among them."""
        if self._local is not None:
            root = self._local / under
            found = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".new")]
            return {path.relative_to(self._local).as_posix(): path.stat().st_size for path in found}
        at = f"{self._base}/{under}".rstrip("/")
        self._filesystem.invalidate_cache()
        listed = self._filesystem.find(at, detail=True)
        return {name.removeprefix(self._base).lstrip("/"): int(about["size"]) for name, about in listed.items()}

    def remove(self, path: str) -> None:
        """Removes one file; one that is gone already is no error."""
        with contextlib.suppress(FileNotFoundError):
            if self._local is not None:
                (self._local / path).unlink()
            else:
                self._filesystem.rm_file(f"{self._base}/{path}")

    def remove_folder(self, path: str) -> None:
        """Removes a folder with all that lies in it, its list of contents first: half of a backup is none."""
        for name in sorted(self.sizes(path), key=lambda name: not name.endswith("manifest.json")):
            self.remove(name)
        if self._local is not None:
            shutil.rmtree(self._local / path, ignore_errors=True)

    def _reading(self, path: str) -> IO[bytes]:
        if self._local is not None:
            return (self._local / path).open("rb")
        return cast(IO[bytes], self._filesystem.open(f"{self._base}/{path}", "rb"))

    @contextlib.contextmanager
    def _writing(self, path: str) -> Iterator[IO[bytes]]:
        if self._local is None:
            self._filesystem.makedirs(f"{self._base}/{path}".rpartition("/")[0], exist_ok=True)
            with self._filesystem.open(f"{self._base}/{path}", "wb") as sink:
                yield sink
            return
        target = self._local / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            with beside.open("wb") as sink:
                yield sink
                sink.flush()
                os.fsync(sink.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(target.parent)
