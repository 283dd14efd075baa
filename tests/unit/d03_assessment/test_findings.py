"""Findings: measurements on either side of each threshold, both Lighthouse generations, and what is unknown."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
import yaml

from leadfactory import guard
from leadfactory.d01_targeting.verticals import verticals
from leadfactory.d03_assessment.catalogue import (
    Catalogue,
    Kind,
    Source,
    catalogue,
    conversion_weight,
    effort,
    fix,
    needs,
    words,
)
from leadfactory.d03_assessment.findings import diverse, find, unmeasured
from leadfactory.settings import ROOT
from leadfactory.yaml_config import ConfigError

ON = dt.date(2026, 10, 6)
KINDS = catalogue().kinds


def result(audits: dict | None = None, **scores: float | None) -> dict:
    return {"audits": audits or {}, "categories": {name: {"score": score} for name, score in scores.items()}}


def kinds(lighthouse: dict, facts: dict | None = None, **more) -> dict[str, int]:
    return {each.kind: each.severity for each in find(lighthouse, facts, on=ON, **more)}


def numeric(value: float | None, mode: str = "numeric") -> dict:
    return {"score": 0, "scoreDisplayMode": mode, "numericValue": value}


def test_there_are_at_least_68_kinds():
    assert len(KINDS) >= 68


def _numeric_edges():
    for name, kind in KINDS.items():
        source = kind.sources[0]
        if source.read == "numeric":
            for level, edge in kind.severity.items():
                yield name, source.audits[0], edge / source.scale, level


@pytest.mark.parametrize(("kind", "audit", "value", "level"), list(_numeric_edges()))
def test_a_metric_is_found_at_its_threshold_and_not_just_below_it(kind, audit, value, level):
    assert kinds(result({audit: numeric(value * 1.0001)})).get(kind) == level
    assert kinds(result({audit: numeric(value * 0.999)})).get(kind, 0) < level


def _score_edges():
    return [
        (n, k.sources[0].category, edge, level)
        for n, k in KINDS.items()
        if k.sources[0].category is not None
        for level, edge in k.severity.items()
    ]


@pytest.mark.parametrize(("kind", "category", "edge", "level"), _score_edges())
def test_a_category_score_is_found_below_its_threshold_only(kind, category, edge, level):
    assert kinds(result(**{category: (edge - 1) / 100}))[kind] == level
    assert kinds(result(**{category: edge / 100})).get(kind, 0) < level


def _boolean_facts():
    for name, kind in KINDS.items():
        for source in kind.sources:
            if source.read in {"true", "false"}:
                yield name, source, source.read == "true"


@pytest.mark.parametrize(("kind", "source", "fault"), list(_boolean_facts()))
def test_a_yes_no_fact_is_found_only_when_it_shows_the_fault(kind, source, fault):
    vertical = next(iter(KINDS[kind].verticals), None)
    assert kind in kinds(result(), {**source.when, source.fact: fault}, vertical=vertical)
    assert kind not in kinds(result(), {**source.when, source.fact: not fault}, vertical=vertical)


def _counted_edges():
    for name, kind in KINDS.items():
        for source in kind.sources:
            if source.read == "number":
                for level, edge in kind.severity.items():
                    yield name, source, edge, level


@pytest.mark.parametrize(("kind", "source", "edge", "level"), list(_counted_edges()))
def test_a_counted_fact_reaches_its_level_exactly_at_the_edge(kind, source, edge, level):
    inside, outside = (edge - 1, edge) if KINDS[kind].worse == "below" else (edge, edge - 1)
    assert kinds(result(), {**source.when, source.fact: inside}).get(kind) == level
    assert kinds(result(), {**source.when, source.fact: outside}).get(kind, 0) < level


@pytest.mark.parametrize(
    ("metric", "value", "kind", "level"),
    [
        ("LARGEST_CONTENTFUL_PAINT_MS", 2499, "field_slow_main_content", None),
        ("LARGEST_CONTENTFUL_PAINT_MS", 2500, "field_slow_main_content", 2),
        ("INTERACTION_TO_NEXT_PAINT", 500, "field_unresponsive", 3),
        ("CUMULATIVE_LAYOUT_SHIFT_SCORE", 9, "field_layout_jumps", None),
        ("CUMULATIVE_LAYOUT_SHIFT_SCORE", 10, "field_layout_jumps", 2),
        ("CUMULATIVE_LAYOUT_SHIFT_SCORE", -1, "field_layout_jumps", None),
    ],
)
def test_field_data_is_judged_apart_from_the_lab(metric, value, kind, level):
    found = kinds(result(), field={"metrics": {metric: {"percentile": value}}})
    assert found == ({} if level is None else {kind: level})


def test_what_could_not_be_measured_is_told_with_the_reason():
    left = unmeasured(result(), {"has_title": True}, on=ON, reasons={"lighthouse": "timeout", "field": "no_field_data"})
    assert "no_title" not in left
    assert (left["slow_main_content"], left["field_unresponsive"]) == ("timeout", "no_field_data")
    assert left["no_hours"] == "not_told"
    assert "no_menu" not in left


def test_a_kind_of_one_vertical_is_judged_there_only():
    facts = {"has_ordering": False}
    assert "no_online_ordering" in kinds(result(), facts, vertical="restaurant")
    assert "no_online_ordering" not in kinds(result(), facts, vertical="dental")
    assert "no_online_ordering" not in kinds(result(), facts)


def test_a_fix_names_the_place_on_the_platform_where_it_is_known():
    assert "Reading" in fix("hidden_from_search", "wordpress")
    assert fix("hidden_from_search", "joomla") == fix("hidden_from_search") == KINDS["hidden_from_search"].fix


def test_effort_is_the_work_by_who_does_it():
    assert (effort("no_title").level, effort("no_title").who) == ("low", "owner")
    assert (effort("outdated_jquery").points, effort("outdated_jquery").level) == (9.1, "high")


def test_a_kind_may_weigh_more_than_its_category():
    assert conversion_weight("under_construction") > conversion_weight("generic_links") == 0.2


def test_a_kind_tells_which_measurements_it_needs():
    assert needs("images_without_text") == ("home", "lighthouse")
    assert needs("field_unresponsive") == ("field",)


def test_verticals_of_kinds_are_verticals_that_exist():
    assert {each for kind in KINDS.values() for each in kind.verticals} <= set(verticals())


def test_every_rule_that_a_definition_points_to_is_written_down():
    rules = (ROOT / "tests" / "fixtures" / "sites" / "README.md").read_text().lower()
    named = {name for kind in KINDS.values() for name in re.findall(r'rule "([a-z ]+)"', kind.definition)}
    assert len(named) > 8
    assert {name for name in named if f"**{name}.**" not in rules} == set()


def test_every_fact_of_the_catalogue_is_used():
    used = {source.fact for kind in KINDS.values() for source in kind.sources}
    used |= {fact for kind in KINDS.values() for source in kind.sources for fact in source.when}
    assert set(catalogue().facts) == used - {None}


def test_nothing_known_is_nothing_wrong():
    assert find({}, None, on=ON) == []
    assert find(result(performance=None), {}, on=ON) == []


@pytest.mark.parametrize("mode", ["notApplicable", "manual", "error"])
def test_an_audit_that_did_not_run_is_unknown(mode):
    assert kinds(result({"largest-contentful-paint": numeric(9000, mode)})) == {}


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), True, "slow"])
def test_a_value_that_is_no_number_is_unknown(value):
    assert kinds(result({"largest-contentful-paint": numeric(value)})) == {}


@pytest.mark.parametrize(
    ("newer", "older", "kind"),
    [
        ("render-blocking-insight", "render-blocking-resources", "blocking_scripts"),
        ("cache-insight", "uses-long-cache-ttl", "no_caching"),
        ("viewport-insight", "viewport", "not_made_for_phones"),
    ],
)
def test_both_generations_of_an_audit_are_read_and_the_newer_one_decides(newer, older, kind):
    failed, passed = {"score": 0, "scoreDisplayMode": "binary"}, {"score": 1, "scoreDisplayMode": "binary"}
    assert kind in kinds(result({older: failed}))
    assert kind in kinds(result({newer: failed}))
    assert kind not in kinds(result({newer: passed, older: failed}))


def test_our_own_measurement_of_the_page_decides_before_lighthouse():
    audit = {"image-alt": {"score": 0, "scoreDisplayMode": "binary", "details": {"items": [{}] * 12}}}
    (finding,) = find(result(audit), {"images_without_alt": 5}, on=ON)
    assert (finding.measured, finding.source, finding.severity) == (Decimal(5), "page:images_without_alt", 2)


def test_a_list_of_items_gives_their_number():
    (finding,) = find(result({"image-alt": {"score": 0, "details": {"items": [{}, {}]}}}), {}, on=ON)
    assert finding.measured == 2


def test_the_phone_can_only_be_untappable_where_there_is_one():
    assert "phone_not_tappable" in kinds(result(), {"tel_link_count": 0, "phone_visible": True})
    assert "phone_not_tappable" not in kinds(result(), {"tel_link_count": 0, "phone_visible": False})
    assert "phone_not_tappable" not in kinds(result(), {"tel_link_count": 0})


@pytest.mark.parametrize(
    ("release", "found"), [("1.12.4", True), ("3.4.1", True), ("3.5.0", False), ("3.10", False), ("x", False)]
)
def test_releases_are_compared_as_numbers(release, found):
    assert ("outdated_jquery" in kinds(result(), {"jquery_version": release})) is found


@pytest.mark.parametrize(
    ("year", "level"), [(2026, None), (2025, None), (2024, 1), (2019, 3), (2031, None), (19, None)]
)
def test_the_copyright_year_is_judged_by_its_age(year, level):
    assert kinds(result(), {"copyright_year": year}).get("stale_copyright") == level


def test_the_same_input_gives_the_same_findings_in_the_same_order():
    facts = {"has_title": False, "h1_count": 3, "images_without_alt": 9, "https": False}
    lighthouse = result({"largest-contentful-paint": numeric(6100)}, performance=0.3, seo=0.5)
    assert find(lighthouse, facts, on=ON) == find(lighthouse, dict(reversed(facts.items())), on=ON)


def test_the_top_findings_are_of_different_categories_while_there_are_enough():
    facts = {"phone_visible": False, "address_visible": False, "hours_visible": False, "has_viewport": False}
    found = find(result(performance=0.2), facts, on=ON)
    assert len({each.category for each in diverse(found, 3)}) == 3
    assert len(diverse(found, 3)) == 3
    assert diverse(found[:1], 3) == found[:1]


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_words_pass_our_own_guard(kind):
    said, why, mend = words(kind, 7 if KINDS[kind].severity else None)
    numbers = [guard.Number("7", KINDS[kind].unit, "finding"), guard.Number("7.0", KINDS[kind].unit, "finding"),
               guard.Number("7.00", KINDS[kind].unit, "finding"), guard.Number("100", "score", "scale")]  # fmt: skip
    rules = guard.Rules(guard.lexicon().absolute_claims, most_characters=240)
    one = words(kind, 1)[0] if KINDS[kind].says_one else said
    for text in (said, why, mend, words(kind, None)[0], one, *KINDS[kind].fix_on.values()):
        assert guard.problems(text, numbers, rules) == []
        assert guard.lexicon().spam(text) < 10


def test_one_thing_is_spoken_of_in_the_singular():
    assert words("images_without_text", 1)[0] == "One image has no text description."
    assert words("images_without_text", 2)[0] == "2 images have no text description."


def test_measurements_are_shown_rounded_half_up():
    assert "6.2 seconds" in words("slow_main_content", Decimal("6.1500"))[0]
    assert "1,055 milliseconds" in words("unresponsive_page", Decimal("1055.198"))[0]


@pytest.mark.parametrize(
    "broken",
    [
        {"severity": {1: 5, 2: 4}, "says": "{measured}", "unit": "s"},
        {"severity": {1: 5}, "unit": "s"},
        {"plain": 2},
        {"plain": 2, "says_plain": "about 7 things"},
        {"plain": 5, "says_plain": "it is broken"},
        {"plain": 2, "says_plain": "it is broken", "fix_on": {"geocities": "press here"}},
        {"plain": 2, "says_plain": "it is broken", "quick": True},
    ],
)
def test_a_kind_that_could_not_be_spoken_of_is_refused(broken):
    base = {
        "category": "seo", "sources": [{"fact": "x", "read": "true"}], "why": "why", "fix": "fix",
        "definition": "what is measured, where and on which side the good value lies", "effort": {"work": "js", "who": "developer"},
    }  # fmt: skip
    assert Kind.model_validate(base | {"plain": 2, "says_plain": "it is broken"})
    with pytest.raises(ValueError):
        Kind.model_validate(base | broken)


def test_a_source_has_exactly_one_origin():
    with pytest.raises(ValueError, match="exactly one"):
        Source.model_validate({"fact": "x", "category": "seo", "read": "true"})


def test_every_category_has_a_weight():
    content = catalogue().model_dump()
    content["category_weights"].pop("seo")
    with pytest.raises(ValueError, match="lacks seo"):
        Catalogue.model_validate(content)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fact": "has_titel", "read": "true"}, "no_title.*has_titel"),
        ({"fact": "has_title", "read": "number"}, "no_title.*has_title.*bool.*number"),
        ({"fact": "has_title", "read": "true", "when": {"h1_count": True}}, "no_title.*h1_count"),
    ],
)
def test_a_source_that_no_fact_fits_is_refused_with_its_file_kind_and_value(tmp_path, changed, said):
    content = yaml.safe_load((ROOT / "config" / "findings.yaml").read_text())
    content["kinds"]["no_title"]["sources"] = [changed]
    file = tmp_path / "findings.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=f"findings.yaml.*{said}"):
        catalogue(file)
