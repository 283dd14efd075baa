"""What the embedded server keeps on disk and takes from the machine: its configuration, secrets, socket folder and port."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from leadfactory.embedded_process import EmbeddedPostgresError

HOST = "127.0.0.1"
SHORT_ENOUGH = 60  # bytes of a temporary folder's path; a socket's whole path may have about 100
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
# Values stay out of the log: e-mail addresses are among them. DETAIL lines quote whole rows.
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = 'terse'
"""
# For tests: what they wrote may die with the machine, but not with the server.
FAST = "fsync = off\nfull_page_writes = off\n"


def keep_secret(path: Path, text: str) -> None:
    """Writes a secret whole or not at all, for our eyes only."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    beside.replace(path)


def socket_folder(home: Path) -> Path:
    """Unix sockets allow about 100 bytes of path: a short folder of our own, whatever the home is called."""
    name = hashlib.sha256(str(home).encode()).hexdigest()[:10]
    parent = tempfile.gettempdir() if len(tempfile.gettempdir().encode()) < SHORT_ENOUGH else "/tmp"
    short = Path(parent) / f"lf-{os.getuid()}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    about = short.lstat()
    if short.is_symlink() or about.st_mode & 0o077:
        raise EmbeddedPostgresError(
            f"{short} is open to others or a link, and the server's socket belongs there: remove it"
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
    with (root / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
