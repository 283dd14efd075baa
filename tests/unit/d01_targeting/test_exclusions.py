"""Exclusion lists: matched by keyed hash, for every campaign or for one, chains by the campaign's policy."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d01_targeting import campaigns, exclusions
from leadfactory.d01_targeting.exclusion_values import Value, parse
from leadfactory.d01_targeting.exclusions import LISTS, Matcher
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d01_targeting.tables import exclusions as table
from leadfactory.d02_sourcing import chains
from leadfactory.keyed_hashes import KeyedHashes

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
HASHES = KeyedHashes("a key of this test")
PHONE, DOMAIN, NAME = HASHES.phone("+12125550100"), HASHES.domain("joes.com"), HASHES.name("Pronto Slice")


@pytest.fixture
def tx(database):
    with database.begin() as connection:
        for name, code in (("nyc", "10001"), ("other", "10002")):
            places = [PlaceSpec("zip", code)]
            campaigns.seed(connection, vertical="restaurant", places=places, quota=10, name=name, now=NOW)
        yield connection


def add(tx, *texts, into="own", campaign=None, kind=None, label="test", with_domain=False):
    values = [parse(text, kind, with_domain=with_domain) for text in texts]
    return exclusions.add(tx, HASHES, values, into=into, label=label, campaign=campaign, now=NOW)


def reason(tx, campaign="nyc", *hashes):
    wanted = hashes or (PHONE, DOMAIN, NAME)
    return exclusions.matcher(tx, campaign, wanted).reason(*wanted)


@pytest.mark.parametrize("text", ["212-555-0100", "www.joes.com"])
def test_a_value_on_a_list_is_matched_in_every_campaign(tx, text):
    assert reason(tx) is None
    assert add(tx, text) == 1
    assert add(tx, text) == 0
    assert reason(tx) == reason(tx, "other") == "excluded_own"


def test_a_list_of_one_campaign_counts_there_only(tx):
    add(tx, "joes.com", campaign="nyc", into="competitors")
    assert (reason(tx), reason(tx, "other")) == ("excluded_competitors", None)


@pytest.mark.parametrize("policy", ["all", "one"])
def test_listed_chains_are_left_out_unless_the_campaign_keeps_branches(tx, policy):
    add(tx, "Pronto  SLICE", into="chains", kind="name")
    assert reason(tx) == "excluded_chains"
    chains.set_policy(tx, "nyc", policy)
    assert (reason(tx), reason(tx, "other")) == (None, "excluded_chains")


def test_nothing_but_hashes_and_labels_is_stored(tx):
    add(tx, "joes.com", "212-555-0100", "ana@joes.com", into="customers", label="crm")
    stored = " ".join(str(row) for row in tx.execute(sa.select(table)))
    assert not any(word in stored for word in ("joes", "555", "ana@"))
    assert exclusions.summary(tx)[0]["label"] == "crm"


def test_a_value_leaves_one_list_and_stays_on_another(tx):
    add(tx, "joes.com", into="own")
    add(tx, "joes.com", into="customers")
    assert [row["list"] for row in exclusions.holding(tx, HASHES, parse("joes.com"))] == ["customers", "own"]
    assert exclusions.remove(tx, HASHES, [parse("joes.com")], out_of="customers", campaign=None) == 1
    assert reason(tx) == "excluded_own"
    assert exclusions.remove(tx, HASHES, [parse("joes.com")], out_of=None, campaign=None) == 1
    assert reason(tx) is None


def test_a_whole_file_leaves_by_its_label(tx):
    add(tx, "joes.com", "212-555-0100", label="crm.csv")
    add(tx, "kept.com", label="by hand")
    assert exclusions.remove_label(tx, "crm.csv") == 2
    assert sum(row["entries"] for row in exclusions.summary(tx)) == 1


def test_a_label_leaves_the_campaign_that_is_asked_for(tx):
    add(tx, "joes.com", label="crm.csv")
    add(tx, "joes.com", label="crm.csv", campaign="nyc")
    assert exclusions.remove_label(tx, "crm.csv", campaign="nyc") == 1
    assert [row["campaign"] for row in exclusions.summary(tx)] == [""]


def test_an_unknown_list_is_named_with_those_that_exist(tx):
    with pytest.raises(ValueError, match="list='enemies' is unknown: use one of customers"):
        add(tx, "joes.com", into="enemies")


@pytest.mark.slow
def test_ten_thousand_values_are_added_and_matched(tx):
    numbers = [f"+1212{5_550_000 + n}" for n in range(10_000)]
    values = [Value("phone", number) for number in numbers]
    assert exclusions.add(tx, HASHES, values, into="own", label="many", campaign=None, now=NOW) == 10_000
    hashes = [HASHES.phone(number) for number in numbers]
    assert len(exclusions.matcher(tx, "nyc", hashes).entries) == 10_000


@given(st.dictionaries(st.binary(min_size=1, max_size=2), st.sampled_from(LISTS), max_size=6), st.lists(st.none() | st.binary(max_size=2), max_size=6))  # fmt: skip
def test_the_first_list_that_holds_a_business_is_its_reason_in_whatever_order(entries, hashes):
    matcher = Matcher(entries)
    held = [entries[each] for each in hashes if each in entries]
    wanted = f"excluded_{min(held, key=LISTS.index)}" if held else None
    assert matcher.reason(*hashes) == matcher.reason(*reversed(hashes)) == wanted


def test_an_excluded_row_keeps_nothing_of_the_website():
    row = {"business_id": 1, "status": "ok", "reason": None, "retryable": True, "site_url": "https://joes.com/", "site_domain_hmac": DOMAIN,
           "contact_email": "ana@joes.com", "contact_email_hmac": b"x", "own_phone": "1", "page_facts": {}, "platform": "wix", "country": "US",
           "place_match": "matched"}  # fmt: skip
    withheld = Matcher({DOMAIN: "customers"}).withhold(row)
    assert withheld == {"business_id": 1, "status": "no_website", "reason": "excluded_customers", "retryable": False, "country": "US",
           "place_match": "matched", **dict.fromkeys(("site_url", "site_domain_hmac", "contact_email", "contact_email_hmac", "own_phone",
                                                      "page_facts", "platform"))}  # fmt: skip
    assert Matcher({}).withhold(row) is row
