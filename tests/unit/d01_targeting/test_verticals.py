"""The verticals that ship."""

from __future__ import annotations

import pytest

from leadfactory.d01_targeting.verticals import find, verticals

SLUGS = {
    "dental", "legal", "restaurant", "home_services", "medical", "beauty", "automotive", "real_estate", "fitness", "financial", "pets",
    "retail", "education", "hospitality", "professional_services",
}  # fmt: skip


def test_the_fifteen_singular_slugs_ship():
    assert set(verticals()) == SLUGS


def test_no_alias_stands_for_two_verticals_or_hides_a_slug():
    aliases = [alias for vertical in verticals().values() for alias in vertical.aliases]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & SLUGS


@pytest.mark.parametrize(
    ("name", "slug"),
    [("restaurants", "restaurant"), ("healthcare", "medical"), ("Home-Services", "home_services"), (" dentist ", "dental"), ("veterinary", "pets")],
)  # fmt: skip
def test_other_names_lead_to_the_slug(name, slug):
    assert find(name) == slug


@pytest.mark.parametrize("name", ["restarant", "xyz", "", "|", "日本"])
def test_an_unknown_vertical_is_named_with_the_nearest_three(name):
    with pytest.raises(ValueError, match="is unknown: did you mean") as refused:
        find(name)
    suggested = str(refused.value).split("did you mean ")[1].split("?")[0].split(", ")
    assert len(suggested) == 3
    assert set(suggested) <= SLUGS
    if name == "restarant":
        assert suggested[0] == "restaurant"


def test_months_of_the_season_are_months():
    assert all(1 <= month <= 12 for vertical in verticals().values() for month in vertical.season)
