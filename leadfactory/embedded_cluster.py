"""The embedded server's cluster on disk: its credentials, how it is made, and whether the installed programs may serve it.

A folder that ever held rows is never removed here. What is removed is ``data.new-*``: a cluster gets the name ``data`` by one
rename after it is whole, and no server ever runs before that.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import pwd
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadfactory import embedded_files as files
from leadfactory import embedded_process as process
from leadfactory import embedded_user, roles
from leadfactory.embedded_files import EmbeddedPostgresError

log = logging.getLogger(__name__)
SUPERUSER = "lf_super"
PARTS = ("global/pg_control", "base", "pg_wal", "pg_xact")  # without any of them a server starts late or never


def credentials(root: Path) -> tuple[int, dict[str, str]]:
    """The port and each role's password.

    Raises:
        FileNotFoundError: when nothing was created here.
        EmbeddedPostgresError: when they are lost, damaged, or not ours to read.
    """
    kept = _read(root)
    return int(kept["port"]), dict(kept["passwords"])


def keep(root: Path, port: int, passwords: Mapping[str, str], *, whole: bool, lasting: bool = True) -> None:
    """Stores them; ``whole`` says that the cluster beside them was completed, so that its absence is a loss."""
    text = json.dumps({"port": port, "passwords": dict(passwords), "whole": whole}, indent=1)
    files.keep_secret(root / "credentials.json", text, lasting=lasting)


def is_whole(root: Path) -> bool:
    """Whether the cluster is known to have been completed."""
    return bool(_read(root).get("whole"))


def superuser_password(root: Path) -> str:
    """The superuser's password.

    Raises:
        EmbeddedPostgresError: when it is lost.
    """
    try:
        return (root / "superuser.password").read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        raise EmbeddedPostgresError(
            f"{root / 'superuser.password'} is gone or damaged, and starting needs it: restore it from a backup"
        ) from None


def check(root: Path) -> None:
    """Looks whether the cluster can be served, without starting anything.

    Raises:
        EmbeddedPostgresError: names what is wrong with it and the remedy.
    """
    data = root / "data"
    if not data.is_dir() or _is_empty(data):
        if (root / "credentials.json").is_file() and is_whole(root):
            raise EmbeddedPostgresError(
                f"{data} is gone or empty, and a database was there: mount its disk or restore it from a backup; to begin "
                f"with an empty database, remove {root}"
            )
        return
    credentials(root)
    embedded_user.of(root)
    try:
        made_by = (data / "PG_VERSION").read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        made_by = ""
    lost = [] if made_by.isdecimal() else ["PG_VERSION"]
    lost += [part for part in PARTS if not (data / part).exists()]
    if lost:
        raise EmbeddedPostgresError(
            f"{data} is no whole cluster ({lost[0]} is gone or damaged): restore the folder from a backup; nothing was "
            "changed in it"
        )
    installed = process.version()
    if made_by != installed.partition(".")[0]:
        raise EmbeddedPostgresError(
            f"{data} was made by PostgreSQL {made_by}, and the installed programs are PostgreSQL {installed}: dump it with "
            "the LeadFactory that made it and load the dump into a new LEADFACTORY_HOME; nothing was changed in it"
        )


def create(root: Path, *, fast: bool) -> None:
    """initdb into a folder beside, then one rename: an interrupted initdb leaves nothing that looks like a cluster.

    Raises:
        EmbeddedPostgresError: when initdb fails, with what it said.
    """
    user = embedded_user.of(root)
    beside = root / f"data.new-{os.getpid()}"
    files.keep_secret(root / "superuser.password", secrets.token_urlsafe(24), lasting=not fast)
    files.make_folder(root / "log")
    embedded_user.check_way(user, process.binaries(), root)
    embedded_user.hand_over(user, root)
    process.run(
        "initdb", "-D", str(beside), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={root / 'superuser.password'}",
        "--data-checksums", "--encoding=UTF8", "--locale=C", *(("--no-sync", "--wal-segsize=1") if fast else ()), user=user,
    )  # fmt: skip
    (beside / "leadfactory.conf").write_text(files.CONF + (files.FAST if fast else ""))
    with (beside / "postgresql.conf").open("a") as sink:
        sink.write("\ninclude_if_exists = 'leadfactory.conf'\n")
    port, passwords = files.free_port(), {name: secrets.token_urlsafe(24) for name in roles.LOGINS}
    keep(root, port, passwords, whole=False, lasting=not fast)
    embedded_user.hand_over(user, root)
    for written in () if fast else (beside / "leadfactory.conf", beside / "postgresql.conf", beside):
        files.sync(written)
    beside.rename(root / "data")
    if not fast:
        files.sync(root)


def clear_half_made(root: Path) -> None:
    """Removes what interrupted creations left; none of it was ever served."""
    for left in root.glob("data.new-*"):
        shutil.rmtree(left, ignore_errors=True)


def keep_closed(root: Path) -> None:
    """Closes a data folder that was opened to others, which Postgres would refuse."""
    data = root / "data"
    if data.stat().st_mode & 0o077:
        log.warning("%s was open to others and is closed again", data)
        data.chmod(0o700)


def _read(root: Path) -> dict[str, Any]:
    path = root / "credentials.json"
    if (root / "data").is_dir() and not path.is_file() and not _is_empty(root / "data"):
        raise EmbeddedPostgresError(
            f"{path} is gone, and the data beside it has no other key: restore it from a backup"
        )
    content = path.read_bytes()
    try:
        kept = json.loads(content)
        port, passwords = kept["port"], kept["passwords"]
        good = type(port) is int and 0 < port < 65536 and all(type(passwords[name]) is str for name in roles.LOGINS)
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise EmbeddedPostgresError(
            f"{path} is damaged, and the data beside it has no other key: restore it from a backup"
        )
    return dict(kept)


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None


def unusable(root: Path, error: OSError) -> EmbeddedPostgresError:
    """What to do about an error of the operating system."""
    told = f"the embedded Postgres under {root} cannot be read or written ({error.strerror or error})"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return EmbeddedPostgresError(f"{told}: free disk space, or set LEADFACTORY_HOME to another disk")
    if error.errno in {errno.EACCES, errno.EPERM}:
        owner = _owner(Path(error.filename) if error.filename else root)
        if owner != os.geteuid():
            told += f", it belongs to {_name(owner)} and this is {_name(os.geteuid())}"
    return EmbeddedPostgresError(
        f"{told}: check the folder's owner and mode, or set LEADFACTORY_HOME to another folder"
    )


def _owner(path: Path) -> int:
    for each in (path, *path.parents):
        with contextlib.suppress(OSError):
            return each.stat().st_uid
    return 0


def _name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"uid {uid}"
