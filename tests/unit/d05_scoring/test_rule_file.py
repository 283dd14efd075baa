"""A wrong rule file is refused when it is read, with file, key and value."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import yaml

from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d05_scoring import rule_file
from leadfactory.d05_scoring.rules import config, score, version
from leadfactory.d05_scoring.versions import asset_version, declared
from leadfactory.settings import ROOT
from leadfactory.yaml_config import ConfigError
from tests.unit.d05_scoring.lead_strategies import LEAD

SHIPPED = yaml.safe_load((ROOT / "config" / "scoring.yaml").read_text())


@pytest.fixture
def rules_with(tmp_path):
    """The shipped rules with one key (a dotted path with / between) set to another value; None removes it."""

    def make(path: str, value: Any) -> rule_file.RuleFile:
        content = copy.deepcopy(SHIPPED)
        *parents, last = path.split("/")
        place = content
        for part in parents:
            place = place.setdefault(part, {})
        if value is None:
            del place[last]
        else:
            place[last] = value
        file = tmp_path / "rules.yaml"
        file.write_text(yaml.safe_dump(content))
        return rule_file.load(file)

    return make


PERFORMANCE = "need/signals/performance"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("need/signals/charm", {"weight": 1, "linear": {"zero_at": 0, "one_at": 1}}, "need.signals.charm = 'charm': is no signal"),
        ("need/signals/kind:charm", {"weight": 1, "steps": [[1, 1]]}, "'charm' is no finding kind"),
        ("need/signals/category:charm", {"weight": 1, "steps": [[1, 1]]}, "'charm' is no finding category"),
        ("ability/signals/performance", {"weight": 1, "linear": {"zero_at": 90, "one_at": 30}}, "is a signal of need"),
        (PERFORMANCE, {"weight": 1, "linear": {"zero_at": 30, "one_at": 90}}, "need must fall with performance"),
        (PERFORMANCE, {"weight": 1, "linear": {"zero_at": 30, "one_at": 30}}, "zero_at: 30, one_at: 30"),
        (PERFORMANCE, {"weight": 1, "steps": [[90, 0.5], [50, 0.4]]}, "give .0.5, 0.4.: they are not monotone"),
        (PERFORMANCE, {"weight": 1, "steps": [[50, 0.4], [90, 0.5]]}, "steps at .50.0, 90.0.: thresholds must fall"),
        (PERFORMANCE, {"weight": 1, "steps": [[50, 0.4], [50, 0.5]]}, "each given once"),
        (PERFORMANCE, {"weight": 1, "steps": []}, "steps is empty"),
        (PERFORMANCE, {"weight": 1, "steps": [[50, 1.2]]}, "need.signals.performance.steps.0.1 = 1.2"),
        (PERFORMANCE, {"weight": 1, "flag": [0, 1]}, "a number needs exactly one of linear, steps"),
        (PERFORMANCE, {"weight": 1}, "has nothing"),
        (PERFORMANCE, {"weight": 1, "linear": {"zero_at": 90, "one_at": 30}, "steps": [[50, 1]]}, "has linear, steps"),
        (PERFORMANCE, {"weight": -1, "linear": {"zero_at": 90, "one_at": 30}}, "need.signals.performance.weight = -1"),
        (PERFORMANCE, {"weight": ".nan", "linear": {"zero_at": 90, "one_at": 30}}, "weight = '.nan'"),
        (PERFORMANCE, {"weight": 1, "eval": "1 + 1", "steps": [[50, 1]]}, "need.signals.performance.eval = '1 . 1'"),
        ("need/signals/hours_visible/flag", [0, 1], "need must fall with hours_visible"),
        ("ability/signals/ticket/levels", {"low": 0.4, "high": 1}, "needs exactly low, medium, high"),
        ("ability/signals/ticket/levels", {"low": 0.9, "medium": 0.5, "high": 1}, "must not fall from low to medium to high"),
        (PERFORMANCE + "/by_vertical", {"florist": {"weight": 1}}, "by_vertical.florist: is no vertical"),
        (PERFORMANCE + "/by_vertical", {"legal": {"steps": [[50, 1], [20, 0.5]]}}, "by_vertical.legal: steps give"),
        ("need/exponent", 0.9, "must sum to 1"),
        ("tiers", {"A": 50, "B": 55, "C": 40}, "tiers = .*needs A above B above C"),
        ("severity_weights", {1: 5, 2: 4, 3: 7, 4: 10}, "severity_weights = .*never weighing less"),
        ("gate/min_tier", "E", "gate.min_tier = 'E'"),
        ("gate/must_have", ["fax"], "gate.must_have.0 = 'fax'"),
        ("version", "two words", "version = 'two words'"),
        ("as_of", None, "as_of"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(rules_with, path, value, told):
    with pytest.raises(ConfigError, match=told) as caught:
        rules_with(path, value)
    assert "rules.yaml" in str(caught.value)


def test_a_factor_without_weight_is_refused(rules_with):
    with pytest.raises(ConfigError, match=r"reachability\.signals: no weight above 0"):
        rules_with("reachability/signals", {"own_phone": {"weight": 0, "flag": [0, 1]}})


@pytest.mark.parametrize(("value", "points"), [(95, 0), (90, 0.2), (60, 0.2), (50, 0.7), (0, 0.7)])
def test_a_falling_step_is_reached_from_its_threshold_down(rules_with, value, points):
    rules = rules_with(PERFORMANCE, {"weight": 1, "steps": [[90, 0.2], [50, 0.7]]})
    found = score(dataclasses.replace(LEAD, performance=value), rules)
    assert next(each.points for each in found.contributions if each.signal == "performance") == points


def test_a_finding_kind_may_be_a_signal(rules_with):
    rules = rules_with("need/signals/kind:no_https", {"weight": 1, "steps": [[1, 0.5], [4, 1]]})
    found = next(each for each in score(LEAD, rules).contributions if each.signal == "kind:no_https")
    assert (found.value, found.points) == (4, 1)


def test_a_finding_kind_that_could_not_be_judged_is_unknown_not_absent(rules_with):
    rules = rules_with("need/signals/kind:broken_links", {"weight": 1, "steps": [[1, 0.5], [4, 1]]})
    not_judged = dataclasses.replace(LEAD, unmeasured=("broken_links",))
    known, unknown = (
        next(each for each in score(lead, rules).contributions if each.signal == "kind:broken_links") for lead in (LEAD, not_judged)
    )  # fmt: skip
    assert (known.value, known.points, unknown.known) == (0, 0, False)
    assert score(not_judged, rules).need > score(LEAD, rules).need


def test_a_vertical_may_have_another_shape_and_keep_the_weight(rules_with):
    rules = rules_with(PERFORMANCE + "/by_vertical", {"restaurant": {"steps": [[30, 0.25]]}})
    found = next(each for each in score(LEAD, rules).contributions if each.signal == "performance")
    assert (found.points, found.weight) == (0.25, 0.3)


def test_the_shipped_rules_name_only_what_the_catalogue_has():
    named = {
        name.partition(":") for factor in ("need", "ability", "reachability") for name in SHIPPED[factor]["signals"]
    }
    assert {wanted for prefix, _, wanted in named if prefix == "category"} <= set(catalogue().category_weights)


def test_the_assets_code_version_is_the_rule_files():
    assert asset_version() == version(config())
    assert asset_version().endswith(f".{SHIPPED['version']}")


@pytest.mark.parametrize("text", ["", "version: [", "nothing: here"])
def test_an_unreadable_rule_file_does_not_keep_the_graph_from_loading(tmp_path, text):
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    assert declared(file) == "unreadable"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe\xfa", "cannot be read .*mend the place, it must be YAML in UTF-8"),
        (b"version: [", "cannot be read .*mend the place"),
        (b"", "the file = None"),
    ],
)
def test_a_file_that_holds_no_rules_is_named_on_one_line(tmp_path, content, told):
    file = tmp_path / "rules.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"rules.yaml.*{told}") as caught:
        rule_file.load(file)
    assert "\n" not in str(caught.value)


def test_a_missing_section_is_named_without_the_rest_of_the_file(rules_with):
    with pytest.raises(ConfigError, match="need: Field required") as caught:
        rules_with("need", None)
    assert len(str(caught.value)) < 400
