"""config/vendors.yaml and config/vendor_terms.yaml: what ships is complete, and what is wrong is named."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
import yaml

from leadfactory.d00_gateway import budget, tables
from leadfactory.d00_gateway.policies import Policies, PoliciesError
from leadfactory.settings import ROOT, Settings
from leadfactory.vendor_terms import VendorTerms, VendorTermsError

VENDORS = {"yelp", "pagespeed", "places", "openai", "sendgrid", "smtp", "stripe", "website"}
SHIPPED = yaml.safe_load((ROOT / "config" / "vendors.yaml").read_text())


def test_every_vendor_has_a_policy_prices_and_terms():
    policies, terms = Policies.load(), VendorTerms.load()
    own = {"import"}  # the operator's list: terms, but nobody to call
    assert set(policies.vendors) == VENDORS == set(terms.vendors) - own == set(policies.budgets.vendor_month_cents)
    assert all(policy.prices for policy in policies.vendors.values())


def test_daily_limits_reset_where_the_vendor_says():
    policies = Policies.load()
    assert policies.of("yelp").rates.reset_zone == "UTC"
    assert policies.of("pagespeed").rates.reset_zone == "America/Los_Angeles"


def test_effects_and_paid_thoughts_are_never_cached():
    policies = Policies.load()
    assert not any(policies.of(vendor).caches for vendor in ("openai", "sendgrid", "stripe"))


def test_the_sandbox_has_rates_of_its_own():
    live, sandbox = Policies.load(), Policies.for_settings(Settings(env="test"))
    assert sandbox.of("pagespeed").rates != live.of("pagespeed").rates


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("yelp", "concurrency"), 0, r"vendors.yelp.concurrency = 0: .*greater than 0"),
        (("yelp", "rates", "reset_zone"), "Moon/Base", r"vendors.yelp.rates.reset_zone = 'Moon/Base': .*IANA"),
        (("yelp", "rates", "hour"), 5, r"vendors.yelp.rates.hour = 5: .*not permitted"),
        (("places", "prices", "text_search_enterprise", "as_of"), "lately", r"as_of = 'lately': .*date"),
    ],
)
def test_a_wrong_value_is_named_with_file_key_and_value(path, value, message):
    content = yaml.safe_load(yaml.safe_dump(SHIPPED))
    place = content["vendors"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(PoliciesError, match=rf"vendors\.yaml: .*{message}"):
        Policies.parse(content, "config/vendors.yaml")


def test_an_unknown_vendor_or_price_is_named():
    policies = Policies.load()
    with pytest.raises(PoliciesError, match="'bing' has no row"):
        policies.of("bing")
    with pytest.raises(PoliciesError, match="no 'premium'"):
        policies.price("yelp", "premium")


@pytest.mark.parametrize(
    ("vendor", "field", "life"),
    [("yelp", "name", dt.timedelta(hours=24)), ("yelp", "id", None), ("places", "displayName", dt.timedelta()),
     ("places", "location", dt.timedelta(days=30))],
)  # fmt: skip
def test_storage_terms(vendor, field, life):
    assert VendorTerms.load().field(vendor, field).life == life


def test_no_listing_content_goes_into_prompts_or_mail():
    terms = VendorTerms.load()
    assert not any(term.prompt or term.mail for vendor in ("yelp", "places") for term in terms.vendors[vendor].values())


def test_a_band_needs_a_name_and_a_date():
    assert not VendorTerms.load().field("yelp", "review_count").band_allowed


def test_a_field_without_a_term_may_not_be_used():
    with pytest.raises(VendorTermsError, match=r"yelp\.photos is missing"):
        VendorTerms.load().field("yelp", "photos")


TERM = {"store": "never", "prompt": False, "mail": False, "source": "x", "as_of": "2026-01-01"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"store": "sometimes"}, r"vendors.yelp.answer.store.* = 'sometimes'"),
        ({"store": {"hours": 1, "days": 1}}, "exactly one of hours and days"),
        ({"prompt": "maybe"}, r"vendors.yelp.answer.prompt = 'maybe'"),
        ({"accepted_by": "Ann"}, "accepted_by and accepted_on go together"),
    ],
)
def test_a_wrong_term_is_named(change, message):
    with pytest.raises(VendorTermsError, match=rf"terms\.yaml: .*{message}"):
        VendorTerms.parse({"vendors": {"yelp": {"answer": TERM | change}}}, "config/vendor_terms.yaml")


def test_a_vendor_must_say_how_long_an_answer_may_live():
    with pytest.raises(VendorTermsError, match=r"vendors\.yelp has no field 'answer'"):
        VendorTerms.parse({"vendors": {"yelp": {"id": TERM}}}, "x")


def test_a_lead_that_qualifies_is_worth_more(database):
    caps = Policies.load().budgets
    business = "00000000-0000-0000-0000-000000000001"
    with database.begin() as tx:
        for _ in range(2):
            budget.qualify(tx, [business], caps)
        row = tx.execute(sa.select(tables.budgets)).one()
    assert (row.scope, row.key, row.cap_microusd) == ("lead", business, 400_000)
