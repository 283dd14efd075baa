"""The revenue estimate: the β/ω model, what it assumes, and how it is said."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d05_scoring.revenue import Estimate, Known, RevenueConfig, config, estimate, in_words
from leadfactory.settings import ROOT
from tests.unit.d05_scoring.lead_strategies import BAD, LEAD, finding, findings, lead

ALL_KNOWN = Known(1_000_000, 10_000, 0.5, 0.1, False)
ONE = dataclasses.replace(LEAD, vertical="dental", findings=(finding("slow_main_content", 4),))


def test_the_formula_on_one_finding():
    found = estimate(ONE, ALL_KNOWN)
    assert found.cents == 1_000_000 * 100 * 0.006
    assert found.confidence == 0.9  # Lighthouse, performance
    assert (found.low_cents, found.high_cents) == (round(600_000 * 0.97), round(600_000 * 1.03))


def test_only_the_worst_finding_of_a_group_counts():
    more = dataclasses.replace(ONE, findings=(*ONE.findings, finding("heavy_page", 2)))
    assert estimate(more, ALL_KNOWN) == estimate(ONE, ALL_KNOWN)


@pytest.mark.parametrize(
    ("vertical", "known", "omega"),
    [
        ("dental", Known(10_000_000, 10_000, 0.5, 0, False), 0.4),
        ("dental", Known(1_000_000, 10_000, 0.39, 0, False), 0.7),
        ("home_services", Known(1_000_000, 4_999, 0.5, 0, False), 0.5),
        ("dental", Known(1_000_000, 20_001, 0.61, 0, False), 1.2),
        ("restaurant", Known(1_000_000, 10_000, 0.5, 0, True), 0.9),
        ("restaurant", Known(1_000_000, 10_000, 0.5, 0, False), 0.6),
        ("dental", Known(1_000_000, 10_000, 0.5, 0.51, False), 1.1),
        ("retail", Known(1_000_000, 9_999, 0.5, 0, False), 0.8),
        ("legal", Known(1_000_000, 7_999, 0.5, 0, False), 0.6),
        ("dental", Known(1_000_000, 10_000, 0.5, 0, False), 1.0),
    ],
)
def test_the_first_omega_rule_that_holds_decides(vertical, known, omega):
    found = estimate(dataclasses.replace(ONE, vertical=vertical), known)
    assert found.cents == round(known.annual_revenue_usd * 100 * 0.006 * omega)


def test_what_nobody_measured_is_assumed_by_name_and_lowers_the_confidence():
    found = estimate(ONE)
    assert found.assumed == ("annual_revenue_usd", "b2b_share", "commercial_share", "online_ordering", "visits_a_month")
    assert "annual_revenue_usd 1,000,000 (assumed)" in found.basis
    assert found.confidence < estimate(ONE, ALL_KNOWN).confidence


def test_the_basis_says_first_that_it_is_an_estimate():
    assert estimate(ONE).basis[0].startswith("estimate by the model of config/revenue.yaml version ")


def test_without_findings_there_is_no_estimate_rather_than_one_of_nothing():
    assert estimate(dataclasses.replace(LEAD, findings=None)) is None


@given(lead, findings)
def test_one_more_finding_never_costs_less(given, more):
    assert estimate(dataclasses.replace(given, findings=(*given.findings, more))).cents >= estimate(given).cents


@given(lead)
def test_the_range_holds_the_middle_and_is_at_most_30_per_cent_wide(given):
    found = estimate(given)
    assert 0 <= found.low_cents <= found.cents <= found.high_cents
    assert found.high_cents <= found.cents * 1.3 + 1
    assert 0 <= found.confidence <= 1


def test_a_category_that_left_the_catalogue_costs_nothing():
    gone = dataclasses.replace(LEAD, findings=(*BAD, BAD[0]._replace(kind="gone", category="gone")))
    assert estimate(gone) == estimate(LEAD)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (244_008, 367_992, "an estimated $2,500 to $3,500 a year"),
        (1_240_000, 1_760_000, "an estimated $12,000 to $18,000 a year"),
        (950_000, 1_050_000, "an estimated $9,500 to $11,000 a year"),
        (95_000, 105_000, "an estimated $1,000 a year"),
        (10_000, 60_000, None),
    ],
)
def test_mail_says_a_rounded_range_and_calls_it_an_estimate(low, high, words):
    assert in_words(Estimate((low + high) // 2, low, high, 0.5, (), ())) == words


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_words_are_never_without_the_word_estimated(low, more):
    words = in_words(Estimate(low, low, low + more, 0.5, (), ()))
    assert words is None or "estimated" in words


SHIPPED = yaml.safe_load((ROOT / "config" / "revenue.yaml").read_text())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"groups": {"performance": "performance"}}, "lacks the finding categories accessibility"),
        ({"beta": SHIPPED["beta"] | {"seo": {1: 0.5, 2: 0.1, 3: 0.2, 4: 0.3}}}, "seo needs the severities"),
        ({"purchase_probability": {"A": 0.1}}, "exactly the tiers A, B, C and D"),
        ({"assumed_confidence": {"visits_a_month": 1}}, "lacks annual_revenue_usd"),
        ({"omega": [{"because": "x", "factor": 1, "verticals": ["florist"]}]}, "florist: no vertical"),
        ({"assumed": SHIPPED["assumed"] | {"annual_revenue_usd": {"low": 1}}}, "low, medium and high"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        RevenueConfig.model_validate(SHIPPED | change)


def test_the_shipped_file_is_dated():
    assert config().as_of.year == 2026
