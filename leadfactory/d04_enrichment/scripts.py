"""What simple inline scripts write into a page: strings that they join. Nothing is executed.

Understood: literals, variables that hold one, ``+``, ``[…].join("…")``, ``String.fromCharCode(…)``. A script counts only when it
writes to the page or holds a mailto link: an address in any other script was not published.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterator
from urllib.parse import unquote

READ = 20_000  # characters of one script
MOST = 200  # joined strings
_LITERAL = r"\"(?:[^\"\\\n]|\\.){0,400}\"|'(?:[^'\\\n]|\\.){0,400}'"
_NAME = r"[A-Za-z_$][\w$]{0,40}"
_CODES = r"String\.fromCharCode\([\d,\s]{1,400}\)"
_TERM = rf"(?:{_LITERAL}|{_CODES}|{_NAME})"
_ASSIGNED = re.compile(rf"\b({_NAME})\s*=\s*({_LITERAL})\s*(?=[;,\n}}]|$)")
_JOINED = re.compile(rf"{_TERM}(?:\s*\+\s*{_TERM}){{0,30}}")
_TERMS = re.compile(_TERM)
_LIST = re.compile(rf"\[\s*((?:{_LITERAL})(?:\s*,\s*(?:{_LITERAL})){{0,10}})\s*\]\s*\.join\(\s*({_LITERAL})\s*\)")
_LITERALS = re.compile(_LITERAL)
_WRITES = re.compile(
    r"document\.write|innerHTML|textContent|innerText|\.href\b|insertAdjacent|\.append|createElement|mailto:",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)


def written(script: str) -> Iterator[str]:
    """Strings that a script joins, with entities and percent signs decoded; nothing for a script that writes nothing."""
    script = script[:READ]
    if not _WRITES.search(script) and not _mailto(script):
        return
    held = {found[1]: _string(found[2]) for found in _ASSIGNED.finditer(script)}
    told = 0
    for joined in _LIST.finditer(script):
        yield _plain(_string(joined[2]).join(_string(each) for each in _LITERALS.findall(joined[1])))
    for joined in _JOINED.finditer(script):
        terms = _TERMS.findall(joined[0])
        values = [_value(term, held) for term in terms]
        whole = "".join(value for value in values if value is not None)
        plain = _plain(whole)
        if "@" in plain and (
            len(terms) > 1 or "mailto:" in plain.lower() or "<" in plain or terms[0].startswith("String")
        ):
            yield plain
            told += 1
            if told >= MOST:
                return


def _mailto(script: str) -> bool:
    """Whether a script holds the word mailto in pieces."""
    return "mailto" in re.sub(r"[\s\"'+]", "", script).lower()


def _value(term: str, held: dict[str, str]) -> str | None:
    if term[0] in "\"'":
        return _string(term)
    if term.startswith("String.fromCharCode"):
        return "".join(chr(int(code)) for code in re.findall(r"\d{1,5}", term) if int(code) < 0xD800)
    return held.get(term)


def _string(literal: str) -> str:
    def meant(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        return chr(int(code, 16)) if code else {"n": "\n", "t": "\t", "r": ""}.get(found[3], found[3])

    return _ESCAPE.sub(meant, literal[1:-1])


def _plain(text: str) -> str:
    return unquote(entities.unescape(text))
