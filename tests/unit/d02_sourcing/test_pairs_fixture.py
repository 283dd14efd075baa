"""The hand-written pairs keep their format. What a matcher makes of them is tested elsewhere."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "fixtures" / "pairs"
TEXTS = {"name", "phone", "street", "city", "state", "zip", "website", "source"}
NUMBERS = {"latitude", "longitude"}
ONE_SIDED: set[str] = set()  # kinds that can have one label only; none so far
LEAST_PER_KIND = 10


class _NoRepeatedKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """A repeated key would silently replace a kind or a field."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = [key for key, times in Counter(keys).items() if times > 1]
        assert not repeated, f"{node.start_mark}: repeated keys {repeated}"
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="module")
def kinds():
    found = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        for kind, group in yaml.load(path.read_text(encoding="utf-8"), Loader=_NoRepeatedKeys).items():
            assert kind not in found, f"{path.name}: kind {kind} is in two files"
            found[kind] = group
    return found


@pytest.fixture(scope="module")
def pairs(kinds):
    return [pair for group in kinds.values() for pair in group["pairs"]]


def test_every_pair_has_exactly_the_known_keys_and_a_valid_label(kinds, pairs):
    for kind, group in kinds.items():
        assert set(group) == {"about", "pairs"}, kind
    for pair in pairs:
        assert set(pair) == {"id", "label", "why", "a", "b"}, pair["id"]
        assert pair["label"] in {"same", "different"}, pair["id"]
        assert pair["why"].strip(), pair["id"]
        assert "\n" not in pair["why"], pair["id"]


def test_every_listing_has_known_fields_of_the_right_type(pairs):
    for pair in pairs:
        for listing in (pair["a"], pair["b"]):
            assert {"name", "categories", "source"} <= set(listing) <= TEXTS | NUMBERS | {"categories"}, pair["id"]
            assert listing["source"] in {"yelp", "places", "import"}, pair["id"]
            assert all(isinstance(listing[f], str) and listing[f].strip() for f in TEXTS & set(listing)), pair["id"]
            assert all(isinstance(listing[f], float) for f in NUMBERS & set(listing)), pair["id"]
            assert len(NUMBERS & set(listing)) in {0, 2}, pair["id"]
            assert listing["categories"], pair["id"]
            assert all(isinstance(c, str) for c in listing["categories"]), pair["id"]


def test_ids_are_unique(pairs):
    assert [i for i, times in Counter(pair["id"] for pair in pairs).items() if times > 1] == []


def test_no_two_pairs_are_identical_in_either_order(pairs):
    seen = Counter(tuple(sorted(json.dumps(pair[s], sort_keys=True) for s in "ab")) for pair in pairs)
    assert [both for both, times in seen.items() if times > 1] == []
    assert [both for both in seen if both[0] == both[1]] == []


def test_there_are_enough_pairs_and_neither_label_is_rare(pairs):
    labels = Counter(pair["label"] for pair in pairs)
    assert len(pairs) >= 300
    assert 0.40 <= labels["same"] / len(pairs) <= 0.50


def test_each_kind_has_enough_pairs_of_both_labels_unless_declared_one_sided(kinds):
    for kind, group in kinds.items():
        assert len(group["pairs"]) >= LEAST_PER_KIND, kind
        both = {pair["label"] for pair in group["pairs"]} == {"same", "different"}
        assert both != (kind in ONE_SIDED), kind
