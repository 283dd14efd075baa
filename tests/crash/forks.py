"""A parent that has imported every room and forks a child for each stage: a killed process costs what it does, not what it imports.

As a program it reads one JSON order a line (``environment``, ``arguments``), runs ``leadfactory.stage.main`` in a forked child
with exactly that environment, and answers with one line: ``status`` (negative: the signal that ended it), what it said on
``out`` and ``err``, and ``seconds``. What a child that reached its end had loaded, the parent loads for those that follow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a stage's process ended; ``points`` are the crash points of one that reached its end."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def points(self) -> list[str]:
        """The crash points that it passed."""
        lines = [line for line in self.err.splitlines() if line.startswith('{"points"')]
        return list(json.loads(lines[-1])["points"])


class Forks:
    """The parent process, seen from a test."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forks"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, environment: Mapping[str, str], *arguments: str) -> Ended:
        """Runs ``python -m leadfactory.stage <arguments>`` with ``environment`` added to this process's own."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        order = {"environment": {**_plain(os.environ), **environment}, "arguments": arguments}
        self._parent.stdin.write(json.dumps(order) + "\n")
        self._parent.stdin.flush()
        return Ended(**json.loads(self._parent.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(30)
        assert self._parent.stdout is not None
        self._parent.stdout.close()


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    ours = ("LEADFACTORY_", "DAGSTER_", "WEBSITE_")
    return {name: value for name, value in environment.items() if not name.startswith(ours)}


def _serve() -> None:
    import openai  # noqa: F401 - what stages import when they run, imported once
    import stripe as _stripe  # noqa: F401

    with contextlib.suppress(OSError):  # without Pango reports are HTML only
        import weasyprint  # noqa: F401

    from leadfactory import stage  # noqa: F401
    from leadfactory.d00_gateway import gateway, pagespeed, places, policies, sendgrid, transport, writer, yelp  # noqa: F401
    from leadfactory.d00_gateway import openai as _model  # noqa: F401
    from leadfactory.d00_gateway.website import client  # noqa: F401
    from leadfactory.d01_targeting import places as places_of_the_country
    from leadfactory.d01_targeting import planning  # noqa: F401
    from leadfactory.d02_sourcing import sourcing, uniqueness  # noqa: F401
    from leadfactory.d03_assessment import auditing, insights  # noqa: F401
    from leadfactory.d04_enrichment import enriching  # noqa: F401
    from leadfactory.d05_scoring import scoring  # noqa: F401
    from leadfactory.d06_reports import paid_work, rendering, sample  # noqa: F401
    from leadfactory.d07_storefront import checkout  # noqa: F401
    from leadfactory.d08_personalization import drafting  # noqa: F401
    from leadfactory.d09_delivery import sending  # noqa: F401
    from leadfactory.d10_analytics import export  # noqa: F401
    from leadfactory.d11_experiments import assignment  # noqa: F401

    places_of_the_country.parents("10001")  # loads them all
    gateway.trusted()  # the authorities of the world, and below the rules that no environment moves
    policies._loaded()
    rendering.render_report(sample.sample())  # its templates, typefaces and rules of style
    _settle()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_child(json.loads(line))) + "\n")
        sys.stdout.flush()


def _settle() -> None:
    gc.collect()
    gc.freeze()  # no child looks through what its parent imported for garbage, which would copy all of it


def _child(order: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile("w+") as loaded:
        pid = os.fork()
        if pid == 0:
            _run(order, out.fileno(), err.fileno(), loaded)
        _, ended = os.waitpid(pid, 0)
        _load(loaded)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    status = os.waitstatus_to_exitcode(ended)
    return {"status": status, "out": said[0], "err": said[1], "seconds": time.monotonic() - began}


def _load(names: IO[str]) -> None:
    names.seek(0)
    new = [name for name in names.read().split() if name not in sys.modules]
    for name in new:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if new:
        _settle()


def _run(order: dict[str, Any], out: int, err: int, loaded: IO[str]) -> None:
    """The child: never returns."""
    import logging
    import traceback

    from leadfactory import stage

    status = 70
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.environ.clear()
        os.environ.update(order["environment"])
        logging.basicConfig(level=logging.WARNING)
        status = stage.main(order["arguments"])
        loaded.write("\n".join(name for name in sys.modules if not name.startswith("__")))
        loaded.flush()
    except BaseException:  # noqa: BLE001 - a forked child must not run its parent's code, whatever happens
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
