"""The world: deterministic, dense enough, and as untidy as reality."""

from __future__ import annotations

import phonenumbers
import pytest

from sandbox.world import views
from sandbox.world.businesses import own_host
from sandbox.world.seeded import SeededWorld
from sandbox.world.vocabulary import EXCLUDES, VERTICALS

NOWHERE = {"latitude": None, "longitude": None, "radius_m": None, "term": None, "prices": frozenset()}


@pytest.fixture(scope="module")
def people(world):
    return world.within("10001", "restaurant") + world.within("10002", "restaurant") + world.within("60601", "dental")


@pytest.fixture(scope="module")
def web(world, people):
    return [world.site(each.host) for each in people if each.host and not each.chain]


def found(world, location, *categories):
    return world.listings(location=location, categories=frozenset(categories), **NOWHERE)


def share(items, fits):
    return sum(map(fits, items)) / len(items)


def test_the_same_seed_gives_the_same_world():
    assert SeededWorld("a").within("94110", "legal") == SeededWorld("a").within("94110", "legal")


def test_another_seed_gives_another_world():
    assert SeededWorld("a").within("94110", "legal") != SeededWorld("b").within("94110", "legal")


def test_a_business_does_not_depend_on_what_was_asked_before(people):
    assert SeededWorld("demo").business(people[7].key) == people[7]


@pytest.mark.parametrize(
    ("location", "category", "least"),
    [
        ("10001", "restaurants", 220),
        ("New York, NY", "restaurants", 600),
        ("60601", "dentists", 150),
        ("Chicago, IL", "dentists", 150),
    ],
)
def test_dense_places_have_many_listings(world, location, category, least):
    assert len(found(world, location, category)) >= least


@pytest.mark.parametrize("vertical", VERTICALS)
def test_every_vertical_exists_in_a_small_town(world, vertical):
    assert world.within("05401", vertical)


def test_a_narrow_category_finds_only_its_own(world):
    keys = {each.business_key for each in found(world, "10001", "pizza")}
    assert all("pizza" in world.business(key).yelp_categories for key in keys)


def test_an_unknown_place_is_a_lookup_error(world):
    with pytest.raises(LookupError):
        found(world, "Nowhere, ZZ", "restaurants")


def test_a_borough_has_a_thousand_of_a_trade():
    assert len(SeededWorld("fresh").within("Brooklyn, NY", "dental")) > 1000


def test_about_one_in_25_is_listed_twice(world, people):
    singles = [each for each in people if not each.chain]
    assert 0.02 <= share(singles, lambda each: len(views.on_yelp(world.seed, each)) == 2) <= 0.07


def test_the_second_listing_is_spelt_differently_and_is_the_same_business(world):
    first, second = (world.listing(each) for each in world.duplicates("10001", "restaurant")[0])
    assert first.business_key == second.business_key
    assert (first.name, first.address.line1) != (second.name, second.address.line1)


def test_a_listing_is_found_by_id_and_by_alias(world):
    for listing in found(world, "10001", "restaurants")[:40]:
        assert world.listing(listing.yelp_id) == listing == world.listing(listing.alias)


def test_branches_of_a_chain_share_name_and_host_but_not_phone(people):
    branches = [each for each in people if each.chain == "Pronto Slice" and each.phone]
    assert len({(each.name, each.host) for each in branches}) == 1
    assert len({each.phone for each in branches}) == len(branches) > 1


def test_some_have_no_phone_and_some_no_site(people):
    assert 0.02 <= share(people, lambda each: each.phone is None) <= 0.09
    assert 0.07 <= share(people, lambda each: each.host is None) <= 0.17


def test_phones_are_valid_us_numbers_of_a_fictional_exchange(people):
    phones = [each.phone for each in people if each.phone]
    assert all(phone[5:8] == "555" for phone in phones)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(phone)) for phone in phones)


def test_no_two_businesses_of_a_zip_and_vertical_share_a_phone(world):
    phones = [each.phone for each in world.within("10001", "restaurant") if each.phone]
    assert len(set(phones)) == len(phones)


def test_all_states_of_trade_occur(people):
    assert {each.state for each in people} == {"open", "closed_temporarily", "closed_permanently"}


def test_names_have_letters_beyond_ascii(people):
    names = " ".join(each.name for each in people)
    assert all(letter in names for letter in "éÑ楼ï")


def test_some_hosts_are_international_and_lead_to_their_site(world, people):
    hosts = [each.host for each in people if each.host and "xn--" in each.host]
    assert hosts
    assert all(world.site(host).host == host for host in hosts)


def test_an_international_host_is_written_in_ascii():
    hosts = [own_host("José's Pizza", f"10001a{i}") for i in range(40)]
    assert any(host.startswith("xn--") for host in hosts)
    assert all(host.isascii() for host in hosts)


def test_all_hosts_end_in_the_reserved_domain(people):
    assert all(each.host.endswith(".example") for each in people if each.host)


def test_most_sites_that_answer_show_an_address(world, people):
    answering = [
        p for p in people if p.host and world.site(p.host).behaviour in {"ok", "redirect_https", "redirect_other_host"}
    ]
    assert share(answering, lambda each: each.email_shown not in {"none", "obfuscated"}) >= 0.6


def test_addresses_are_mostly_of_the_own_domain(people):
    mailed = [each for each in people if each.email]
    assert share(mailed, lambda each: each.email.endswith("@" + each.host)) >= 0.8
    assert any(each.email.endswith("@gmail.com") for each in mailed)


def test_google_knows_some_in_another_town_and_some_not_at_all(world, people):
    places = [views.on_google(world.seed, each) for each in people]
    assert 0.01 <= share(places, lambda each: each is None) <= 0.08
    assert 0.01 <= share(places, lambda each: each is not None and each.address.state == "MO") <= 0.06


def test_google_lacks_some_websites(world, people):
    hosted = [views.on_google(world.seed, each) for each in people if each.host]
    assert 0.02 <= share(hosted, lambda each: each is not None and each.website is None) <= 0.12


def test_google_offers_the_business_for_its_name_and_address(world, people):
    asked = [each for each in people[:80] if views.on_google(world.seed, each) is not None]
    hits = 0
    for each in asked:
        at = each.address
        text = f"{each.name} {at.line1}, {at.city}, {at.state} {at.zip_code}"
        places = world.places(text, latitude=None, longitude=None, radius_m=None)
        hits += bool(places) and places[0].business_key == each.key
    assert hits / len(asked) >= 0.9


def test_a_quarter_of_the_sites_is_healthy(web):
    assert 0.2 <= share(web, lambda each: len(each.defects) <= 3) <= 0.4


def test_every_behaviour_occurs_in_a_city(world):
    sites = {world.site(each.host).behaviour for each in world.within("New York, NY", "dental")[:3000] if each.host}
    assert len(sites) == 14


def test_defects_that_exclude_each_other_never_meet(web):
    assert not [site for site in web for first, second in EXCLUDES if {first, second} <= site.defects]


@pytest.mark.parametrize(
    "host",
    ["nobody.example", "x-99999z1.example", "other-name-10001a7.example", "x-10001a99999.example", "xn--.example", ""],
)
def test_an_unregistered_name_is_nobodys_site(world, host):
    assert world.site(host) is None


def test_an_address_in_linked_data_is_on_a_site_that_has_linked_data(world, people):
    shown = [each for each in people if each.host and not each.chain and each.email_shown == "json_ld"]
    assert len(shown) > 10
    assert not [each.host for each in shown if "no_json_ld" in world.site(each.host).defects]
