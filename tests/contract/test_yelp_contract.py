"""Yelp: every endpoint and documented status of the sandbox, against Yelp's published description."""

from __future__ import annotations

import pytest

from sandbox.world.seeded import SeededWorld

SPEC = "yelp/places-v3.json"
KEY = {"Authorization": "Bearer sandbox-yelp-key"}
SEARCH, PHONE, MATCHES = "/v3/businesses/search", "/v3/businesses/search/phone", "/v3/businesses/matches"
DETAILS = "/v3/businesses/{business_id_or_alias}"
LAWFUL = {
    SEARCH: {"location": "10001", "term": "pizza", "categories": ["pizza", "italian"], "price": [1, 2], "radius": 40_000,
             "sort_by": "rating", "limit": 50, "offset": 0, "locale": "en_US"},
    PHONE: {"phone": "+12125550007"},
    MATCHES: {"name": "Pizza House 7", "address1": "8 W 30th St", "city": "New York", "state": "NY", "country": "US"},
    DETAILS: {"locale": "en_US"},
}  # fmt: skip
BROKEN = {
    SEARCH: {"location": "10001", "limit": 51},
    PHONE: {"phone": "call me"},
    MATCHES: {"name": "Pizza House 7"},
    DETAILS: {"locale": "english"},
}
CALLED = {DETAILS: "/v3/businesses/pizza-house-7-new-york"}


def _cells():
    """(template, status, extra) of every documented status of every endpoint."""
    for template, query in LAWFUL.items():
        path = CALLED.get(template, template)
        searched = {"before": lambda http: http.get("/yelp/v3/businesses/search?location=10001", headers=KEY)}
        yield template, 200, {"query": query, "path": path} | (searched if template == PHONE else {})
        yield template, 400, {"query": BROKEN[template], "path": path, "lawful": False}
        yield template, 401, {"query": query, "path": path, "headers": {"Authorization": "Bearer wrong"}}
        for status in (403, 413, 429, 500, 503):
            yield template, status, {"query": query, "path": path, "fault": (status, "")}
        missing = "/v3/businesses/no-such-business" if template == DETAILS else f"{path}/nothing-here"
        yield template, 404, {"query": query, "path": missing}


CELLS = list(_cells())


@pytest.mark.parametrize(("template", "status", "extra"), CELLS, ids=[f"{t}-{s}" for t, s, _ in CELLS])
def test_the_answer_satisfies_the_description(exercise, Case, template, status, extra):
    case = Case(name="", method="GET", template=template, status=status, spec=SPEC, **{"headers": KEY, **extra})
    exercise("yelp", case, "comma")


def test_every_documented_status_has_a_case(specs):
    documented = {
        (template, int(status))
        for template, operations in specs(SPEC).document["paths"].items()
        for status in operations["get"]["responses"]
    }
    assert documented - {(template, status) for template, status, _ in CELLS} == set()


def test_all_fields_the_factory_reads_are_in_the_description(specs):
    schema = specs(SPEC).operation("GET", SEARCH)["responses"]["200"]["content"]["application/json"]["schema"]
    described = set(schema["properties"]["businesses"]["items"]["properties"])
    assert {"id", "alias", "name", "phone", "location", "coordinates", "is_closed", "review_count"} <= described


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("key", ["sandbox-yelp-key", "sandbox-yelp-enhanced-key"])
def test_unusual_businesses_satisfy_the_description_too(exercise, Case, number, key):
    case = Case(
        name="", method="GET", template=DETAILS, status=200, spec=SPEC, path=f"/v3/businesses/pizza-house-{number}-new-york",
        headers={"Authorization": f"Bearer {key}"},
    )  # fmt: skip
    assert exercise("yelp", case, "comma").json()["alias"] == f"pizza-house-{number}-new-york"


def test_a_merged_listing_redirects_to_the_one_that_stayed(http):
    response = http.get("/yelp/v3/businesses/old-name-new-york", headers=KEY)
    assert response.status_code == 301
    assert response.headers["location"] == "/yelp/v3/businesses/yelp-id-0000000000001"


def test_the_rate_limit_headers_are_on_every_answer(http):
    for path in (
        "/yelp/v3/businesses/search",
        "/yelp/v3/businesses/search?location=10001",
        "/yelp/v3/businesses/nobody",
    ):
        assert {"ratelimit-dailylimit", "ratelimit-remaining", "ratelimit-resettime"} <= set(
            http.get(path, headers=KEY).headers
        )


def test_the_judge_refuses_an_answer_and_a_request_that_are_wrong(specs, Case):
    spec = specs(SPEC)
    wrong = Case(name="", method="GET", template=SEARCH, status=200, query={"limit": 51, "colour": "red"})
    assert len(spec.request_problems(wrong)) == 2
    assert spec.response_problems(wrong, b'{"businesses": [{"id": 7}], "total": "many"}')


def test_the_seeded_world_satisfies_the_description(exercise, Case, state):
    state.world = SeededWorld("contract")
    state.options["yelp_qps"] = 10_000  # 51 calls may well fit into one second
    query = {"location": "10001", "categories": ["restaurants"], "limit": 50}
    found = exercise(
        "yelp", Case(name="", method="GET", template=SEARCH, status=200, spec=SPEC, headers=KEY, query=query), "comma"
    )
    for business in found.json()["businesses"]:
        path = f"/v3/businesses/{business['id']}"
        exercise(
            "yelp",
            Case(name="", method="GET", template=DETAILS, status=200, spec=SPEC, headers=KEY, path=path),
            "comma",
        )
