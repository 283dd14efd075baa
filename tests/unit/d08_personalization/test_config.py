"""config/letters.yaml: what is wrong in it is refused at load, by file, key and value."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from leadfactory.d08_personalization.letters import LettersConfig, config, in_order, pick
from leadfactory.settings import ROOT
from leadfactory.yaml_config import ConfigError

SHIPPED = yaml.safe_load((ROOT / "config" / "letters.yaml").read_text())


def changed(tmp_path: Path, path: str, value: object) -> Path:
    content = copy.deepcopy(SHIPPED)
    *parents, last = path.split("/")
    at = content
    for key in parents:
        at = at[int(key) if key.isdecimal() else key]
    at[int(last) if last.isdecimal() else last] = value
    file = tmp_path / "letters.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("phrases/opening/0", "I looked at {site}", "{site}"),
        ("phrases/opening/0", "I looked at {domain", "close every brace"),
        ("phrases/hook/1", "The top 3 findings", "nobody measured"),
        ("phrases/quick/0", "A free fix for you", "spam lexicon"),
        ("phrases/offer/0", "For {price} it will always work", "absolute claim"),
        ("phrases/hook", ["Only one"], "at least 2"),
        ("phrases/greetings", ["Hi"], "Extra inputs"),
        ("tones/medical/subjects/plain/0", "A quick look at {domain} on a phone", "'quick'"),
        ("tones/default/subjects/plain/0", "{domain}: {hook}", "{hook}"),
        ("tones/default/subjects/last", [], "tones.default"),
        ("subject_hooks/s", "slow on a phone", "{measured}"),
        ("limits/subject_characters", [78, 30], "[78, 30]"),
        ("limits/spam_score", 0, "greater than 0"),
        ("review_sample_percent", 0, "greater than or equal to 1"),
        ("footer", "From {sender} and {nobody}", "{nobody}"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_its_file(tmp_path, path, value, told):
    file = changed(tmp_path, path, value)
    with pytest.raises(ConfigError) as error:
        config(file)
    assert str(file) in str(error.value)
    assert path.split("/")[0] in str(error.value)
    assert told in str(error.value)


def test_a_vertical_without_patterns_of_its_own_has_the_defaults():
    known: LettersConfig = config()
    assert known.subjects_of("fitness", "plain") == known.subjects_of("unheard of", "plain")
    assert known.subjects_of("medical", "plain") != known.subjects_of("fitness", "plain")
    assert known.subjects_of("fitness", "an arm of tomorrow") == known.subjects_of("fitness", "plain")


def test_a_choice_is_fixed_by_its_seed_and_every_option_is_chosen_by_some():
    options = ("a", "b", "c")
    assert {pick(options, str(seed), "slot") for seed in range(50)} == set(options)
    assert pick(options, "joe", "slot") == pick(options, "joe", "slot")
    assert sorted(in_order(options, "joe", "slot")) == sorted(options)
