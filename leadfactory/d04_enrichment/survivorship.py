"""Which source's word for a field survives, and where each surviving field came from.

A website that was named for this very business (by its own source, or by a place that is it) is real; one that is merely likely
is not taken while a surer one is there. Nothing is made up: a field that nobody said is NULL with its reason.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from leadfactory.d00_gateway.website.answers import SitePage
from leadfactory.d04_enrichment import own_site
from leadfactory.d04_enrichment.policy import Survivorship


@dataclasses.dataclass(frozen=True)
class SiteCandidate:
    """A website and who named it (import, yelp, places); ``certainty`` is how sure it is that it was named for this business."""

    url: str
    source: str
    certainty: float = 1.0

    def confidence(self, rules: Survivorship) -> float:
        """How sure the website is: the source's own worth times the certainty."""
        return round(rules.website.get(self.source, 0.0) * self.certainty, 3)  # type: ignore[call-overload]


def websites(candidates: Sequence[SiteCandidate], rules: Survivorship) -> list[SiteCandidate]:
    """The websites to visit, the surest first, one per domain; pages on other people's websites come last and are not visited."""
    ranked = sorted(
        enumerate(candidates), key=lambda each: (not own_site.is_own(each[1].url), -each[1].confidence(rules), each[0])
    )
    kept: dict[str, SiteCandidate] = {}
    for _, each in ranked:
        kept.setdefault(own_site.registrable_domain(own_site.host_of(each.url)) or each.url, each)
    return list(kept.values())


def known(source: str, fetched_at: dt.datetime, sure: float, url: str | None = None) -> dict[str, Any]:
    """Where a field came from."""
    return {"source": source, "url": url, "fetched_at": fetched_at.isoformat(), "confidence": round(sure, 3)}


def read_from(page: SitePage, sure: float, rules: Survivorship) -> dict[str, Any]:
    """Where a field of the own site came from; less sure, and saying so, when nobody vouched for who served the page."""
    if page.unverified is None:
        return known("own_site", page.fetched_at, sure, page.final_url)
    return known("own_site", page.fetched_at, sure * rules.unverified, page.final_url) | {"connection": "unverified"}


def unknown(reason: str, source: str = "own_site") -> dict[str, Any]:
    """Why a field is not known."""
    return {"source": source, "reason": reason}


def own_word(value: Any, listed: Any, rules: Survivorship) -> float:
    """How sure a field of the own site is: surer when the listing says the same, less when it says something else."""
    if listed is None:
        return rules.own_site.alone
    return rules.own_site.agrees if value == listed else rules.own_site.differs
