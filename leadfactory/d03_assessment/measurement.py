"""What our own crawl of one website told: typed facts with evidence, and a reason for each that is missing."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from leadfactory.d03_assessment.evidence import where

VERSION = "1"  # of this shape in the audit's row


@dataclasses.dataclass
class Notes:
    """What a crawl knows so far: facts, reasons for those that are missing, where they were read, examples."""

    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    absent: dict[str, str] = dataclasses.field(default_factory=dict)
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    examples: dict[str, list[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ReadPage:
    """A key page: its role, address, status and why it was not read (None when it was)."""

    role: str
    url: str
    status: int | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class SiteMeasurement:
    """One crawl. All of it can be stored for ever: it is our own measurement of the business's own website.

    Attributes:
        start_url: where the crawl began; ``url`` the home page's address, None when it was not read.
        measured_at: when, by the factory's clock.
        reason: why the home page was not read, None when it was.
        facts: values by the names of ``facts`` in config/findings.yaml; a fact that is not known is absent.
        absent: fact → reason for facts that could not be measured; a fact in neither is not told by the site.
        sources: fact → address where it was read, where that is not the home page.
        examples: fact → a few addresses or snippets of what was counted.
        key_pages: those chosen, in order.
        technologies: as technologies.plain gives them; ``platform`` the name of its fix texts.
        requests, bytes, seconds: what the crawl took; not stored with the audit, since they depend on what was asked before.
        unverified: what is wrong with the certificate under which the site was read all the same; None when it verified.
    """

    start_url: str
    url: str | None
    measured_at: dt.datetime
    reason: str | None
    facts: Mapping[str, Any]
    absent: Mapping[str, str]
    sources: Mapping[str, str]
    examples: Mapping[str, Sequence[str]]
    key_pages: tuple[ReadPage, ...] = ()
    technologies: tuple[Mapping[str, Any], ...] = ()
    platform: str | None = None
    requests: int = 0
    bytes: int = 0
    unverified: str | None = None

    def evidence(self, fact: str) -> dict[str, Any]:
        """URL, place, time and examples of one fact."""
        found: dict[str, Any] = {
            "url": self.sources.get(fact) or self.url or self.start_url,
            "where": where(fact),
            "at": self.measured_at.isoformat(),
        }
        if self.unverified is not None:
            found["connection"] = f"unverified, {self.unverified}"
        if self.examples.get(fact):
            found["examples"] = list(self.examples[fact])
        return found

    def plain(self) -> dict[str, Any]:
        """As JSON for the audit's row; equal crawls of an unchanged site are equal."""
        return {
            "version": VERSION,
            "start_url": self.start_url,
            "url": self.url,
            "measured_at": self.measured_at.isoformat(),
            "reason": self.reason,
            "facts": dict(self.facts),
            "absent": dict(self.absent),
            "sources": dict(self.sources),
            "examples": {fact: list(found) for fact, found in self.examples.items() if found},
            "key_pages": [dataclasses.asdict(page) for page in self.key_pages],
            "platform": self.platform,
            **({} if self.unverified is None else {"unverified": self.unverified}),
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any], technologies: Sequence[Mapping[str, Any]] = ()) -> SiteMeasurement:
        """Back from the audit's row."""
        return cls(
            plain["start_url"], plain["url"], dt.datetime.fromisoformat(plain["measured_at"]), plain["reason"], plain["facts"],
            plain["absent"], plain["sources"], plain["examples"], tuple(ReadPage(**page) for page in plain["key_pages"]),
            tuple(technologies), plain["platform"], unverified=plain.get("unverified"),
        )  # fmt: skip
