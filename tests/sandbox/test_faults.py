"""Faults: each kind does what it says, truth tells what was accepted, and the same seed draws the same faults."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from sandbox.faults import Faults

KEY = {"authorization": "Bearer sandbox-yelp-key"}
MAIL_KEY = {"authorization": "Bearer SG.sandbox-sendgrid-key"}
MAIL = {
    "personalizations": [{"to": [{"email": "owner@pronto-slice.example"}]}], "from": {"email": "audit@leadfactory.example"},
    "subject": "Your website", "content": [{"type": "text/plain", "value": "Hello"}],
}  # fmt: skip


@pytest.fixture
def search(api):
    return lambda: api.get("/yelp/v3/businesses/search", params={"location": "10001"}, headers=KEY)


@pytest.fixture
def switch_on(api):
    return lambda **fields: api.post("/_admin/faults", json={"rate": 1, **fields}).raise_for_status()


@pytest.fixture
def mails(api):
    return lambda: len(api.get("/_truth/sendgrid", params={"kind": "mail"}).json())


def test_a_429_speaks_the_vendors_language(search, switch_on):
    switch_on(vendor="yelp", kind="429")
    answer = search()
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "TOO_MANY_REQUESTS_PER_SECOND")


def test_a_5xx_speaks_the_vendors_language(search, switch_on):
    switch_on(vendor="yelp", kind="5xx")
    assert "error" in search().json()


def test_a_fault_for_all_vendors_meets_each(api, switch_on):
    switch_on(vendor="*", kind="5xx")
    assert api.get("/stripe/v1/events", headers={"authorization": "Bearer sk_test_sandbox"}).status_code >= 500
    assert api.get("/pagespeed/pagespeedonline/v5/runPagespeed").status_code == 500


def test_a_fault_of_one_vendor_spares_the_others(search, switch_on):
    switch_on(vendor="stripe", kind="5xx")
    assert search().status_code == 200


def test_a_slow_answer_comes_later_and_whole(search, switch_on):
    switch_on(vendor="yelp", kind="slow", seconds=0.3)
    started = time.monotonic()
    assert search().status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_reset_breaks_the_connection(search, switch_on):
    switch_on(vendor="yelp", kind="reset")
    with pytest.raises(httpx.TransportError):
        search()


def test_a_reset_call_was_not_accepted(api, switch_on, mails):
    before = mails()
    switch_on(vendor="sendgrid", kind="reset")
    with pytest.raises(httpx.TransportError):
        api.post("/sendgrid/v3/mail/send", json=MAIL, headers=MAIL_KEY)
    assert mails() == before


def test_a_lost_call_was_accepted(api, switch_on, mails):
    before = mails()
    switch_on(vendor="sendgrid", kind="lost")
    with pytest.raises(httpx.TransportError):
        api.post("/sendgrid/v3/mail/send", json=MAIL, headers=MAIL_KEY)
    assert mails() == before + 1


def test_what_the_vendor_refuses_is_never_lost(api, switch_on):
    switch_on(vendor="sendgrid", kind="lost")
    assert api.post("/sendgrid/v3/mail/send", json={}, headers=MAIL_KEY).status_code == 400


def test_a_malformed_answer_is_half_of_the_json(search, switch_on):
    switch_on(vendor="yelp", kind="malformed")
    answer = search()
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_fault_with_a_count_ends_by_itself(search, switch_on):
    switch_on(vendor="yelp", kind="5xx", count=2)
    assert [search().status_code >= 500 for _ in range(3)] == [True, True, False]


def test_faults_are_off_after_delete(api, search, switch_on):
    switch_on(vendor="yelp", kind="5xx")
    api.delete("/_admin/faults")
    assert search().status_code == 200


def test_requests_count_the_fault_that_hid_their_answer(api, search, switch_on):
    switch_on(vendor="yelp", kind="reset")
    with pytest.raises(httpx.TransportError):
        search()
    assert api.get("/_truth/_requests").json()["yelp /v3/businesses/search reset"] >= 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"vendor": "yelp", "kind": "gremlins", "rate": 1}, "gremlins"),
        ({"vendor": "yelp", "kind": "5xx", "rate": 5}, "rate=5"),
        ({"vendor": "yelp", "kind": "5xx", "rate": "often"}, "often"),
        ({"vendor": "yahoo", "kind": "5xx", "rate": 1}, "yahoo"),
        ({"vendor": "yelp", "kind": "5xx"}, "rate"),
        ([], "send vendor"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(api, body, named):
    answer = api.post("/_admin/faults", json=body)
    assert (answer.status_code, named in answer.text) == (400, True)


def test_latency_is_added_to_the_vendor_it_was_set_for(api, search):
    api.post("/_admin/latency", json={"vendor": "yelp", "ms": 250}).raise_for_status()
    started = time.monotonic()
    search()
    assert time.monotonic() - started >= 0.25


@pytest.mark.parametrize("body", [{}, {"ms": -1}, {"ms": "slow"}, []])
def test_a_wrong_latency_is_refused(api, body):
    assert api.post("/_admin/latency", json=body).status_code == 400


def test_the_same_seed_draws_the_same_faults():
    def drawn(seed):
        faults = Faults()
        faults.add(vendor="*", kind="5xx", rate=0.2, seed=seed)
        return [faults.draw("yelp") is not None for _ in range(200)]

    assert drawn(1) == drawn(1) != drawn(2)


def test_about_as_many_faults_are_drawn_as_the_rate_says():
    faults = Faults.parse("5xx=0.05,sendgrid:lost=0.5")
    assert 20 <= sum(faults.draw("yelp") is not None for _ in range(1000)) <= 80


def test_webhook_faults_meet_no_call():
    faults = Faults.parse("duplicate_webhooks=1")
    assert (faults.draw("stripe"), faults.webhooks("duplicate_webhooks")) == (None, True)


@pytest.mark.parametrize("spec", ["5xx", "5xx=lots", "boom=0.1", "yahoo:5xx=0.1"])
def test_a_wrong_fault_spec_says_how_to_write_it(spec):
    with pytest.raises(ValueError, match="write kind=rate or vendor:kind=rate"):
        Faults.parse(spec)
