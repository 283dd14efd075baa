"""Structured logs: one JSON object a line, to standard output and to rotated files under ``$LEADFACTORY_HOME/logs``.

``app.log`` holds what edge and commands say, ``pipeline.log`` what runs say (their warnings are in ``app.log`` too),
``security.log`` security events, which ``app.log`` repeats marked ``SECURITY``, ``sendgrid_events.log`` the mail events that came
in. Every line carries what was bound around it: run, campaign-day, lead, request. Keys, tokens and addresses never get in.
"""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import fcntl
import json
import logging
import logging.handlers
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from leadfactory.d00_gateway.redaction import guard_loggers, redact
from leadfactory.settings import Settings

APP, PIPELINE, SECURITY, MAIL_EVENTS = "app", "pipeline", "security", "sendgrid_events"
FILES = (APP, PIPELINE, SECURITY, MAIL_EVENTS)
LARGEST, KEPT = 20 * 2**20, 9  # bytes of a file; how many older ones stay beside it
_ROOM = re.compile(r"\b(d\d\d_[a-z]+)\b")
# Our own: signed tokens of links (46 characters), API keys, sessions. \b would let a token after "_" through.
_TOKENS = (
    re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{46}(?![A-Za-z0-9_-])"),
    re.compile(r"\b(?:lfk|lfs)_[A-Za-z0-9_-]{6,}"),
)
_bound: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar("bound", default=MappingProxyType({}))
_process_facts: dict[str, str] = {}
_security = logging.getLogger("leadfactory.security")
_mail_events = logging.getLogger("leadfactory.mail_events")


@contextlib.contextmanager
def bound(**facts: object) -> Iterator[None]:
    """Every line that is logged inside carries ``facts``: run_id, campaign_day, lead, request_id."""
    token = _bound.set({**_bound.get(), **{name: str(fact) for name, fact in facts.items() if fact is not None}})
    try:
        yield
    except GeneratorExit:  # closed by the collector in another context: the one that held the facts went with its task
        raise
    except BaseException:
        _bound.reset(token)
        raise
    _bound.reset(token)


def security(event: str, **facts: object) -> None:
    """Logs a security event, such as ``AUTH_FAILED``: to security.log, and marked SECURITY to app.log.

    Never pass a key, a token or an address; what looks like one is replaced all the same.
    """
    _security.warning(event, extra={"facts": facts})


def mail_event(source: str, kind: str, **facts: object) -> None:
    """Logs one event that a mailer posted, to sendgrid_events.log."""
    _mail_events.info(kind, extra={"facts": {"source": source, **facts}})


def configure(
    process: str,
    settings: Settings,
    *,
    main: str = APP,
    stdout: bool = True,
    facts: Mapping[str, str | None] | None = None,
) -> None:
    """Sends this process's logs to their places; repeating it changes nothing but the names.

    Args:
        process: edge, run, stage, cli …: named in every line.
        settings: where the files are, and from which level on.
        main: APP or PIPELINE, the file of what is neither a security nor a mail event.
        stdout: False for commands, whose standard output is their answer.
        facts: what every line of this process carries, such as the run that it is.
    """
    _process_facts.clear()
    _process_facts.update({name: fact for name, fact in (facts or {}).items() if fact is not None})
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Ours)]:
        root.removeHandler(old)
        old.close()
    guard_loggers()
    for chatty in ("httpx", "httpcore", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # a line a request, with URLs that are secrets themselves
    logging.captureWarnings(True)
    lines = _Lines(process)
    folder = settings.home / "logs"
    handlers: list[logging.Handler] = [_File(folder, name, lines, main) for name in FILES]
    if stdout:
        handlers.append(_Stdout(lines))
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(settings.log_level)


def redacted(value: Any) -> Any:
    """``value`` without keys, tokens and addresses, in text at any depth."""
    if isinstance(value, str):
        clean = redact(value)
        for pattern in _TOKENS:
            clean = pattern.sub("[token]", clean)
        return clean
    if isinstance(value, dict):
        return {str(redacted(str(key))): redacted(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [redacted(each) for each in value]
    return value if isinstance(value, int | float | bool) or value is None else redacted(str(value))


class _Lines(logging.Formatter):
    """A record as one line of JSON."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Redacts after everything is text: arguments and tracebacks hold what messages do not."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, Any] = {"at": at.isoformat(timespec="milliseconds"), "level": record.levelname}
        facts: dict[str, Any] = getattr(record, "facts", {})
        line |= {"event": record.getMessage(), "process": self._process, "logger": record.name}
        room = _ROOM.search(record.name)
        if room:
            line["room"] = room[1]
        if record.name == _security.name:
            line["mark"] = "SECURITY"
        line |= {**_process_facts, **_bound.get(), **facts}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(redacted(line), ensure_ascii=False)


class _Ours:
    """Marks the handlers that ``configure`` made."""


class _Stdout(logging.StreamHandler, _Ours):
    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__(sys.stdout)
        self.setFormatter(lines)


class _File(logging.handlers.WatchedFileHandler, _Ours):
    """One file that several processes append to; whoever finds it full moves it aside, under a lock."""

    def __init__(self, folder: Path, name: str, lines: logging.Formatter, main: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._kind, self._main, self._path = name, main, folder / f"{name}.log"
        super().__init__(self._path, encoding="utf-8", delay=True)
        self.setFormatter(lines)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record belongs in this file."""
        if record.name == _mail_events.name:
            return self._kind == MAIL_EVENTS
        if record.name == _security.name:
            return self._kind in {SECURITY, APP}
        if self._kind == self._main:
            return True
        return self._kind == APP and record.levelno >= logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        """Appends the record, to a fresh file when this one is full."""
        if self._path.is_file() and self._path.stat().st_size >= LARGEST:
            self._rotate()
        super().emit(record)

    def _rotate(self) -> None:
        with self._path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._path.is_file() or self._path.stat().st_size < LARGEST:
                return  # another process was faster
            for number in range(KEPT, 0, -1):
                older = self._path.with_suffix(f".log.{number}")
                newer = self._path.with_suffix(f".log.{number - 1}") if number > 1 else self._path
                if newer.is_file():
                    newer.replace(older)
