"""Keeps keys and e-mail addresses out of logs, errors and ledger reasons."""

from __future__ import annotations

import logging
import re

_EMAIL = re.compile(
    r"[^\s@<>\"'(),:;=/?&\[\]{}]+(?:@|%40)[A-Za-z0-9\-.\u0080-\uffff]+\.[A-Za-z\u0080-\uffff]{2,}", re.IGNORECASE
)
_SECRETS = (
    (re.compile(r"([?&](?:key|api_key|apikey|access_token|token)=)[^&\s#\"']+", re.IGNORECASE), r"\1[key]"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=\-]+", re.IGNORECASE), r"\1 [key]"),
    (re.compile(r"\b(?:sk|rk|pk|whsec)[-_][A-Za-z0-9_\-*.]{4,}"), "[key]"),
    (re.compile(r"\bSG\.[A-Za-z0-9_\-.]{6,}"), "[key]"),
    (re.compile(r"\bAIza[A-Za-z0-9_\-]{10,}"), "[key]"),
    (
        re.compile(r"\b((?:x-goog-api-key|authorization|api[_-]?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+", re.IGNORECASE),
        r"\1[key]",
    ),
)
# Loggers of the libraries below us: httpx prints whole URLs, the SDKs print requests.
_LOGGERS = (
    "httpx", "httpcore.http11", "httpcore.connection", "httpcore.http2", "httpx2", "openai", "openai._base_client",
    "stripe", "python_http_client",
)  # fmt: skip


def redact(text: str) -> str:
    """``text`` with keys replaced by ``[key]`` and e-mail addresses by ``[address]``."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _EMAIL.sub("[address]", text)


class _Redacting(logging.Filter):
    """Rewrites a record before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        written = record.getMessage()
        clean = redact(written)
        if clean != written:
            record.msg, record.args = clean, None
        return True


_FILTER = _Redacting()


def guard_loggers() -> None:
    """Puts the redacting filter on the loggers of the HTTP libraries and SDKs; repeating it changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
