"""Scoring rules: deterministic, monotone in need, unknown is no score, and each way not to qualify has its reason."""

from __future__ import annotations

import dataclasses
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d05_scoring.rules import Lead, config, judge, score

BAD = (("performance", 4), ("mobile", 3), ("contact", 3), ("seo", 2), ("security", 3), ("trust", 2))
LEAD = Lead(
    uuid.UUID(int=1), "restaurant", performance=30, seo=60, accessibility=65, findings=BAD, hours_visible=False,
    email="own_domain", own_phone=True, own_name=True,
)  # fmt: skip
categories = st.sampled_from(["performance", "mobile", "contact", "seo", "security", "trust", "accessibility"])
leads = st.builds(
    Lead,
    business_id=st.uuids(),
    vertical=st.sampled_from(["restaurant", "medical", "legal"]),
    excluded=st.none() | st.just("closed_permanently"),
    site_reason=st.none() | st.just("no_website: none_known"),
    performance=st.none() | st.integers(0, 100),
    seo=st.none() | st.integers(0, 100),
    accessibility=st.none() | st.integers(0, 100),
    findings=st.lists(st.tuples(categories, st.integers(1, 4)), max_size=30).map(tuple),
    hours_visible=st.none() | st.booleans(),
    email=st.sampled_from([None, "own_domain", "free_mail"]),
    own_phone=st.booleans(),
    own_name=st.booleans(),
)


@given(leads)
def test_a_score_is_0_to_100_or_unknown_with_a_reason(lead):
    found = score(lead)
    assert (found.score is None) == (found.tier == "none") == (found.reason is not None)
    assert found.score is None or 0 <= found.score <= 100


@given(leads, categories, st.integers(1, 4))
def test_one_more_finding_never_lowers_a_score(lead, category, severity):
    before = score(lead)
    after = score(dataclasses.replace(lead, findings=(*lead.findings, (category, severity))))
    assert before.score is None or (after.score or 0) >= before.score


@given(st.lists(leads, max_size=12, unique_by=lambda lead: lead.business_id), st.randoms(use_true_random=False))
def test_the_order_of_the_leads_changes_nothing(found, rng: random.Random):
    shuffled = list(found)
    rng.shuffle(shuffled)
    first = {each.lead.business_id: each for each in judge(found, top_share=0.5)}
    assert {each.lead.business_id: each for each in judge(shuffled, top_share=0.5)} == first


@given(st.lists(leads, max_size=20, unique_by=lambda lead: lead.business_id), st.sampled_from([0.1, 0.5, 1.0]))
def test_never_more_qualify_than_the_top_share_of_those_who_may_be_written_to(found, share):
    judged = judge(found, top_share=share)
    eligible = sum(lead.excluded is None for lead in found)
    assert sum(each.qualified for each in judged) <= -(-eligible * share // 1)
    assert all(each.qualified != bool(each.reason) for each in judged)


def test_a_bad_website_of_a_reachable_business_qualifies():
    (found,) = judge([LEAD], top_share=1.0)
    assert (found.qualified, found.tier, found.rank, found.reason) == (True, "B", 1, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"email": None}, "no_contact_email"),
        ({"findings": BAD[:2]}, "fewer than 4 findings"),
        ({"performance": 95, "seo": 95, "accessibility": 95, "hours_visible": True, "findings": (("seo", 1),) * 4,
          "own_phone": False, "own_name": False}, "score below 35"),
        ({"excluded": "held by an earlier cohort"}, "held by an earlier cohort"),
        ({"site_reason": "unreachable: dns_failure"}, "unreachable: dns_failure"),
        ({"audit_reason": "audit failed: lighthouse_no_fcp"}, "audit failed: lighthouse_no_fcp"),
    ],
)  # fmt: skip
def test_each_way_not_to_qualify_has_its_reason(change, reason):
    (found,) = judge([dataclasses.replace(LEAD, **change)], top_share=1.0)
    assert (found.qualified, found.reason) == (False, reason)


def test_the_top_share_is_cut_by_rank():
    many = [
        dataclasses.replace(LEAD, business_id=uuid.UUID(int=n), performance=None if n > 2 else 30) for n in range(10)
    ]
    judged = judge(many, top_share=0.2)
    assert [each.qualified for each in judged] == [True, True] + [False] * 8
    assert judged[9].reason == "outside the campaign's top share"


def test_unknown_measurements_are_no_signal():
    unknown = dataclasses.replace(LEAD, performance=None, seo=None, accessibility=None, hours_visible=None)
    assert not {"performance_below", "seo_below", "accessibility_below", "hours_missing"} & set(
        score(unknown).components
    )


def test_the_hash_of_the_inputs_changes_with_each_of_them():
    hashes = {
        dataclasses.replace(LEAD, **change).input_hash
        for change in ({}, {"seo": 61}, {"findings": BAD[:-1]}, {"email": None})
    }
    assert len(hashes) == 4


def test_a_vertical_may_weigh_a_signal_differently():
    medical = dataclasses.replace(LEAD, vertical="medical")
    assert score(medical).components["performance_below"] > score(LEAD).components["performance_below"]


@pytest.mark.parametrize(
    ("change", "tier"),
    [
        ({"findings": BAD * 3}, "A"),
        ({}, "B"),
        ({"performance": 60, "findings": BAD[1:]}, "C"),
        ({"performance": 99, "seo": 99, "accessibility": 99, "findings": BAD[3:4]}, "D"),
    ],
)
def test_tiers_follow_the_score(change, tier):
    found = score(dataclasses.replace(LEAD, **change))
    lowest = {**config().tiers, "D": 0}[tier]
    assert (found.tier, (found.score or 0) >= lowest) == (tier, True)
