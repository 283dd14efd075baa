"""Google Places: text search and details of the sandbox, against Google's discovery document."""

from __future__ import annotations

import pytest

SPEC = "google/places.v1.openapi-derived.json"
SEARCH, DETAILS = "/v1/places:searchText", "/v1/places/{placesId}"
FIELDS = (
    "id,displayName,formattedAddress,addressComponents,location,businessStatus,websiteUri,nationalPhoneNumber,"
    "internationalPhoneNumber,rating,userRatingCount,regularOpeningHours,types,primaryType,priceLevel,googleMapsUri,postalAddress"
)
SEARCH_MASK = ",".join(f"places.{field}" for field in FIELDS.split(",")) + ",nextPageToken"
BODY = {
    "textQuery": "Pizza House 7 8 W 30th St New York", "pageSize": 20, "languageCode": "en", "regionCode": "US",
    "locationBias": {"circle": {"center": {"latitude": 40.75, "longitude": -73.99}, "radius": 500.0}},
    "rankPreference": "RELEVANCE", "minRating": 2.5,
}  # fmt: skip


def _headers(mask: str, key: str = "sandbox-places-key") -> dict[str, str]:
    return {"X-Goog-Api-Key": key, "X-Goog-FieldMask": mask}


def _cells():
    """(template, status, extra) of every status the client handles."""
    place = f"/v1/places/ChIJ{7:023d}"
    asked = {
        SEARCH: {"json": BODY, "headers": _headers(SEARCH_MASK)},
        DETAILS: {"path": place, "headers": _headers(FIELDS)},
    }
    for template, extra in asked.items():
        yield template, 200, extra
        yield template, 400, extra | {"headers": _headers("", "sandbox-places-key")}
        yield template, 403, extra | {"headers": {"X-Goog-FieldMask": "*"}}
        for status in (429, 500, 503):
            yield template, status, extra | {"fault": (status, "")}
    yield DETAILS, 404, asked[DETAILS] | {"path": "/v1/places/gone"}


CELLS = list(_cells())


@pytest.mark.parametrize(("template", "status", "extra"), CELLS, ids=[f"{t}-{s}" for t, s, _ in CELLS])
def test_the_answer_satisfies_the_description(exercise, Case, template, status, extra):
    method = "POST" if template == SEARCH else "GET"
    response = exercise("places", Case(name="", method=method, template=template, status=status, spec=SPEC, **extra))
    if status >= 400:
        assert response.json()["error"]["code"] == status


@pytest.mark.parametrize("number", range(7))
def test_every_kind_of_place_satisfies_the_description(exercise, Case, number):
    path = f"/v1/places/ChIJ{number:023d}"
    exercise(
        "places", Case(name="", method="GET", template=DETAILS, status=200, spec=SPEC, path=path, headers=_headers("*"))
    )


def test_only_fields_that_the_description_knows_are_sent(http, specs):
    known = set(specs(SPEC).document["components"]["schemas"]["GoogleMapsPlacesV1Place"]["properties"])
    place = http.get(f"/places/v1/places/ChIJ{7:023d}", headers=_headers("*")).json()
    assert set(place) <= known


def test_a_mask_may_name_every_field_of_the_description(http, specs):
    known = specs(SPEC).document["components"]["schemas"]["GoogleMapsPlacesV1Place"]["properties"]
    assert http.get(f"/places/v1/places/ChIJ{7:023d}", headers=_headers(",".join(known))).status_code == 200


def test_every_parameter_of_the_description_is_known(specs):
    from sandbox.vendors.places_request import _KNOWN

    described = specs(SPEC).document["components"]["schemas"]["GoogleMapsPlacesV1SearchTextRequest"]["properties"]
    assert set(described) == set(_KNOWN)
