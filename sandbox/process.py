"""Starts the sandbox as a process of its own, for tests, benchmarks and commands."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class SandboxProcess:
    """A running sandbox: where it listens, and the CA of its sites. As a context it stops at the end."""

    base_url: str
    ca_file: Path
    popen: subprocess.Popen[str]
    scratch: Path | None = None

    @property
    def port(self) -> int:
        """The port of HTTP, TLS and DNS."""
        return int(self.base_url.rsplit(":", 1)[1])

    def __enter__(self) -> SandboxProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it and removes what ``start`` made for it."""
        self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(10)
        if self.popen.stdout is not None:
            self.popen.stdout.close()
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)


def start(
    port: int = 0, *, seed: str = "demo", clock: str | None = None, faults: str = "", latency_ms: float = 0.0,
    ca_file: Path | None = None, truth_file: Path | None = None, stderr: IO[str] | None = None,
) -> SandboxProcess:  # fmt: skip
    """Starts it and returns when it listens; raises RuntimeError with its words when it does not."""
    scratch = Path(tempfile.mkdtemp(prefix="lf-sandbox-")) if ca_file is None else None
    ca_file = ca_file or (scratch or Path()) / "ca.pem"
    argv = [sys.executable, "-m", "sandbox", "--port", str(port), "--seed", seed, "--ca-file", str(ca_file)]
    argv += ["--faults", faults, "--latency-ms", str(latency_ms)]
    if truth_file is not None:
        argv += ["--truth-file", str(truth_file)]
    if clock:
        argv += ["--clock", clock]
    popen = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True)
    line = popen.stdout.readline() if popen.stdout else ""
    if not line.startswith("sandbox ready on "):
        popen.kill()
        popen.wait(10)
        if popen.stdout is not None:
            popen.stdout.close()
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        raise RuntimeError(f"the sandbox did not start: {line.strip() or 'it said nothing on standard output'}")
    return SandboxProcess(line.removeprefix("sandbox ready on ").strip(), ca_file, popen, scratch)
