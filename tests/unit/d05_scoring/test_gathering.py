"""What a row of the rooms before becomes as an input: unknown stays unknown, and nothing stands for more than it says."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from leadfactory.d05_scoring.gathering import lead_of
from leadfactory.d05_scoring.leads import Lead
from tests.leads import TUESDAY, UNIT

ROW = {
    "business_id": uuid.UUID(int=1), "duplicate_of": None, "excluded_reason": None, "chain": None, "chain_hmac": None,
    "review_band": None, "source": "yelp", "sourced_at": TUESDAY, "site_status": "ok", "site_reason": None,
    "site_host": "www.joes.example", "contact_email": "info@joes.example", "contact_email_how": "mailto", "contact_email_check": None,
    "own_phone": None, "own_name": "Joe's", "match_score": None, "platform": None, "enriched_at": TUESDAY,
    "audit_status": "ok", "audit_reason": None, "performance": 30, "seo": None, "accessibility": None, "best_practices": None,
    "technologies": None, "unmeasured": None, "measurement": None, "audited_at": TUESDAY,
}  # fmt: skip


def lead(**changes: Any) -> Lead:
    return lead_of(SimpleNamespace(**ROW | changes), UNIT, "restaurant", ())


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({}, "email", "own_domain"),
        ({"contact_email": "joe@gmail.com"}, "email", "free_mail"),
        ({"contact_email": None}, "email", "none"),
        ({"contact_email": None, "contact_email_how": None}, "email_evidence", "none"),
        ({}, "mail_domain", None),
        ({"contact_email_check": "accepted"}, "mail_domain", "accepted"),
        ({"contact_email_check": "unknown"}, "mail_domain", None),
        ({"contact_email_check": "refused"}, "mail_domain", "none"),
        ({"contact_email_check": "refused"}, "email", "none"),
        ({"contact_email_check": "refused"}, "email_evidence", "none"),
        ({}, "chain", None),
        ({"chain_hmac": b"x"}, "chain", False),
        ({"chain_hmac": b"x", "chain": "counted"}, "chain", True),
        ({}, "technologies", None),
        ({"technologies": []}, "technologies", ()),
        ({"technologies": [{"id": "wix"}, {"id": "stripe"}]}, "technologies", ("stripe", "wix")),
        ({}, "hours_visible", None),
        ({"measurement": {"facts": {"hours_visible": "yes"}}}, "hours_visible", None),
        ({"measurement": {"facts": {"hours_visible": False}}}, "hours_visible", False),
        ({"measurement": {"facts": {"hours_visible": True}}}, "hours_visible", True),
        ({"unmeasured": {"slow_server": "no_lighthouse"}}, "unmeasured", ("slow_server",)),
        ({"review_band": ">50"}, "review_band", None),
        ({"review_band": ">50", "source": "import"}, "review_band", ">50"),
        ({"own_phone": "+12125550100"}, "own_phone", True),
        ({}, "own_phone", False),
    ],
)
def test_an_input_says_what_is_stored(changes, field, value):
    assert getattr(lead(**changes), field) == value


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"duplicate_of": uuid.UUID(int=2)}, "held by an earlier cohort"),
        ({"excluded_reason": "chain"}, "chain"),
        ({"site_status": None}, "not_enriched"),
        ({"site_status": "unreachable", "site_reason": "dns_failure"}, "unreachable: dns_failure"),
        ({"audit_status": None}, "not_audited"),
        ({"audit_status": "failed", "audit_reason": "no_fcp"}, "audit failed: no_fcp"),
    ],
)
def test_a_lead_that_cannot_be_scored_says_why_and_holds_no_inputs(changes, why):
    found = lead(**changes)
    assert found.unscored == why
    assert (found.findings, found.performance, found.email) == (None, None, None)
