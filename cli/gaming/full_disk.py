"""The disk fills up: a small tmpfs of its own holds a whole factory, whose edge takes webhooks until nothing more can be written.

The factory of this scene is another process, in a mount namespace where the tmpfs is seen by nobody else: it says what it is at, line by
line, and goes on when it is told to.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from cli.gaming import load
from cli.gaming.floor import Floor, start_edge
from cli.gaming.scenes import CouldNot, Played
from leadfactory.embedded_files import free_port
from leadfactory.settings import ROOT, settings

SIZE_MIB = 160


def full_disk(floor: Floor) -> Played:
    """A tmpfs of 160 MiB runs full under webhook load; room is made again, and the server is started if it fell."""
    told = Played("full-disk")
    disk, port = floor.config.home / "small-disk", free_port()
    disk.mkdir(exist_ok=True)
    with _apart(disk, port) as factory:
        _hear(factory, "flows")
        floor.watch.at(int(floor.edge_url.rpartition(":")[2]), port)
        _hear(factory, "full")
        began = time.monotonic()
        floor.watch.wait_for("DiskFull")
        told.broken_s = time.monotonic() - began
        _say(factory, "make room")
        end = _hear(factory, "done")
        floor.watch.at(int(floor.edge_url.rpartition(":")[2]))
        told.kept = f"{end['accepted']:,} accepted events, {end['refused']} posts tried again"
        told.mended_s, told.lost = end["mended_s"], list(end["lost"])
        if not end["refused_while_full"]:
            told.lost.append("nothing was refused while the disk was full: it was not full")
    return told


@contextlib.contextmanager
def _apart(disk: Path, port: int) -> Any:
    unshare = shutil.which("unshare")
    if unshare is None:
        raise CouldNot("a small disk needs the program unshare (util-linux, Linux only)")
    apart = [unshare, *([] if os.geteuid() == 0 else ["-Ur"]), "--mount"]
    tried = subprocess.run([*apart, *_mount(), str(disk)], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise CouldNot(f"this machine lets nobody mount a small disk: {tried.stderr.strip() or tried.stdout.strip()}")
    log = (disk.parent / "logs" / "full-disk.log").open("wb")
    with log, subprocess.Popen(
        [*apart, sys.executable, "-m", "cli.gaming.full_disk", str(disk), str(port)],
        cwd=ROOT, env=dict(os.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
    ) as factory:  # fmt: skip
        try:
            yield factory
        finally:
            with contextlib.suppress(OSError, ValueError):
                assert factory.stdin is not None
                factory.stdin.close()  # it ends by itself when nobody speaks to it any more
            try:
                factory.wait(60)
            except subprocess.TimeoutExpired:
                factory.kill()


def _hear(factory: subprocess.Popen[str], word: str) -> dict[str, Any]:
    """Its next line, which begins with ``word``."""
    assert factory.stdout is not None
    line = factory.stdout.readline()
    said, _, figures = line.partition(" ")
    if said.strip() != word:
        raise CouldNot(
            f"the factory on the small disk ended before it was {word} (logs/full-disk.log): {line.strip()!r}"
        )
    return dict(json.loads(figures)) if figures.strip() else {}


def _say(factory: subprocess.Popen[str], words: str) -> None:
    assert factory.stdin is not None
    factory.stdin.write(words + "\n")
    factory.stdin.flush()


def main(disk: Path, port: int, hears: IO[str], says: IO[str]) -> None:
    """The factory of the scene, from its first post to the last."""
    from cli import processes, stack
    from leadfactory import embedded, migrate
    from leadfactory.database import Database

    subprocess.run([*_mount(), str(disk)], check=True)
    home = disk / "home"
    os.environ |= {"LEADFACTORY_HOME": str(home), "LEADFACTORY_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    for name in ("LEADFACTORY_BACKUP_URL", "LEADFACTORY_LAKE_URL", "LEADFACTORY_BLOB_URL"):
        os.environ.pop(name, None)
    settings.cache_clear()
    config, key, url = settings(), load.Key(), f"http://127.0.0.1:{port}"
    try:
        embedded.ensure_running(home)
        migrate.upgrade(config)
        edge = start_edge(config, port, key, dict(os.environ))
        with processes.stopping([edge]), load.running(url, key) as posts:
            processes.wait_until(edge, lambda: stack.answers(f"{url}/health"), within_s=60)
            posts.wait_for(50)
            print("flows", file=says, flush=True)
            fill(disk / "ballast")
            refused = posts.refused
            deadline = time.monotonic() + 60
            while posts.refused == refused and time.monotonic() < deadline:
                fill(disk / "ballast-2")
                time.sleep(0.1)
            full = posts.refused - refused
            print("full", file=says, flush=True)
            hears.readline()
            began = time.monotonic()
            for each in disk.glob("ballast*"):
                each.unlink()
            embedded.ensure_running(home)
            posts.wait_for(50)
            mended = time.monotonic() - began
            posts.finish()
            db = Database.from_settings(config)
            end = {"accepted": len(posts.accepted), "refused": posts.refused, "refused_while_full": full, "mended_s": mended, "lost": posts.lost(db)}  # fmt: skip
            db.dispose()
            print("done " + json.dumps(end), file=says, flush=True)
    finally:
        embedded.stop(home)


def _mount() -> list[str]:
    return [shutil.which("mount") or "/bin/mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=700", "tmpfs"]


def fill(path: Path) -> None:
    """Takes all the room that is left."""
    with path.open("ab", buffering=0) as sink, contextlib.suppress(OSError):
        while True:
            sink.write(b"\0" * 4096)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.stdin, sys.stdout)
