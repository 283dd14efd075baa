"""PageSpeed: whose fault a failed run is, and what is not taken for a measurement."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.pagespeed import TIMEOUT_S, PagespeedClient
from leadfactory.settings import Settings
from tests.unit.d00_gateway.hostile_answers import HOSTILE

URL = "https://joes.example/"
RESULT = {"finalUrl": URL, "categories": {"performance": {"score": 0.3}}, "audits": {"speed-index": {"score": None}}}
GOOD = {"id": URL, "lighthouseResult": RESULT}


@pytest.fixture
def pagespeed(gateway_of, vendor):
    return PagespeedClient(gateway_of("pagespeed"), Settings(env="test", pagespeed_base_url=vendor.base_url))


async def run(pagespeed, url=URL, **changes):
    async with pagespeed.gateway.running():
        return await pagespeed.run(url, **changes)


def google(code, message, reason):
    return (code, {}, {"error": {"code": code, "message": message, "errors": [{"reason": reason}], "status": "X"}})


async def test_a_run_asks_for_four_categories_in_upper_case(pagespeed, vendor):
    vendor.answers = [(200, {}, GOOD)]
    await run(pagespeed)
    asked = parse_qs(urlsplit(vendor.requests[0].split()[1].decode()).query)
    assert (asked["url"], asked["strategy"]) == ([URL], ["MOBILE"])
    assert asked["category"] == ["PERFORMANCE", "ACCESSIBILITY", "BEST_PRACTICES", "SEO"]


def test_a_run_is_given_the_time_that_lighthouse_takes():
    assert TIMEOUT_S >= 90


async def test_the_answer_holds_the_hash_of_the_bytes_that_came(pagespeed, vendor):
    vendor.answers = [(200, {}, GOOD)]
    answer = await run(pagespeed)
    assert answer.raw_sha256 == hashlib.sha256(json.dumps(GOOD).encode()).digest()
    assert (answer.lighthouse, answer.final_url) == (RESULT, URL)


@pytest.mark.parametrize("experience", [None, {}, {"metrics": {}}, {"id": "x"}])
async def test_no_field_data_is_none(pagespeed, vendor, experience):
    vendor.answers = [(200, {}, {**GOOD, "loadingExperience": experience})]
    assert (await run(pagespeed)).field is None


async def test_field_data_is_kept_apart_from_the_lab(pagespeed, vendor):
    field = {"metrics": {"LARGEST_CONTENTFUL_PAINT_MS": {"percentile": 2500}}}
    vendor.answers = [(200, {}, {**GOOD, "loadingExperience": field})]
    assert (await run(pagespeed)).field == field


async def test_a_runtime_error_in_a_200_is_the_pages_fault(pagespeed, vendor, ledger_of):
    vendor.answers = [(200, {}, {"lighthouseResult": {**RESULT, "runtimeError": {"code": "NO_FCP", "message": "x"}}})]
    with pytest.raises(VendorRejected) as caught:
        await run(pagespeed)
    assert caught.value.reason == "lighthouse_no_fcp"
    assert [(row.status, row.reason) for row in ledger_of()] == [("rejected", "lighthouse_no_fcp")]


@pytest.mark.parametrize("status", [400, 500])
async def test_a_page_that_cannot_be_loaded_is_rejected_with_either_status_and_not_tried_again(
    pagespeed, vendor, status
):
    message = "Lighthouse returned error: FAILED_DOCUMENT_REQUEST. (Details: net::ERR_CONNECTION_REFUSED)"
    vendor.answers = [google(status, message, "lighthouseUserError")]
    with pytest.raises(VendorRejected) as caught:
        await run(pagespeed)
    assert caught.value.reason == "lighthouse_failed_document_request"
    assert len(vendor.requests) == 1


async def test_googles_own_fault_is_tried_again(pagespeed, vendor):
    vendor.answers = [
        google(500, "Unable to process request. Please wait a while and try again.", "internalError"),
        (200, {}, GOOD),
    ]
    assert (await run(pagespeed)).lighthouse == RESULT


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (google(400, "API key not valid. (API_KEY_INVALID)", "badRequest"), "invalid_key"),
        (
            google(429, "Quota exceeded for quota metric 'Queries' and limit 'Queries per day'", "rateLimitExceeded"),
            "daily_limit",
        ),
    ],
)
async def test_a_wrong_key_and_a_spent_day_say_nothing_of_the_page(pagespeed, vendor, answer, reason):
    vendor.answers = [answer]
    with pytest.raises(VendorUnavailable) as caught:
        await run(pagespeed)
    assert caught.value.reason == reason


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_an_answer_of_another_shape_is_a_fault_with_a_reason(pagespeed, vendor, ledger_of, answer):
    vendor.answers = [answer]
    with pytest.raises(VendorUnavailable) as caught:
        await run(pagespeed)
    assert caught.value.reason == "malformed_answer"
    assert {row.reason for row in ledger_of()} == {"malformed_answer"}


@pytest.mark.parametrize(
    "wrong", [{"audits": None}, {"categories": []}, {"audits": {"x": None}}, {"categories": {"seo": {"score": "0.5"}}}]
)
async def test_a_result_without_audits_or_with_text_for_a_score_is_a_fault(pagespeed, vendor, wrong):
    vendor.answers = [(200, {}, {"lighthouseResult": {**RESULT, **wrong}})]
    with pytest.raises(VendorUnavailable, match="malformed_answer"):
        await run(pagespeed)


async def test_what_a_database_cannot_hold_is_replaced(pagespeed, vendor):
    dirty = {**RESULT, "audits": {"title": {"score": 1, "explanation": "a\x00b\ud800c"}}}
    vendor.answers = [(200, {}, {"lighthouseResult": dirty})]
    answer = await run(pagespeed)
    assert answer.lighthouse["audits"]["title"]["explanation"] == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(("url", "changes"), [("ftp://x.example", {}), (URL, {"strategy": "MOBILE"})])
async def test_what_google_would_refuse_is_refused_here(pagespeed, vendor, url, changes):
    with pytest.raises(ValueError, match="PageSpeed"):
        await run(pagespeed, url, **changes)
    assert vendor.requests == []
