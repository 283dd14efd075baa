"""What a report is made of and what comes out: frozen records, no SQL, no rendering."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import hashlib
import json
from collections.abc import Mapping
from typing import Any

EMPTY: Mapping[str, Any] = {}


@dataclasses.dataclass(frozen=True)
class Finding:
    """A row of audit_findings; ``severity`` 1 minor to 4 critical, ``measured`` and ``threshold`` in ``unit``."""

    finding_id: str
    kind: str
    category: str
    severity: int
    measured: decimal.Decimal | None
    unit: str | None
    threshold: decimal.Decimal | None
    source: str
    evidence: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Audit:
    """A row of site_audits: scores 0 to 100, ``lab`` by column (ms, bytes, shift), None for what Lighthouse did not give.

    ``field``: 75th percentiles of Chrome's users by metric; None without field data.
    """

    audit_id: str
    strategy: str
    requested_url: str | None
    final_url: str | None
    scores: Mapping[str, int | None]
    lab: Mapping[str, decimal.Decimal | int | None]
    field: Mapping[str, float] | None
    lighthouse_version: str | None
    raw_sha256: str | None
    fetched_at: dt.datetime


@dataclasses.dataclass(frozen=True)
class Site:
    """What the business publishes on its own website, and our facts of the home page (None when it was not read)."""

    domain: str
    own_name: str | None = None
    own_phone: str | None = None
    own_address: str | None = None
    platform: str | None = None
    facts: Mapping[str, Any] | None = None
    read_at: dt.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Spread:
    """Nearest-rank percentiles of one measurement over ``sites`` of the campaign, and how many this site does better than."""

    column: str
    sites: int
    p25: decimal.Decimal
    p50: decimal.Decimal
    p75: decimal.Decimal
    mine: decimal.Decimal
    better_than: int


@dataclasses.dataclass(frozen=True)
class ReportInput:
    """Everything that a report says, read from stored rows. ``report_on`` is the date on the cover.

    ``explanations``: finding kind → plain sentence of site_insights; ``compared``: empty when there are too few sites.
    """

    report_on: dt.date
    business_id: str
    campaign: str
    cohort_on: dt.date
    site: Site
    audit: Audit
    findings: tuple[Finding, ...]
    headline: str | None = None
    explanations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    insight_source: str | None = None
    rules_version: str | None = None
    compared: tuple[Spread, ...] = ()
    sites: int = 0

    @property
    def evidence_sha256(self) -> str:
        """Of everything above as canonical JSON: the same rows and date give the same hash."""
        return hashlib.sha256(self.evidence.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def evidence(self) -> str:
        """Everything above as canonical JSON, as it is kept beside a sold report."""
        return json.dumps(dataclasses.asdict(self), default=str, sort_keys=True, ensure_ascii=False)


@dataclasses.dataclass(frozen=True)
class Report:
    """A rendered report. ``pdf`` is None with ``no_pdf`` as the reason when this machine cannot make one.

    ``numbers``: each number that is shown → where it comes from.
    """

    html: str
    html_sha256: str
    pdf: bytes | None
    pdf_sha256: str | None
    pages: int | None
    no_pdf: str | None
    evidence_sha256: str
    numbers: Mapping[str, tuple[str, ...]]
