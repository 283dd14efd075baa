"""What is known of one business when it is judged: plain stored measurements, to JSON and back. Decides nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from leadfactory.vendor_terms import VendorTerms

LISTING, SITE, AUDIT = "listing", "site", "audit"  # the three readings that inputs come from, each with its time


class Finding(NamedTuple):
    """One thing that is wrong with the website. ``source`` is ``lighthouse`` or ``page``; ``severity`` 1 to 4."""

    kind: str
    category: str
    severity: int
    source: str = "lighthouse"


@dataclasses.dataclass(frozen=True)
class Lead:
    """One unique business as the rooms before have stored it; None is unknown, never zero.

    ``email`` is none | free_mail | own_domain, ``email_evidence`` how the site shows it, ``mail_domain`` whether its domain takes
    mail; ``unmeasured`` are finding kinds that could not be judged; ``site_shared_by`` is how many more businesses of the campaign
    have the same website, and ``site_of`` the same id for all of them. ``excluded``, ``site_reason`` and
    ``audit_reason`` say why there is nothing to score. ``read_at`` is reading → ISO time.
    """

    business_id: uuid.UUID
    vertical: str
    cohort_on: dt.date
    excluded: str | None = None
    site_reason: str | None = None
    audit_reason: str | None = None
    performance: int | None = None
    accessibility: int | None = None
    best_practices: int | None = None
    seo: int | None = None
    findings: tuple[Finding, ...] | None = None
    unmeasured: tuple[str, ...] = ()
    hours_visible: bool | None = None
    email: str | None = None
    email_evidence: str | None = None
    mail_domain: str | None = None
    own_phone: bool | None = None
    own_name: bool | None = None
    match_score: float | None = None
    platform: str | None = None
    technologies: tuple[str, ...] | None = None
    source: str | None = None
    review_band: str | None = None
    chain: bool | None = None
    site_shared_by: int | None = None
    site_of: str | None = None
    read_at: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def unscored(self) -> str | None:
        """Why there is nothing to score; None when there is."""
        return self.excluded or self.site_reason or self.audit_reason

    def inputs(self) -> dict[str, Any]:
        """Everything that a score rests on, as JSON that ``from_inputs`` reads."""
        plain = dataclasses.asdict(self) | {"cohort_on": self.cohort_on.isoformat()}
        plain["findings"] = None if self.findings is None else sorted(list(each) for each in self.findings)
        plain["technologies"] = None if self.technologies is None else sorted(self.technologies)
        del plain["business_id"]
        return plain


# Which term of config/vendor_terms.yaml bounds the life of an input, and which reading it came with. What is not listed is ours.
_MEASURED = ("pagespeed", "lighthouse", AUDIT)
TERMS: Mapping[str, tuple[str, str, str]] = {
    **dict.fromkeys(("performance", "accessibility", "best_practices", "seo", "findings"), _MEASURED),
    **dict.fromkeys(("hours_visible", "platform", "technologies"), ("website", "measurements", SITE)),
    **dict.fromkeys(
        ("email", "email_evidence", "mail_domain", "own_phone", "own_name"), ("website", "published_fields", SITE)
    ),
    "review_band": ("yelp", "review_count", LISTING),
}
_FIELDS = {field.name for field in dataclasses.fields(Lead)} - {"business_id", "cohort_on"}


def from_inputs(business_id: uuid.UUID, stored: Mapping[str, Any]) -> Lead:
    """The lead that ``Lead.inputs`` wrote; what an older version did not write is unknown."""
    plain = {name: stored[name] for name in _FIELDS if name in stored}
    if plain.get("findings") is not None:
        plain["findings"] = tuple(Finding(*each) for each in plain["findings"])
    for name in ("technologies", "unmeasured"):
        if plain.get(name) is not None:
            plain[name] = tuple(plain[name])
    return Lead(business_id=business_id, cohort_on=dt.date.fromisoformat(stored["cohort_on"]), **plain)


def without_expired(lead: Lead, now: dt.datetime, terms: VendorTerms) -> tuple[Lead, tuple[str, ...]]:
    """The lead with every input unknown that its vendor's terms no longer let us hold at ``now``, and their names."""
    gone = tuple(name for name in TERMS if getattr(lead, name) is not None and not _may_be_held(lead, name, now, terms))
    unknown: dict[str, Any] = dict.fromkeys(gone)
    return dataclasses.replace(lead, **unknown), gone


def _may_be_held(lead: Lead, name: str, now: dt.datetime, terms: VendorTerms) -> bool:
    vendor, field, reading = TERMS[name]
    term = terms.field(vendor, field)
    if name == "review_band":
        return lead.source == "import" or term.band_allowed  # an imported list is the operator's own
    if term.life is None:
        return True
    read_at = lead.read_at.get(reading)
    return read_at is not None and now < dt.datetime.fromisoformat(read_at) + term.life
