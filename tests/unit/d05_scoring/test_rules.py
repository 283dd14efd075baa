"""Scoring rules: deterministic, monotone, unknown is no score, and each way not to qualify has its reason."""

from __future__ import annotations

import dataclasses
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d05_scoring.leads import from_inputs
from leadfactory.d05_scoring.rules import config, input_hash, judge, score
from leadfactory.d05_scoring.signals import SIGNALS
from tests.unit.d05_scoring.lead_strategies import BAD, LEAD, any_lead, findings, lead, many

# Field of a lead → its values from the least to the most of its factor.
WORSE_SITE = {
    **{key: list(range(100, -1, -1)) for key in ("performance", "seo", "accessibility", "best_practices")},
    "hours_visible": [True, False],
}
BETTER_REACH = {
    "email": list(SIGNALS["email"].levels), "email_evidence": list(SIGNALS["email_evidence"].levels), "mail_domain": list(SIGNALS["mail_domain"].levels), "own_phone": [False, True],
    "own_name": [False, True], "match_score": [n / 20 for n in range(21)], "chain": [True, False],
}  # fmt: skip
RICHER = {"review_band": list(SIGNALS["review_band"].levels), "platform": ["wix", "wordpress", "shopify"]}


def steps(fields):
    """Two values of one field, the second at least as far as the first."""
    return st.sampled_from(sorted(fields)).flatmap(
        lambda name: st.tuples(st.just(name), st.lists(st.integers(0, len(fields[name]) - 1), min_size=2, max_size=2).map(sorted))
    )  # fmt: skip


def at(given, fields, name, index):
    return score(dataclasses.replace(given, **{name: fields[name][index]}))


@given(any_lead)
def test_a_score_is_0_to_100_or_unknown_with_a_reason(given):
    found = score(given)
    assert (found.score is None) == (found.tier == "none") == (found.reason is not None)
    assert found.score is None or 0 <= found.score <= 100


@given(lead)
def test_each_factor_and_the_confidence_are_0_to_1(given):
    found = score(given)
    assert all(0 <= value <= 1 for value in (found.need, found.ability, found.reachability, found.confidence))


@given(lead, steps(WORSE_SITE))
def test_a_worse_site_never_needs_less(given, step):
    name, (low, high) = step
    before, after = at(given, WORSE_SITE, name, low), at(given, WORSE_SITE, name, high)
    assert (after.need, after.score) >= (before.need, before.score)


@given(lead, findings)
def test_one_more_finding_never_lowers_need_or_score(given, more):
    before, after = score(given), score(dataclasses.replace(given, findings=(*given.findings, more)))
    assert after.need >= before.need
    assert after.score >= before.score


@given(lead, st.data())
def test_a_finding_that_gets_worse_never_lowers_need(given, data):
    if not given.findings:
        return
    index = data.draw(st.integers(0, len(given.findings) - 1))
    changed = list(given.findings)
    changed[index] = changed[index]._replace(severity=data.draw(st.integers(changed[index].severity, 4)))
    assert score(dataclasses.replace(given, findings=tuple(changed))).need >= score(given).need


@given(lead, steps(BETTER_REACH))
def test_better_reachability_never_lowers_a_score(given, step):
    name, (low, high) = step
    before, after = at(given, BETTER_REACH, name, low), at(given, BETTER_REACH, name, high)
    assert after.reachability >= before.reachability
    assert after.score >= before.score


@given(lead, steps(RICHER))
def test_more_ability_to_pay_never_lowers_a_score(given, step):
    name, (low, high) = step
    assert at(given, RICHER, name, high).score >= at(given, RICHER, name, low).score


@given(
    lead, st.sampled_from(["performance", "seo", "hours_visible", "own_phone", "match_score", "review_band", "chain"])
)
def test_an_unknown_signal_only_drops_out_of_the_average(given, name):
    known, unknown = score(given), score(dataclasses.replace(given, **{name: None}))
    others = [(each.signal, each.points, each.weight) for each in known.contributions if each.signal != name]
    assert [(e.signal, e.points, e.weight) for e in unknown.contributions if e.signal != name] == others
    assert unknown.confidence <= known.confidence
    factor = SIGNALS[name].factor
    left = [each for each in unknown.contributions if each.factor == factor and each.known]
    weight = sum(each.weight for each in left)
    wanted = (
        sum(each.weight * each.points for each in left) / weight if weight else config().factor(factor).when_unknown
    )
    assert getattr(unknown, factor) == pytest.approx(wanted, abs=1e-4)


@given(lead)
def test_the_shares_of_the_signals_add_up_to_the_factor(given):
    found = score(given)
    known = [each.share for each in found.contributions if each.factor == "need" and each.known]
    assert not known or sum(known) == pytest.approx(found.need, abs=1e-3)


@given(many, st.randoms(use_true_random=False))
def test_the_order_of_the_leads_changes_nothing(found, rng: random.Random):
    shuffled = list(found)
    rng.shuffle(shuffled)
    first = {each.lead.business_id: each for each in judge(found, top_share=0.5)}
    assert {each.lead.business_id: each for each in judge(shuffled, top_share=0.5)} == first


@given(lead, st.randoms(use_true_random=False))
def test_the_order_of_the_findings_changes_nothing(given, rng: random.Random):
    shuffled = list(given.findings)
    rng.shuffle(shuffled)
    other = dataclasses.replace(given, findings=tuple(shuffled))
    assert dataclasses.replace(score(other), lead=given) == score(given)
    assert input_hash(score(other)) == input_hash(score(given))


@given(any_lead)
def test_stored_inputs_give_the_same_score_again(given):
    again = score(from_inputs(given.business_id, given.inputs()))
    assert (again.score, again.tier, again.sentence, again.contributions, again.estimate) == (
        (found := score(given)).score, found.tier, found.sentence, found.contributions, found.estimate,
    )  # fmt: skip


@given(many, st.sampled_from([0.1, 0.5, 1.0]))
def test_never_more_qualify_than_the_top_share_of_those_who_may_be_written_to(found, share):
    judged = judge(found, top_share=share)
    eligible = sum(each.excluded is None for each in found)
    assert sum(each.qualified for each in judged) <= -(-eligible * share // 1)
    assert all(each.qualified != bool(each.reason) for each in judged)


def test_a_bad_website_of_a_reachable_business_qualifies():
    (found,) = judge([LEAD], top_share=1.0)
    assert (found.qualified, found.tier, found.rank, found.reason) == (True, "A", 1, None)


GOOD = {"performance": 97, "seo": 97, "accessibility": 97, "hours_visible": True}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"email": "none", "email_evidence": "none"}, "no_contact_email"),
        ({"findings": BAD[:3]}, "fewer than 4 findings"),
        (GOOD | {"findings": tuple(each._replace(severity=1) for each in BAD)}, "tier below B"),
        ({"excluded": "held by an earlier cohort"}, "held by an earlier cohort"),
        ({"site_reason": "unreachable: dns_failure"}, "unreachable: dns_failure"),
        ({"audit_reason": "audit failed: lighthouse_no_fcp"}, "audit failed: lighthouse_no_fcp"),
    ],
)
def test_each_way_not_to_qualify_has_its_reason(change, reason):
    (found,) = judge([dataclasses.replace(LEAD, **change)], top_share=1.0)
    assert (found.qualified, found.reason) == (False, reason)


def test_a_lead_that_little_is_known_of_does_not_qualify():
    gate = config().gate.model_copy(update={"confidence_at_least": 0.99})
    (found,) = judge([LEAD], top_share=1.0, rules=config().model_copy(update={"gate": gate}))
    assert found.reason == "confidence below 0.99"


@pytest.mark.parametrize("field", ["own_phone", "own_name"])
def test_what_a_rule_file_asks_for_must_be_there(field):
    gate = config().gate.model_copy(update={"must_have": (field,)})
    rules = config().model_copy(update={"gate": gate})
    (found,) = judge([dataclasses.replace(LEAD, **{field: False})], top_share=1.0, rules=rules)
    assert found.reason == f"no_{field}"


@pytest.mark.parametrize(("min_tier", "qualified"), [(None, False), ("A", False), ("C", True), ("D", True)])
def test_a_campaigns_own_lowest_tier_goes_before_the_rules(min_tier, qualified):
    middling = dataclasses.replace(
        LEAD, performance=88, seo=94, accessibility=94, findings=tuple(each._replace(severity=2) for each in BAD)
    )
    (found,) = judge([middling], top_share=1.0, min_tier=min_tier)
    assert (found.tier, found.qualified) == ("C", qualified)


def test_the_top_share_is_cut_by_rank():
    leads = [
        dataclasses.replace(LEAD, business_id=uuid.UUID(int=n), performance=20 if n < 3 else 35) for n in range(1, 11)
    ]
    judged = judge(leads, top_share=0.2)
    assert [each.qualified for each in judged] == [True, True] + [False] * 8
    assert judged[9].reason == "outside the campaign's top share"


def test_the_sentence_names_what_counts_and_what_is_unknown():
    told = score(dataclasses.replace(LEAD, seo=None)).sentence
    assert told.startswith("Tier A, ")
    assert "performance 30 of 100" in told
    assert "; unknown: seo, review_band, technologies, chain." in told


def test_the_hash_of_the_inputs_changes_with_each_of_them():
    changes = ({}, {"seo": 61}, {"findings": BAD[:-1]}, {"email": "none"}, {"review_band": "0"}, {"vertical": "legal"})
    assert len({input_hash(score(dataclasses.replace(LEAD, **change))) for change in changes}) == len(changes)


def test_when_an_input_was_read_is_no_part_of_the_hash():
    later = dataclasses.replace(LEAD, read_at={"site": "2026-10-07T00:00:00+00:00"})
    assert input_hash(score(later)) == input_hash(score(LEAD))


def test_a_vertical_may_weigh_a_signal_differently():
    weights = {
        vertical: next(c.weight for c in score(dataclasses.replace(LEAD, vertical=vertical)).contributions if c.signal == "performance")
        for vertical in ("restaurant", "medical")
    }  # fmt: skip
    assert weights == {"restaurant": 0.30, "medical": 0.40}


def test_a_trade_in_season_scores_no_less_than_out_of_it():
    summer, spring = (
        score(dataclasses.replace(LEAD, vertical="home_services", cohort_on=LEAD.cohort_on.replace(month=month))) for month in (7, 3)
    )  # fmt: skip
    assert summer.ability > spring.ability


@pytest.mark.parametrize(
    ("total", "tier"), [(100, "A"), (68, "A"), (67, "B"), (44, "B"), (43, "C"), (32, "C"), (31, "D"), (0, "D")]
)
def test_tiers_begin_at_their_boundaries(total, tier):
    assert config().tier(total) == tier


def test_of_businesses_that_share_a_website_the_best_one_is_the_lead_and_the_others_say_so():
    site = str(uuid.UUID(int=1))
    first, second, third = (
        dataclasses.replace(LEAD, business_id=uuid.UUID(int=n), performance=speed, site_shared_by=2, site_of=site)
        for n, speed in ((1, 80), (2, 20), (3, 50))
    )
    alone = dataclasses.replace(LEAD, business_id=uuid.UUID(int=4))
    told = {each.lead.business_id.int: each for each in judge([first, second, third, alone], top_share=1.0)}
    assert [told[n].qualified for n in (1, 2, 3, 4)] == [False, True, False, True]
    assert told[1].reason == told[3].reason == "shares its website with a better lead"


def test_a_better_branch_that_does_not_qualify_leaves_the_website_to_the_next():
    site = str(uuid.UUID(int=1))
    better = dataclasses.replace(LEAD, performance=10, site_shared_by=1, site_of=site, email="none")
    other = dataclasses.replace(LEAD, business_id=uuid.UUID(int=2), performance=60, site_shared_by=1, site_of=site)
    told = {each.lead.business_id.int: each for each in judge([better, other], top_share=1.0)}
    assert (told[1].qualified, told[2].qualified) == (False, True)
