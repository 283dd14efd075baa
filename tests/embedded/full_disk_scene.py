"""A disk that fills up under the server. Run in a mount namespace of its own; prints what happened as JSON.

unshare --mount python -m tests.embedded.full_disk_scene <home to copy> <empty folder>
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from leadfactory import embedded
from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.embedded import EmbeddedPostgresError
from tests.embedded.scenes import kept, kill_postmaster, vendor_contents

SIZE_MIB = 112
ROW = "INSERT INTO filler SELECT repeat('x', 2000) FROM generate_series(1, 200)"


def main(template: Path, disk: Path) -> None:
    """The scene, from the first row to the one after the disk was freed."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=700", "tmpfs", str(disk)], check=True)
    told: dict[str, object] = {}
    home = disk / "home"
    shutil.copytree(template, home, symlinks=True)
    try:
        server = embedded.ensure_running(home)
        db = Database(server.url("owner"), embedded_in=home)
        with db.begin() as tx:
            tx.execute(sa.text("CREATE TABLE filler (word text)"))
        fill(disk / "ballast", leave=4 * 2**20)
        committed = [0]
        try:
            for number in range(1, 1000):
                with db.begin() as tx:
                    tx.execute(sa.text("INSERT INTO kept VALUES (:n)"), {"n": number})
                    tx.execute(sa.text(ROW))
                committed.append(number)
        except DatabaseUnavailable as error:
            told["write"] = str(error)
        fill(disk / "ballast-2", leave=0)
        with contextlib.suppress(AssertionError):
            kill_postmaster(home)
        told["start"] = refused(home)
        told["command"] = command(home)
        told["create"] = refused(disk / "another")
        (disk / "ballast").unlink()
        (disk / "ballast-2").unlink()
        again = embedded.ensure_running(home)
        told["lost"] = sorted(set(committed) - set(kept(again)))
        told["committed"] = len(committed)
        told["vendor_contents"] = vendor_contents(again)
        with Database(again.url("owner"), embedded_in=home).begin() as tx:
            tx.execute(sa.text(ROW))
        told["writes again"] = True
    finally:
        embedded.stop(home)
    sys.stdout.write(json.dumps(told))


def fill(path: Path, *, leave: int) -> None:
    """Takes the disk's room but for ``leave`` bytes."""
    with path.open("wb", buffering=0) as sink, contextlib.suppress(OSError):
        room = max(0, shutil.disk_usage(path.parent).free - leave)
        while room > 0:
            room -= sink.write(b"\0" * min(room, 2**16))
        while leave == 0:
            sink.write(b"\0" * 512)


def refused(home: Path) -> str:
    """What starting the server says."""
    try:
        embedded.ensure_running(home, fast=True)
    except EmbeddedPostgresError as error:
        return str(error)
    return "it started"


def command(home: Path) -> tuple[int, str]:
    """Exit code and words of a command that needs the server."""
    env = {k: v for k, v in os.environ.items() if not k.endswith("DATABASE_URL")} | {"LEADFACTORY_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "campaign-days"],
        env=env | {"COLUMNS": "400"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
