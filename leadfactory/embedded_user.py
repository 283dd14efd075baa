"""Who the embedded server runs as: Postgres refuses root, and initdb refuses a user whom the machine has no name for.

As root, the server runs as whoever owns its folder, so that what belongs to a user stays theirs. Where root owns it, we enter
a user namespace in which we are ``nobody`` and root's files are ours: no folder is opened to others, no owner changes. Where
namespaces are forbidden, the server's files are given to ``nobody`` itself.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import os
import pwd
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from leadfactory.embedded_files import EmbeddedPostgresError

CLONE_NEWUSER = 0x10000000  # linux/sched.h
PR_SET_DUMPABLE = 4  # linux/prctl.h; a process that changed its user owns its /proc files again


@dataclasses.dataclass(frozen=True)
class RunsAs:
    """``uid`` and ``gid`` as this machine sees them; ``inside``, when set, is the uid that it sees in its own namespace."""

    uid: int
    gid: int
    inside: int | None = None

    def enter(self) -> None:
        """Turns the calling process, just forked, into this user."""
        if os.geteuid() != self.uid:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)
        if self.inside is not None:
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
            if libc.unshare(CLONE_NEWUSER) != 0:
                raise OSError(ctypes.get_errno(), "no user namespace")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{self.inside} {self.uid} 1")
            Path("/proc/self/gid_map").write_text(f"{self.inside} {self.gid} 1")


def of(root: Path) -> RunsAs | None:
    """Whom the server under ``root`` runs as; None for the user that we are.

    Raises:
        EmbeddedPostgresError: when there is nobody.
    """
    if os.geteuid() != 0:
        if _named(os.geteuid()):
            return None
        return _able(RunsAs(os.geteuid(), os.getegid(), _nobody().pw_uid))
    about = next(path for path in (root / "data", root, *root.parents) if path.exists()).stat()
    if about.st_uid != 0:
        return _able(RunsAs(about.st_uid, about.st_gid, None if _named(about.st_uid) else _nobody().pw_uid))
    hidden = RunsAs(0, 0, _nobody().pw_uid)
    return hidden if works(hidden) else _able(RunsAs(_nobody().pw_uid, _nobody().pw_gid))


def preparation(user: RunsAs | None) -> Callable[[], None] | None:
    """What a forked process does before it runs one of the server's programs."""
    return None if user is None else user.enter


@functools.lru_cache(maxsize=8)
def works(user: RunsAs) -> bool:
    """Whether this process may start another one as ``user``."""
    try:
        done = subprocess.run(["/bin/sh", "-c", "exit 0"], preexec_fn=user.enter, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def hand_over(user: RunsAs | None, *folders: Path) -> None:
    """Gives what root made in ``folders`` to ``user``; nothing that belongs to anybody else changes hands."""
    if user is None or os.geteuid() != 0 or user.uid == 0:
        return
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            if path.lstat().st_uid == 0:
                os.chown(path, user.uid, user.gid, follow_symlinks=False)


def check_way(user: RunsAs | None, *folders: Path) -> None:
    """Looks whether ``user`` can reach ``folders``; no folder is opened for it.

    Raises:
        EmbeddedPostgresError: names the folder that it may not enter.
    """
    if user is None or os.geteuid() != 0:
        return
    for folder in folders:
        closed = first_closed(folder, user.uid, user.gid)
        if closed is not None:
            raise EmbeddedPostgresError(
                f"Postgres does not run as root, and the user it runs as (uid {user.uid}) may not enter {closed}: run "
                "LeadFactory as an ordinary user, allow user namespaces, or put LEADFACTORY_HOME and the environment where "
                "others may enter, such as under /srv"
            )


def first_closed(folder: Path, uid: int, gid: int) -> Path | None:
    """The outermost parent of ``folder`` that ``uid`` without root's powers may not enter; None when the way is free."""
    for parent in reversed(folder.parents):
        about = parent.stat()
        needed = stat.S_IXUSR if about.st_uid == uid else stat.S_IXGRP if about.st_gid == gid else stat.S_IXOTH
        if not about.st_mode & needed:
            return parent
    return None


def _able(user: RunsAs) -> RunsAs:
    if works(user):
        return user
    if os.geteuid() == 0:
        raise EmbeddedPostgresError(
            f"Postgres does not run as root, and here root may neither enter a user namespace nor become uid {user.uid}: run "
            "LeadFactory as an ordinary user, or set LEADFACTORY_DATABASE_URL and DAGSTER_DATABASE_URL"
        )
    raise EmbeddedPostgresError(
        f"Postgres needs a name for uid {user.uid}, which /etc/passwd does not have, and user namespaces are forbidden: run "
        "LeadFactory as a named user, or set LEADFACTORY_DATABASE_URL and DAGSTER_DATABASE_URL"
    )


def _named(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _nobody() -> pwd.struct_passwd:
    """``nobody``, or any other named user who is not root."""
    everybody = sorted(pwd.getpwall(), key=lambda one: (one.pw_name != "nobody", one.pw_uid))
    found = next((one for one in everybody if one.pw_uid != 0), None)
    if found is None:
        raise EmbeddedPostgresError(
            "Postgres does not run as root, and /etc/passwd names nobody else: add a user, or set LEADFACTORY_DATABASE_URL "
            "and DAGSTER_DATABASE_URL"
        )
    return found
