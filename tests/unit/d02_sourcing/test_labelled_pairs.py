"""Same or different on labelled pairs: generated with the sandbox's truth, and hand-written hard ones, reported apart."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from leadfactory.d02_sourcing.matching_rules import rules
from sandbox.world import pairs as generator
from tests.unit.d02_sourcing.pair_judging import Judged, judged, score, table

GENERATED = 2_400
HAND_WRITTEN = Path(__file__).parents[2] / "fixtures" / "pairs"
PRECISION, RECALL = 0.99, 0.97


@pytest.fixture(scope="module")
def generated() -> list[Judged]:
    return [
        judged(pair.kind, pair.same, dataclasses.asdict(pair.one), dataclasses.asdict(pair.other))
        for pair in generator.pairs(11, GENERATED)
    ]


@pytest.fixture(scope="module")
def hand_written() -> list[Judged]:
    found = []
    for path in sorted(HAND_WRITTEN.glob("*.yaml")):
        for kind, group in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader).items():
            for pair in group["pairs"]:
                one, other = ({**view, "zip_code": view.get("zip")} for view in (pair["a"], pair["b"]))
                found.append(judged(kind, pair["label"] == "same", one, other, pair["id"]))
    return found


def shown(title: str, found: list[Judged]) -> None:
    print(f"\n{title}\n{table(found)}")
    print("wrong:", ", ".join(each.about for each in found if each.true != each.said and each.about) or "none named")


@pytest.mark.slow
def test_generated_pairs_are_told_apart(generated: list[Judged]) -> None:
    shown("generated pairs", generated)
    assert score(generated).pairs >= 2_000
    assert score(generated).precision >= PRECISION
    assert score(generated).recall >= RECALL


def test_hand_written_pairs_are_told_apart(hand_written: list[Judged]) -> None:
    shown("hand-written hard pairs", hand_written)
    assert score(hand_written).pairs >= 300
    assert score(hand_written).precision >= PRECISION
    assert score(hand_written).recall >= RECALL


@pytest.mark.slow
def test_both_kinds_of_pairs_hold_same_and_different(generated: list[Judged], hand_written: list[Judged]) -> None:
    for found in (generated, hand_written):
        assert 0.4 < sum(each.true for each in found) / len(found) < 0.6


def test_generated_pairs_are_a_function_of_their_seed() -> None:
    assert generator.pairs(11, 40) == generator.pairs(11, 40)
    assert generator.pairs(11, 40) != generator.pairs(12, 40)


def test_the_generators_noise_is_nothing_that_the_matcher_knows_by_heart() -> None:
    known = rules()
    listed = (
        known.known_forms.keys()
        | set(known.known_forms.values())
        | known.street_suffixes.keys()
        | known.noise
        | known.trade_of.keys()
    )
    noise = {word for words in generator.STREET_SHORT.values() for word in words} | set(generator.NAME_SHORT.values())
    assert {word for word in noise if re.sub(r"\W", "", word.lower()) in listed} == set()
    assert "ofc" not in known.units
