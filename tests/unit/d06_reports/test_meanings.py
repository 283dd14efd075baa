"""What a card says about a finding it says once, whoever worded the explanation."""

from __future__ import annotations

import dataclasses

import pytest

from leadfactory.d03_assessment import catalogue
from leadfactory.d06_reports.cards import card
from leadfactory.d06_reports.numbers import Numbers
from leadfactory.d06_reports.sample import sample


@pytest.mark.parametrize("position", range(3))
def test_the_catalogues_own_words_are_not_repeated_as_an_explanation(position):
    given = sample()
    finding = given.findings[position]
    says, why, _ = catalogue.words(finding.kind, finding.measured)
    by_rules = dataclasses.replace(given, explanations={finding.kind: f"{says} {why}"})
    assert card(finding, by_rules, Numbers()).meaning is None


def test_a_models_own_words_stay():
    given = sample()
    finding = given.findings[0]
    says = catalogue.words(finding.kind, finding.measured)[0]
    told = dataclasses.replace(given, explanations={finding.kind: f"{says} Guests leave before they see it."})
    assert card(finding, told, Numbers()).meaning == "Guests leave before they see it."
