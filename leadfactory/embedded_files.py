"""What the embedded server keeps on disk and takes from the machine: configuration, secrets, locks, socket folder, port."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"
SHORT_ENOUGH = 60  # bytes of a temporary folder's path; a socket's whole path may have about 100
NEEDED_FREE = 32 * 2**20  # bytes: two WAL segments, without which a server neither recovers nor writes
CONF = """# Written by LeadFactory; postgresql.conf includes it.
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = '128MB'
timezone = 'UTC'
log_timezone = 'UTC'
password_encryption = 'scram-sha-256'
idle_in_transaction_session_timeout = '10min'
logging_collector = on
log_directory = '../log'
log_filename = 'postgresql-%a.log'
log_rotation_age = '1d'
log_truncate_on_rotation = on
log_line_prefix = '%m [%p] %u@%d %a '
# What the WAL archive did not receive is kept for it, but never until the disk is full.
max_slot_wal_keep_size = '4GB'
# Values stay out of the log: e-mail addresses are among them. DETAIL lines quote whole rows.
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = 'terse'
# Statements that took long, without their values, for `leadfactory slow-queries`.
log_min_duration_statement = '500ms'
"""
# For tests: what they wrote may die with the machine, but not with the server.
FAST = "fsync = off\nfull_page_writes = off\nscram_iterations = 1\n"


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be created, started or stopped; the message says why and what to do."""


def make_folder(path: Path) -> None:
    """Makes ``path`` and what is missing above it, for its owner only; root makes them for the owner of the folder above."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        _like_its_folder(path)


def keep_secret(path: Path, text: str, *, lasting: bool = True) -> None:
    """Writes a secret whole or not at all, for our eyes only; ``lasting`` through a power cut."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as sink:
        sink.write(text)
    _like_its_folder(beside)
    if lasting:
        sync(beside)
    beside.replace(path)
    if lasting:
        sync(path.parent)


def sync(path: Path) -> None:
    """Returns when a file's content, or a folder's list of names, would outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _like_its_folder(path: Path) -> None:
    if os.geteuid() == 0:
        about = path.parent.stat()
        os.chown(path, about.st_uid, about.st_gid, follow_symlinks=False)


def socket_folder(home: Path, uid: int | None = None) -> Path:
    """Unix sockets allow about 100 bytes of path: a short folder of our own, whatever the home is called.

    Args:
        home: LEADFACTORY_HOME, resolved.
        uid: the server's user, where that is not us.

    Raises:
        EmbeddedPostgresError: when somebody else could put a socket of theirs there.
    """
    ours = {os.geteuid(), os.geteuid() if uid is None else uid}
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:10]
    parent = tempfile.gettempdir() if len(os.fsencode(tempfile.gettempdir())) < SHORT_ENOUGH else "/tmp"
    short = Path(parent) / f"lf-{os.geteuid()}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    about = short.lstat()
    if short.is_symlink() or about.st_mode & 0o077 or about.st_uid not in ours:
        raise EmbeddedPostgresError(
            f"{short} is open to others, theirs or a link, and the server's socket belongs there: remove it"
        )
    return short


def port_is_free(port: int) -> bool:
    """Whether nobody listens on ``port`` of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of the loopback address that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def only_one_starter(root: Path) -> Iterator[None]:
    """Whoever comes second waits until the first has started the server."""
    with _lock_file(root / "start.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def serving(root: Path) -> Iterator[int]:
    """A file that every process of a server holds locked while it lives, also where nobody can see it, as in a container.

    The server inherits the descriptor with its lock; closing ours gives nothing up.
    """
    with _lock_file(root / "server.lock") as lock:
        yield lock


def locked(lock: int) -> bool:
    """Takes the lock of :func:`serving`, or says that a server still has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_served(root: Path) -> bool:
    """Whether any process of a server under ``root`` lives."""
    with serving(root) as lock:
        return not locked(lock)


@contextlib.contextmanager
def _lock_file(path: Path) -> Iterator[int]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _like_its_folder(path)
        yield lock
    finally:
        os.close(lock)


def lacks_space(folder: Path) -> str:
    """A sentence when the disk of ``folder`` is as good as full, else nothing."""
    free = shutil.disk_usage(folder).free
    return f" (only {free / 2**20:.0f} MiB are free)" if free < NEEDED_FREE else ""


def log_sizes(folder: Path) -> dict[Path, int]:
    """How long each log is now."""
    return {path: path.stat().st_size for path in folder.glob("*.log")}


def logged_since(folder: Path, before: dict[Path, int]) -> str:
    """The last lines that were added to each log, by length: after a clock was set back, a file's time says nothing."""
    lines = []
    for path in sorted(folder.glob("*.log"), key=lambda path: path.name == "start.log"):
        content = path.read_bytes()
        known = 0 if path.name == "start.log" else before.get(path, 0)  # start.log begins anew with every start
        new = content[known:] if known <= len(content) else content  # shorter than before: it was begun anew
        lines += new.decode(errors="replace").splitlines()[-12:]
    return "\n".join(lines)
