"""The typefaces of the report: Source Sans Pro and Source Serif Pro (SIL Open Font License), from locked packages.

Only these are embedded: a character that they lack would be drawn by whatever typeface the machine has, and the same report
would differ by machine. So every text passes through ``printable``; a name that cannot be printed is replaced by the domain.
"""

from __future__ import annotations

import functools
import importlib.util
import unicodedata
from pathlib import Path

TEXT, DISPLAY = "LF Text", "LF Display"
REPLACEMENT = "\N{LOZENGE}"  # ◊, which the typefaces have
_FACES = (
    (TEXT, 400, "normal", "font_source_sans_pro", "SourceSansPro-Regular.ttf"),
    (TEXT, 600, "normal", "font_source_sans_pro", "SourceSansPro-Semibold.ttf"),
    (TEXT, 700, "normal", "font_source_sans_pro", "SourceSansPro-Bold.ttf"),
    (DISPLAY, 600, "normal", "font_source_serif_pro", "SourceSerifPro-Semibold.ttf"),
)  # fmt: skip


class FontsMissing(RuntimeError):
    """A font package is not installed; the message says which and how to get it."""


def files() -> tuple[tuple[str, int, str, Path], ...]:
    """(family, weight, style, file) of every face.

    Raises:
        FontsMissing: names the package.
    """
    return tuple((family, weight, style, _folder(package) / name) for family, weight, style, package, name in _FACES)


def stylesheet() -> str:
    """The @font-face rules, with file addresses."""
    return "\n".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-style: {style}; src: url("{path.as_uri()}") }}'
        for family, weight, style, path in files()
    )


@functools.lru_cache(maxsize=1)
def covered() -> frozenset[int]:
    """The code points that every face has."""
    from fontTools.ttLib import TTFont

    sets = []
    for _, _, _, path in files():
        with TTFont(path, lazy=True) as font:
            sets.append(set(font.getBestCmap()))
    return frozenset(set.intersection(*sets))


def can_print(text: str) -> bool:
    """Whether the typefaces have every character of ``text``."""
    return REPLACEMENT not in printable(text)


def printable(text: str) -> str:
    """``text`` as the report can show it: composed, white space folded, invisible characters gone, unknown ones as ◊."""
    known = covered()
    composed = unicodedata.normalize("NFC", text)
    kept = []
    for character in composed:
        if character.isspace():
            kept.append(" ")
        elif unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}:
            continue  # controls, bidirectional marks, surrogates
        else:
            kept.append(character if ord(character) in known else _near(character, known))
    return " ".join("".join(kept).split())


def _near(character: str, known: frozenset[int]) -> str:
    """The compatibility form where the typefaces have it (ﬁ → fi, Ａ → A), else the replacement."""
    plain = unicodedata.normalize("NFKC", character)
    if plain != character and all(ord(each) in known for each in plain):
        return plain
    return "" if unicodedata.combining(character) else REPLACEMENT


def _folder(package: str) -> Path:
    found = importlib.util.find_spec(package)  # located, never imported: its module lists every file at import
    if found is None or found.origin is None:
        raise FontsMissing(
            f"the font package {package} is not installed: run `make test` or pip install -r requirements.lock"
        )
    return Path(found.origin).parent / "files"
