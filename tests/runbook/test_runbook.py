"""docs/runbook.md does what it says: its blocks are run in their order, on one home, as an operator would."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import typer

from cli import main, output, processes, stack
from leadfactory import embedded, migrate
from leadfactory.database import Database
from leadfactory.monitoring import contacts
from leadfactory.settings import ROOT, settings
from tests.postgres import FILLED, PREFIX, settings_for_tests

PAGE = ROOT / "docs" / "runbook.md"
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?```(?P<kind>bash|sql)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)
MARK = re.compile(r"^(?:run: (?P<how>dev|scratch)(?:, exit (?P<code>\d))?|cannot: (?P<why>.+))$")
CANNOT = {"a container engine", "a cloud account", "a real person"}
MOST_CANNOT = 6
WITHIN_S = 300


@dataclasses.dataclass(frozen=True)
class Block:
    """One block of the page: its lines, and what the page says about running it."""

    line: int
    text: str
    how: str  # dev, scratch, cannot, or what is wrong with its mark
    code: int

    def __str__(self) -> str:
        return f"line {self.line}: {self.text.splitlines()[0]}"


def _blocks() -> list[Block]:
    page, found = PAGE.read_text(), []
    for match in BLOCK.finditer(page):
        mark = MARK.match(match["mark"] or "")
        how = f"unknown mark {match['mark']!r}" if mark is None else mark["how"] or "cannot"
        line = page.count("\n", 0, match.start("text")) + 1
        found.append(Block(line, match["text"], how, int((mark and mark["code"]) or 0)))
    return found


BLOCKS = _blocks()


@dataclasses.dataclass
class Desk:
    """Where the commands run: a home with a server and an edge, and nothing else."""

    edge: str
    environment: dict[str, str]

    home: Path

    def run(self, block: Block) -> str:
        """Runs the block's lines one after the other; the last one ends with the block's code, the others with 0."""
        said, lines = "", [line for line in block.text.splitlines() if line.strip() and not line.startswith("#")]
        for line in lines:
            code, told = self._one(line)
            assert code == (block.code if line is lines[-1] else 0), f"{line}\nended with {code}:\n{told}"
            said += told
        return said

    def _one(self, line: str) -> tuple[int, str]:
        if line.startswith("leadfactory ") and not re.search(r"[|>;&$]", line):
            return _here(shlex.split(line)[1:])  # a process for each would take a minute in all
        shell = line.replace("localhost:8000", self.edge)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-ec", shell], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=WITHIN_S
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr


def _here(arguments: list[str]) -> tuple[int, str]:
    """One command in this process, as the console script would run it."""
    said, before = io.StringIO(), sys.argv
    sys.argv = ["leadfactory", *arguments]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main.main()
    except SystemExit as ended:
        return int(ended.code or 0), said.getvalue()
    except typer.Exit as ended:
        return ended.exit_code, said.getvalue()
    finally:
        sys.argv = before
    return 0, said.getvalue()


@pytest.fixture(scope="module")
def desk(postgres: object) -> Iterator[Desk]:
    """The tests' server as the embedded one of a home, emptied, and an edge that `ps` and `restart` know."""
    home: Path = postgres.home  # type: ignore[attr-defined]
    owner = Database(postgres.url("owner"))  # type: ignore[attr-defined]
    with owner.begin() as tx:
        filled = tx.scalars(sa.text(FILLED)).all()
        if filled:
            tx.execute(sa.text(f"TRUNCATE {', '.join(filled)} RESTART IDENTITY CASCADE"))
    owner.dispose()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADFACTORY_HOME", str(home))
        patch.setenv("LEADFACTORY_ENV", "test")
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.setattr(stack, "EDGE_PORT", port)
        patch.setattr(output.console, "width", 200)
        settings.cache_clear()
        edge = processes.start(
            "edge", [sys.executable, "-m", "edge", "--port", str(port)], env=dict(os.environ), log=home / "logs" / "edge.log",
            cwd=ROOT, service="edge",
        )  # fmt: skip
        over = threading.Event()
        with processes.stopping([edge]):
            processes.wait_until(edge, lambda: stack.answers(f"http://127.0.0.1:{port}/health"), within_s=120)
            keeper = threading.Thread(target=_keep, args=(over,))
            keeper.start()
            yield Desk(f"127.0.0.1:{port}", dict(os.environ), home)
            over.set()
            keeper.join()
    settings.cache_clear()


@pytest.fixture(scope="module")
def scratch() -> Iterator[Desk]:
    """A home with a server of its own, which a block may replace."""
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        embedded.ensure_running(home, fast=True)
        migrate.upgrade(settings_for_tests(home))
        yield Desk("", dict(os.environ) | {"LEADFACTORY_HOME": str(home), "LEADFACTORY_ENV": "test"}, home)
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


def _keep(over: threading.Event) -> None:
    """What `leadfactory dev` does while it waits."""
    while not over.wait(0.2):
        processes.restart_asked()


def test_every_block_says_how_it_is_run() -> None:
    assert [str(block) for block in BLOCKS if block.how not in {"dev", "scratch", "cannot"}] == []


def test_few_blocks_cannot_be_run_and_each_says_what_is_missing() -> None:
    reasons = re.findall(r"^<!-- cannot: (.+) -->$", PAGE.read_text(), re.MULTILINE)
    counts = Counter(block.how for block in BLOCKS)
    print(f"blocks of the runbook: dev {counts['dev']}, scratch {counts['scratch']}, cannot {counts['cannot']}")
    assert len(reasons) == counts["cannot"] <= MOST_CANNOT
    assert set(reasons) <= CANNOT


def test_the_contacts_are_those_of_the_file() -> None:
    shown = PAGE.read_text().partition("<!-- contacts -->\n")[2].partition("\n<!-- /contacts -->")[0]
    assert shown == contacts.page(contacts.contacts())


def test_every_test_that_the_table_names_exists() -> None:
    named = set(re.findall(r"`(tests/[\w./]+)`", PAGE.read_text()))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.how == "dev"], ids=str)
def test_a_block_does_what_the_page_says(desk: Desk, block: Block) -> None:
    desk.run(block)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.how == "scratch"], ids=str)
def test_a_block_that_replaces_things_does_what_the_page_says(
    scratch: Desk, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADFACTORY_HOME", str(scratch.home))
    monkeypatch.setenv("LEADFACTORY_ENV", "test")
    settings.cache_clear()
    scratch.run(block)
    settings.cache_clear()
