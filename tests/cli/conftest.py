"""A home and a database for commands that run in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import main, output
from leadfactory.settings import settings


@pytest.fixture
def cli_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def cli_env(database: object) -> dict[str, str]:
    """Points a command at the tests' own Postgres, whose tables the ``database`` fixture has emptied."""
    url = database.url.render_as_string(hide_password=False)  # type: ignore[attr-defined]
    return {"LEADFACTORY_DATABASE_URL": url.replace("postgresql+psycopg", "postgresql")}


@pytest.fixture
def command(
    cli_home: Path, cli_env: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs one command in this process, as the console script would, with variables of its own; how it ended and what it said."""
    for name, value in (cli_env | {"LEADFACTORY_CLOCK": "2026-10-06T15:00:00+00:00"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LEADFACTORY_HOME", str(cli_home))
    monkeypatch.setattr(output.console, "width", 400)
    settings.cache_clear()  # whoever asked for them before, in this process, did so under other variables

    def once(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["leadfactory", *arguments])
            settings.cache_clear()
            with pytest.raises(SystemExit) as ended:
                main.main()
        said, code = capsys.readouterr(), ended.value.code or 0
        assert isinstance(code, int)
        assert "Traceback" not in said.err
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    yield once
    settings.cache_clear()


@pytest.fixture
def here(command: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., Any]:
    """One command in this process; its JSON or text, or its error when it ``fails``.

    With ``exit_code`` it ends with that code after saying what it found.
    """

    def once(*arguments: str, fails: bool = False, exit_code: int = 0) -> Any:
        done = command(*arguments)
        assert done.returncode == (1 if fails else exit_code), done.stderr
        return done.stderr if fails else json.loads(done.stdout) if "--json" in arguments else done.stdout

    return once
