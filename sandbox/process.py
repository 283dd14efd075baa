"""Starts the sandbox as a process of its own, for tests, benchmarks and commands."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class SandboxProcess:
    """A running sandbox: where it listens, and the CA of its sites."""

    base_url: str
    ca_file: Path
    popen: subprocess.Popen[str]

    def stop(self) -> None:
        """Ends it."""
        self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(10)


def start(
    port: int = 0, *, seed: str = "demo", clock: str | None = None, faults: str = "", latency_ms: float = 0.0,
    ca_file: Path | None = None, stderr: IO[str] | None = None,
) -> SandboxProcess:  # fmt: skip
    """Starts it and returns when it listens; raises RuntimeError with its words when it does not."""
    ca_file = ca_file or Path(tempfile.mkdtemp(prefix="lf-sandbox-")) / "ca.pem"
    argv = [sys.executable, "-m", "sandbox", "--port", str(port), "--seed", seed, "--ca-file", str(ca_file)]
    argv += ["--faults", faults, "--latency-ms", str(latency_ms)]
    if clock:
        argv += ["--clock", clock]
    popen = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True)
    line = popen.stdout.readline() if popen.stdout else ""
    if not line.startswith("sandbox ready on "):
        popen.kill()
        raise RuntimeError(f"the sandbox did not start: {line.strip() or 'it said nothing on standard output'}")
    return SandboxProcess(line.removeprefix("sandbox ready on ").strip(), ca_file, popen)
