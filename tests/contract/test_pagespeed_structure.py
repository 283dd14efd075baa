"""PageSpeed against Google's published schema and an authentic Lighthouse 13 result: same audits, modes, units, nullability."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from openapi_schema_validator import OAS30Validator
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from sandbox.model import Site
from sandbox.state import Sandbox
from sandbox.vendors import pagespeed
from sandbox.vendors.lighthouse_categories import CATEGORIES, score
from sandbox.vendors.lighthouse_metrics import PHONE, curve_score
from sandbox.world.seeded import SeededWorld
from tests.contract.judge import COVERAGE, SPECS, Case, Spec

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason="vendor specs not present")
TEMPLATE = "/pagespeedonline/v5/runPagespeed"
ALL = ["PERFORMANCE", "ACCESSIBILITY", "BEST_PRACTICES", "SEO", "AGENTIC_BROWSING"]
PICTURES = {"screenshot-thumbnails", "final-screenshot"}  # the only audits of the sample that the sandbox does not give
ERRORS = [
    ("no key", 400, {}), ("wrong key", 400, {"key": "wrong"}), ("exhausted", 429, {"key": "exhausted-key"}),
    ("no url", 400, {"url": None}), ("no such host", None, {"url": "https://nobody.example/"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def spec():
    return Spec("google/pagespeedonline.v5.openapi-derived.json", OAS30Validator)


@pytest.fixture(scope="module")
def sample():
    return json.loads((SPECS / "lighthouse/sample_lhr.v13.4.1.json").read_text())


@pytest.fixture(scope="module")
def world():
    return SeededWorld("demo")


@pytest.fixture(scope="module")
def client(world):
    return TestClient(Starlette(routes=[Mount("/pagespeed", routes=pagespeed.routes(Sandbox(world)))]))


def sites(world: SeededWorld) -> Iterator[Site]:
    for business in world.within("10001", "restaurant"):
        site = world.site(business.host) if business.host else None
        if site is not None:
            yield site


def asked(site: Site, **more: object) -> dict:
    scheme = "http" if "no_https" in site.defects else "https"
    return {
        "url": f"{scheme}://{site.host}/",
        "strategy": "MOBILE",
        "category": ALL,
        "key": "sandbox-google-key",
        **more,
    }


def references(category: dict) -> set[tuple[str, float, str | None]]:
    refs = category["auditRefs"]
    return {(each["id"], round(each["weight"], 6), each.get("group")) for each in refs if each["id"] not in PICTURES}


@pytest.fixture(scope="module")
def results(world, client):
    """Lighthouse results of a hundred sites that load."""
    fine = [site for site in sites(world) if site.behaviour in {"ok", "redirect_https", "parked", "robots_disallow"}][
        :100
    ]
    return [client.get("/pagespeed" + TEMPLATE, params=asked(site)).json()["lighthouseResult"] for site in fine]


@pytest.fixture(scope="module")
def audits(results):
    return [audit for result in results for audit in result["audits"].values()]


def note(status: int, body: dict) -> None:
    COVERAGE["pagespeed", f"GET {TEMPLATE}", status] |= set(body) | {
        f"lighthouseResult.{k}" for k in body.get("lighthouseResult", {})
    }


@pytest.mark.parametrize("strategy", ["MOBILE", "DESKTOP"])
def test_request_and_answer_are_lawful_for_every_behaviour(world, client, spec, strategy):
    seen: set[str] = set()
    people = [
        each
        for code in ("10001", "10002", "10003", "10009", "10010")
        for each in world.within(code, "restaurant")
        if each.host
    ]
    for site in (world.site(each.host) for each in people):
        if site.behaviour in seen:
            continue
        seen.add(site.behaviour)
        query = asked(site, strategy=strategy)
        answer = client.get("/pagespeed" + TEMPLATE, params=query)
        case = Case("", "GET", TEMPLATE, answer.status_code, query=query)
        assert spec.request_problems(case) == []
        assert spec.response_problems(case, answer.content) == [], site.behaviour
        note(answer.status_code, answer.json())
    assert len(seen) == 14


@pytest.mark.parametrize(("name", "status", "changes"), ERRORS, ids=[each[0] for each in ERRORS])
def test_an_error_has_googles_envelope(client, spec, name, status, changes):
    query = {"url": "https://pronto-slice.example/", "key": "sandbox-google-key", **changes}
    if name == "no key":
        del query["key"]
    answer = client.get("/pagespeed" + TEMPLATE, params={k: v for k, v in query.items() if v is not None})
    assert answer.status_code == status if status else answer.status_code in {400, 500}
    assert spec.response_problems(Case("", "GET", TEMPLATE, answer.status_code), answer.content) == []
    assert answer.json()["error"]["code"] == answer.status_code
    note(answer.status_code, answer.json())


@pytest.mark.parametrize(("status", "kind"), [(429, "second"), (429, "daily"), (500, "")])
def test_an_injected_fault_has_googles_envelope(spec, status, kind):
    answer = pagespeed.fault_response(status, kind)
    assert spec.response_problems(Case("", "GET", TEMPLATE, status), bytes(answer.body)) == []


def test_no_field_is_given_that_the_schema_does_not_name(results, spec):
    schemas = spec.document["components"]["schemas"]
    for result in results:
        assert set(result) <= set(schemas["LighthouseResultV5"]["properties"])
        assert set(result["configSettings"]) <= set(schemas["ConfigSettings"]["properties"])
        for audit in result["audits"].values():
            assert set(audit) <= set(schemas["LighthouseAuditResultV5"]["properties"])
        for category in result["categories"].values():
            assert set(category) <= set(schemas["LighthouseCategoryV5"]["properties"])


def test_the_audits_are_those_of_the_sample(results, sample):
    assert all(set(result["audits"]) == set(sample["audits"]) - PICTURES for result in results)


def test_every_audit_has_the_samples_display_mode(audits, sample):
    assert not [a["id"] for a in audits if a["scoreDisplayMode"] != sample["audits"][a["id"]]["scoreDisplayMode"]]


def test_every_audit_has_the_samples_unit(audits, sample):
    wrong = [a["id"] for a in audits if a.get("numericUnit") != sample["audits"][a["id"]].get("numericUnit")]
    assert not wrong


def test_a_unit_comes_with_a_number_and_only_so(audits):
    assert not [a["id"] for a in audits if ("numericUnit" in a) != isinstance(a.get("numericValue"), int | float)]


def test_a_score_is_null_exactly_where_the_samples_is(audits, sample):
    assert not [a["id"] for a in audits if (a["score"] is None) != (sample["audits"][a["id"]]["score"] is None)]


def test_scores_are_between_0_and_1(audits):
    assert not [a["id"] for a in audits if a["score"] is not None and not 0 <= a["score"] <= 1]


def test_binary_audits_score_0_or_1(audits):
    assert {a["score"] for a in audits if a["scoreDisplayMode"] == "binary"} == {0, 1}


def test_details_are_of_the_samples_type(audits, sample):
    def kind(audit):
        return (audit.get("details") or {}).get("type")

    assert not [a["id"] for a in audits if kind(a) != kind(sample["audits"][a["id"]])]


def test_rows_of_details_have_the_samples_keys(audits, sample):
    wrong = set()
    for audit in audits:
        ours, theirs = ((each.get("details") or {}).get("items") for each in (audit, sample["audits"][audit["id"]]))
        if isinstance(ours, list) and ours and isinstance(theirs, list) and theirs:
            allowed = {key for row in theirs for key in row}
            wrong |= {(audit["id"], key) for row in ours for key in row if key not in allowed}
        if isinstance(ours, dict):
            wrong |= {(audit["id"], key) for key in set(ours) ^ set(theirs)}
    assert not wrong


def test_savings_name_the_samples_metrics(audits, sample):
    wrong = [
        a["id"]
        for a in audits
        if set(a.get("metricSavings", {})) != set(sample["audits"][a["id"]].get("metricSavings", {}))
    ]
    assert not wrong


def test_categories_refer_to_the_samples_audits_with_its_weights_and_groups(results, sample):
    for name, category in results[0]["categories"].items():
        assert references(category) == references(sample["categories"][name]), name


def test_groups_are_those_of_the_sample(results, sample):
    assert set(results[0]["categoryGroups"]) <= set(sample["categoryGroups"])


@pytest.mark.parametrize(
    "metric",
    [
        "first-contentful-paint",
        "largest-contentful-paint",
        "total-blocking-time",
        "cumulative-layout-shift",
        "speed-index",
    ],
)
def test_our_curves_score_the_samples_metrics_as_lighthouse_did(sample, metric):
    audit = sample["audits"][metric]
    assert PHONE[metric] == (audit["scoringOptions"]["p10"], audit["scoringOptions"]["median"])
    assert curve_score(audit["numericValue"], *PHONE[metric]) == pytest.approx(audit["score"], abs=0.005)


@pytest.mark.parametrize("name", [name for name in CATEGORIES if name != "agentic-browsing"])
def test_our_weights_score_the_samples_categories_as_lighthouse_did(sample, name):
    scores = {each: audit["score"] for each, audit in sample["audits"].items()}
    assert score(name, scores) == pytest.approx(sample["categories"][name]["score"], abs=0.005)
