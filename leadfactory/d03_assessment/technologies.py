"""What a page is made of: content system, shop, booking, analytics and the rest, with the mark that gave each away.

One reading of the page collects its addresses and scripts; then every mark of config/technologies.yaml is one search in
them. Versions are patterns that run only where a mark was found.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pydantic
from selectolax.lexbor import LexborHTMLParser

from leadfactory import yaml_config
from leadfactory.d00_gateway.website.answers import SitePage
from leadfactory.d03_assessment.catalogue import Platform

Category = Literal[
    "cms", "shop", "booking", "ordering", "analytics", "ads", "chat", "payment", "mail", "consent", "hosting", "cdn", "server",
    "library", "widget",
]  # fmt: skip
Function = Literal["booking", "ordering", "payment", "chat", "analytics", "consent", "newsletter"]
MOST_INLINE, MOST_ADDRESSES = 300_000, 200_000  # characters that are searched; more is no small business's page
MOST_EVIDENCE = 200
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Changes(_Strict):
    """What the factory does with the knowledge."""

    platform: Platform | None = None
    serves: Function | None = None
    pays: bool = False
    maturity: Literal["modern", "dated"] | None = None

    @pydantic.model_validator(mode="after")
    def _something(self) -> Changes:
        if self.platform is None and self.serves is None and not self.pays and self.maturity is None:
            raise ValueError("changes nothing: name platform, serves, pays or maturity, or drop the technology")
        return self


class Release(_Strict):
    """Where a version is read (software: the headers Server and X-Powered-By) and the pattern whose first group it is."""

    where: Literal["generator", "loads", "inline", "software"] = pydantic.Field(alias="in")
    pattern: str

    @pydantic.field_validator("pattern")
    @classmethod
    def _compiles(cls, text: str) -> str:
        try:
            groups = re.compile(text).groups
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        if groups != 1:
            raise ValueError("must have exactly one group, the version")
        return text


class Technology(_Strict):
    """One entry of config/technologies.yaml."""

    name: str
    category: Category
    changes: Changes
    generator: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    cookies: tuple[str, ...] = ()
    release: Release | None = None
    dated_below: str | None = None

    @pydantic.model_validator(mode="after")
    def _findable(self) -> Technology:
        marks = (*self.generator, *self.loads, *self.links, *self.inline)
        if not (marks or self.headers or self.cookies):
            raise ValueError("has no mark by which it could be found")
        wrong = [mark for mark in (*marks, *self.headers, *self.headers.values()) if mark != mark.lower()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} has capitals: marks are compared in lower case")
        if self.dated_below is not None and (self.release is None or not _RELEASE.fullmatch(self.dated_below)):
            raise ValueError(f"dated_below={self.dated_below!r}: needs a release, and is numbers with points")
        return self


class Technologies(_Strict):
    """config/technologies.yaml."""

    version: str
    as_of: dt.date
    technologies: dict[str, Technology]


@functools.lru_cache(maxsize=4)
def known(path: Path | None = None) -> Technologies:
    """The checked content of config/technologies.yaml, read once a process.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("technologies", Technologies, path)


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@dataclasses.dataclass(frozen=True)
class Found:
    """One technology on a page; ``version`` is None where none shows; ``evidence`` says where and what was seen."""

    id: str
    category: str
    version: str | None
    dated: bool
    evidence: str


@dataclasses.dataclass(frozen=True)
class Marks:
    """What one reading of a page collects, in lower case but for cookies."""

    generator: str
    loads: str
    links: str
    inline: str
    headers: Mapping[str, str]
    cookies: Sequence[str]

    @classmethod
    def of(cls, tree: LexborHTMLParser, page: SitePage) -> Marks:
        """From a page whose scripts are still in the tree."""
        loads, links, inline = list[str](), list[str](), list[str]()
        for node in tree.css("script, link[href], img[src], iframe[src], a[href], form[action]"):
            seen = node.attributes
            if node.tag in {"a", "form"}:
                links.append(seen.get("href") or seen.get("action") or "")
            elif seen.get("src") or seen.get("href"):
                loads.append(seen.get("src") or seen.get("href") or "")
            elif node.tag == "script":
                inline.append(node.text(deep=True))
        generators = (node.attributes.get("content") or "" for node in tree.css('meta[name="generator" i]'))
        return cls(
            _joined(generators, 2_000), _joined(loads, MOST_ADDRESSES), _joined(links, MOST_ADDRESSES),
            _joined(inline, MOST_INLINE), {name: value.lower() for name, value in page.headers.items()}, page.cookies,
        )  # fmt: skip


def find(marks: Marks) -> list[Found]:
    """All technologies whose mark the page shows, in the order of the file."""
    found = []
    for name, technology in known().technologies.items():
        evidence = _evidence(technology, marks)
        if evidence is not None:
            version = _version(technology, marks)
            dated = technology.changes.maturity == "dated" and technology.dated_below is None
            if version is not None and technology.dated_below is not None:
                dated = _numbers(version) < _numbers(technology.dated_below)
            found.append(Found(name, technology.category, version, dated, evidence))
    return found


def platform_of(found: Iterable[Found]) -> str | None:
    """The platform whose fix texts apply: the first technology that names one; None when nothing tells."""
    kinds = known().technologies
    return next((platform for each in found if (platform := kinds[each.id].changes.platform) is not None), None)


def functions(found: Iterable[Found]) -> dict[str, str]:
    """What the site can do by its technologies: function → id of the first that serves it."""
    kinds, served = known().technologies, dict[str, str]()
    for each in found:
        function = kinds[each.id].changes.serves
        if function is not None:
            served.setdefault(function, each.id)
    return served


def plain(found: Iterable[Found]) -> list[dict[str, Any]]:
    """As JSON for the audit's row."""
    return [dataclasses.asdict(each) for each in found]


def _joined(parts: Iterable[str], most: int) -> str:
    return "\n".join(parts)[:most].lower()


def _evidence(technology: Technology, marks: Marks) -> str | None:
    for where, wanted, text in (
        ("generator", technology.generator, marks.generator),
        ("loads", technology.loads, marks.loads),
        ("links", technology.links, marks.links),
        ("script", technology.inline, marks.inline),
    ):
        for mark in wanted:
            at = text.find(mark)
            if at >= 0:
                return f"{where}: {_line_at(text, at)}"
    for header, mark in technology.headers.items():
        value = marks.headers.get(header)
        if value is not None and mark in value:
            return f"header {header}: {value[:MOST_EVIDENCE]}"
    for prefix in technology.cookies:
        cookie = next((each for each in marks.cookies if each.startswith(prefix)), None)
        if cookie is not None:
            return f"cookie {cookie}"
    return None


def _line_at(text: str, at: int) -> str:
    start = max(text.rfind("\n", 0, at) + 1, at - MOST_EVIDENCE // 2)
    end = text.find("\n", at)
    return text[start : end if end >= 0 else len(text)][:MOST_EVIDENCE]


def _version(technology: Technology, marks: Marks) -> str | None:
    if technology.release is None:
        return None
    software = f"{marks.headers.get('server', '')} {marks.headers.get('x-powered-by', '')}"
    texts = {"generator": marks.generator, "loads": marks.loads, "inline": marks.inline, "software": software}
    text = texts[technology.release.where]
    found = _compiled(technology.release.pattern).search(text)
    return found[1] if found else None


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdecimal())
