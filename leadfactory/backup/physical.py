"""The physical backup: pg_basebackup as compressed tar files with a manifest of checksums, and the proof that they agree.

pg_verifybackup judges them where it runs. Where it does not (the wheel's program of version 18 crashes as it starts), the same manifest
is judged here: its own checksum, every file's size and SHA-256, nothing missing, nothing extra; pg_waldump reads the WAL either way.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from leadfactory.backup import programs

MANIFEST, WAL = "backup_manifest", "pg_wal.tar.gz"
UNLISTED = ("backup_manifest", "postgresql.auto.conf", "recovery.signal", "standby.signal")  # as pg_verifybackup has it


@dataclasses.dataclass(frozen=True)
class Physical:
    """A base backup: its files, the server it is of, and the WAL that makes it consistent."""

    files: tuple[Path, ...]
    system: str
    timeline: int
    wal_from: str
    wal_to: str


def take(major: int, url: str, into: Path, *, check_pages: bool = True) -> Physical:
    """Copies the whole cluster; the server goes on working.

    Args:
        major: the server's version.
        url: of a role with REPLICATION.
        into: an empty folder.
        check_pages: a page whose checksum is wrong stops the backup; without, it is copied as it is.

    Raises:
        ProgramFailed: with what pg_basebackup said.
    """
    programs.run(
        major, "pg_basebackup", "--pgdata", str(into), "--format=tar", "--compress=gzip:3", "--wal-method=stream",
        "--checkpoint=fast", "--manifest-checksums=SHA256", "--label=leadfactory", "--no-sync",
        *(() if check_pages else ("--no-verify-checksums",)), url=url,
    )  # fmt: skip
    return described(into)


def described(folder: Path) -> Physical:
    """What the manifest in ``folder`` says of the backup there."""
    told = json.loads((folder / MANIFEST).read_bytes())
    ranges = told["WAL-Ranges"]
    files = tuple(sorted(path for path in folder.iterdir() if path.is_file()))
    return Physical(
        files, str(told.get("System-Identifier", "")), int(ranges[-1]["Timeline"]), ranges[0]["Start-LSN"], ranges[-1]["End-LSN"]
    )  # fmt: skip


def verify(major: int, folder: Path) -> tuple[str, list[str]]:
    """Who judged the backup in ``folder``, and what is wrong with it; nothing when it is whole."""
    problems = []
    if programs.works(major, "pg_verifybackup") and major >= 18:  # older ones do not read tar files
        judge = "pg_verifybackup"
        try:
            programs.run(major, judge, "--no-parse-wal", "--quiet", str(folder))
        except programs.ProgramFailed as error:
            problems.append(str(error))
    else:
        judge = "its manifest"
        problems += _against_manifest(folder)
    return judge, problems or _wal(major, folder)


def _against_manifest(folder: Path) -> list[str]:
    content = (folder / MANIFEST).read_bytes()
    try:
        told = json.loads(content)
    except ValueError:
        return [f"{MANIFEST} is no JSON"]
    ends = content.rindex(b'"Manifest-Checksum"')
    if hashlib.sha256(content[:ends]).hexdigest() != told["Manifest-Checksum"]:
        return [f"{MANIFEST} has another checksum than it says"]
    listed: dict[str, dict[str, Any]] = {
        each["Path"] if "Path" in each else bytes.fromhex(each["Encoded-Path"]).decode(errors="surrogateescape"): each
        for each in told["Files"]
    }
    problems, seen = [], set()
    for path in sorted(folder.glob("*.tar.gz")):
        if path.name == WAL:
            continue
        under = "" if path.name == "base.tar.gz" else f"pg_tblspc/{path.name.removesuffix('.tar.gz')}/"
        try:
            with _unpacked(path) as archive:
                for member in archive:
                    if member.isfile() and (name := under + member.name.removeprefix("./")) not in UNLISTED:
                        seen.add(name)
                        problems += _judged(name, listed.get(name), archive.extractfile(member))
        except (tarfile.TarError, OSError, EOFError) as error:
            return [f"{path.name} cannot be read ({error})"]
    return problems + [f"{name} is missing" for name in sorted(set(listed) - seen - set(UNLISTED))]


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[tarfile.TarFile]:
    """A compressed tar file to be read once; pg_basebackup writes several gzip streams into one, which tarfile alone does not read."""
    with gzip.open(path) as content, tarfile.open(fileobj=cast(IO[bytes], content), mode="r|") as archive:
        yield archive


def _judged(name: str, told: dict[str, Any] | None, source: Any) -> list[str]:
    if told is None:
        return [] if name.startswith("pg_wal/") else [f"{name} is not in the manifest"]
    total, size = hashlib.sha256(), 0
    while content := source.read(1 << 20):
        total.update(content)
        size += len(content)
    if size != told["Size"]:
        return [f"{name} has {size} bytes instead of {told['Size']}"]
    if total.hexdigest() != told.get("Checksum"):
        return [f"{name} has another checksum than the manifest says"]
    return []


def _wal(major: int, folder: Path) -> list[str]:
    """Whether the WAL that the backup needs is there and reads from its first record to its last."""
    with tempfile.TemporaryDirectory(dir=folder) as into:
        try:
            with _unpacked(folder / WAL) as archive:
                archive.extractall(into, filter="data")
            for each in json.loads((folder / MANIFEST).read_bytes())["WAL-Ranges"]:
                programs.run(
                    major, "pg_waldump", "--quiet", f"--path={into}", f"--timeline={each['Timeline']}",
                    f"--start={each['Start-LSN']}", f"--end={each['End-LSN']}",
                )  # fmt: skip
        except (programs.ProgramFailed, tarfile.TarError, OSError, EOFError) as error:
            return [f"the WAL of the backup: {error}"]
    return []
