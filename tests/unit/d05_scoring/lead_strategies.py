"""Leads of every sort, for property tests and examples."""

from __future__ import annotations

import datetime as dt
import uuid

from hypothesis import strategies as st

from leadfactory.d01_targeting.verticals import verticals
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d05_scoring.leads import Finding, Lead
from leadfactory.d05_scoring.signals import SIGNALS

DAY = dt.date(2026, 10, 6)
KINDS = sorted(catalogue().kinds)


def finding(kind: str, severity: int) -> Finding:
    """A finding of a kind of the catalogue."""
    return Finding(kind, catalogue().kinds[kind].category, severity)


BAD = (
    finding("slow_main_content", 4), finding("not_made_for_phones", 3), finding("no_phone", 3), finding("no_description", 2),
    finding("no_https", 4), finding("stale_copyright", 2),
)  # fmt: skip
LEAD = Lead(
    uuid.UUID(int=1), "restaurant", DAY, performance=30, seo=60, accessibility=65, best_practices=70, findings=BAD,
    hours_visible=False, email="own_domain", email_evidence="mailto", mail_domain="accepted", own_phone=True, own_name=True, match_score=0.9,
    platform="wordpress", site_shared_by=0,
)  # fmt: skip

scores = st.none() | st.integers(0, 100)
findings = st.builds(finding, st.sampled_from(KINDS), st.integers(1, 4))
lead = st.builds(
    Lead,
    business_id=st.uuids(),
    vertical=st.sampled_from([*sorted(verticals()), "gone"]),
    cohort_on=st.dates(dt.date(2026, 1, 1), dt.date(2027, 12, 31)),
    performance=scores,
    seo=scores,
    accessibility=scores,
    best_practices=scores,
    findings=st.lists(findings, max_size=12, unique_by=lambda each: each.kind).map(tuple),
    hours_visible=st.none() | st.booleans(),
    email=st.sampled_from(SIGNALS["email"].levels),
    email_evidence=st.none() | st.sampled_from(SIGNALS["email_evidence"].levels),
    mail_domain=st.none() | st.sampled_from(SIGNALS["mail_domain"].levels),
    unmeasured=st.lists(st.sampled_from(KINDS), max_size=3, unique=True).map(lambda found: tuple(sorted(found))),
    own_phone=st.none() | st.booleans(),
    own_name=st.none() | st.booleans(),
    match_score=st.none() | st.floats(0, 1),
    platform=st.sampled_from([None, "wix", "wordpress", "shopify", "unheard of"]),
    technologies=st.none() | st.lists(st.text(max_size=5), max_size=12, unique=True).map(tuple),
    review_band=st.none() | st.sampled_from(SIGNALS["review_band"].levels),
    chain=st.none() | st.booleans(),
)
unscored = st.builds(
    Lead,
    business_id=st.uuids(),
    vertical=st.just("restaurant"),
    cohort_on=st.just(DAY),
    excluded=st.none() | st.just("closed_permanently"),
    site_reason=st.just("no_website: none_known"),
)
any_lead = lead | unscored
many = st.lists(any_lead, max_size=12, unique_by=lambda each: each.business_id)
