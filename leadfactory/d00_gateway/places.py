"""Google Places API (New): text search and details. Only place ids may be kept; everything else is used in memory and let go.

The dearest field of a mask sets the price of a call (config/vendors.yaml): website and telephone make it Enterprise, ids alone
are free. Hence three requests: a page of an area with all that a match needs (20 places for one price), the ids of one
business's candidates (free), and the details of one of them.
"""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import quote

import httpx

from leadfactory.d00_gateway.answers import NUMBER, Fields, Reader, any_body, body, judged
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.settings import Settings

PAGE_SIZE = 20  # Google's `pageSize` maximum; one call costs the same for 1 and for 20
BIAS_M = 50_000.0  # Google's maximum radius of a locationBias circle
NEAR_M = 2_000.0  # how far a business may have moved between two vendors' maps; ours
_KINDS: Fields = {
    "displayName": {"text": str}, "formattedAddress": str,
    "addressComponents": [{"longText": str, "shortText": str, "types": [str]}],
    "location": {"latitude": NUMBER, "longitude": NUMBER}, "businessStatus": str,
    "websiteUri": str, "nationalPhoneNumber": str, "internationalPhoneNumber": str, "types": [str],
}  # fmt: skip
# What a match and a visit need and nothing else: one form of the address and one of the telephone.
MATCH_FIELDS = (
    "id", "displayName", "addressComponents", "location", "businessStatus", "websiteUri", "internationalPhoneNumber", "types",
)  # fmt: skip
SEARCH_MASK = ",".join(f"places.{name}" for name in MATCH_FIELDS)
AREA_MASK = f"{SEARCH_MASK},nextPageToken"
IDS_MASK = "places.id"
DETAILS_MASK = ",".join(MATCH_FIELDS)


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle in WGS84 degrees that does not cross the date line."""

    south: float
    west: float
    north: float
    east: float


@dataclasses.dataclass(frozen=True)
class AreaPage:
    """Up to 20 places of an area; ``next_page`` is the token of the page behind, None when this is the last."""

    places: list[dict[str, Any]]
    next_page: str | None


class PlacesClient:
    """One Google project over the gateway; holds nothing that belongs to an event loop."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.gateway, self._base = gateway, settings.places_base_url.rstrip("/")
        self._key = settings.google_api_key.get_secret_value()

    def microusd(self, item: str) -> int:
        """The price of one call in millionths of a dollar: ``text_search_enterprise``, ``place_details_enterprise``, …"""
        return self.gateway.policies.price("places", item).microusd

    async def search_text(
        self,
        query: str,
        *,
        latitude: float | None = None,
        longitude: float | None = None,
        radius_m: float | None = None,
        page_size: int = 3,
    ) -> list[dict[str, Any]]:
        """Places for a free-text query, best first; an empty list when Google knows none.

        Args:
            query: for example "Joe's Pizza, 12 W 30th St, New York".
            latitude, longitude, radius_m: where to look first (WGS84 degrees, metres up to 50,000, by default 2,000).
            page_size: 1 to 20.

        Raises:
            ValueError: for an empty query, half a point or a page size outside 1 to 20.
            VendorUnavailable, VendorRejected: as the gateway says; ``malformed_answer`` for an answer of another shape.
        """
        request = _request(query, latitude, longitude, radius_m, page_size)
        found: list[dict[str, Any]] = (await self._search(request, SEARCH_MASK, "text_search_enterprise")).get(
            "places"
        ) or []  # absent when there are none
        return found

    async def search_ids(
        self, query: str, *, latitude: float | None = None, longitude: float | None = None, radius_m: float | None = None,
        page_size: int = 3,
    ) -> list[str]:  # fmt: skip
        """Ids of the places for a free-text query, best first, free of charge. Arguments and errors as ``search_text``."""
        request = _request(query, latitude, longitude, radius_m, page_size)
        answer = await self._search(request, IDS_MASK, "text_search_ids_only")
        return [place["id"] for place in answer.get("places") or []]

    async def search_area(self, query: str, box: Box, *, included_type: str, page: str | None = None) -> AreaPage:
        """A page of 20 places of one type inside ``box`` and nowhere else, with all that a match needs.

        Args:
            query: what is looked for, such as "restaurants".
            box: the area.
            included_type: a place type of Google's Table A; others are left out.
            page: ``next_page`` of the page before, with the same other arguments.

        Raises:
            ValueError: for an empty query or a box that is none.
            VendorUnavailable, VendorRejected: as the gateway says.
        """
        if not box.south < box.north or not box.west < box.east:
            raise ValueError(f"{box}: south must be below north and west before east")
        request = _request(query, None, None, None, PAGE_SIZE) | {
            "includedType": included_type,
            "strictTypeFiltering": True,
            "locationRestriction": {
                "rectangle": {
                    "low": {"latitude": box.south, "longitude": box.west},
                    "high": {"latitude": box.north, "longitude": box.east},
                }
            },
        }
        if page is not None:
            request["pageToken"] = page
        answer = await self._search(request, AREA_MASK, "text_search_enterprise")
        return AreaPage(answer.get("places") or [], answer.get("nextPageToken") or None)

    async def details(self, place_id: str) -> dict[str, Any]:
        """One place with all that a match needs.

        Raises:
            ValueError: for an empty id.
            VendorRejected: ``not_found`` when the id is no longer valid.
            VendorUnavailable: as the gateway says.
        """
        if not place_id.strip():
            raise ValueError("place_id is empty: give an id that a search returned")
        endpoint = "places/details"
        price = self.microusd("place_details_enterprise")
        spec = CallSpec(endpoint, worst_case_microusd=price, fault_of=judged("places", endpoint, _check_place))
        with self.gateway.calling(spec):
            response = await self.gateway.http("places").get(
                f"{self._base}/v1/places/{quote(place_id, safe='')}",
                params={"languageCode": "en", "regionCode": "US"},
                headers=self._headers(DETAILS_MASK),
            )
        found: dict[str, Any] = body(response)
        return found

    async def _search(self, request: dict[str, Any], mask: str, item: str) -> dict[str, Any]:
        endpoint = "places:searchText"
        spec = CallSpec(endpoint, worst_case_microusd=self.microusd(item), fault_of=judged("places", endpoint, _check))
        with self.gateway.calling(spec):
            response = await self.gateway.http("places").post(
                f"{self._base}/v1/places:searchText", json=request, headers=self._headers(mask)
            )
        answer: dict[str, Any] = body(response)
        return answer

    def _headers(self, mask: str) -> dict[str, str]:
        return {"X-Goog-Api-Key": self._key, "X-Goog-FieldMask": mask}

    async def ping(self) -> str:
        """A details look-up by an unknown id with the ids-only mask, which Google does not bill."""
        judge = judged("places", "ping", any_body)

        def usable(response: httpx.Response) -> VendorError | None:
            error = judge(response)
            return None if error is not None and error.reason in {"not_found", "bad_request"} else error

        headers = {"X-Goog-Api-Key": self._key, "X-Goog-FieldMask": "id"}
        with self.gateway.calling(CallSpec("ping", fault_of=usable)):
            await self.gateway.http("places").get(f"{self._base}/v1/places/leadfactory-ping", headers=headers)
        return "ok"


def _request(
    query: str, latitude: float | None, longitude: float | None, radius_m: float | None, page_size: int
) -> dict[str, Any]:
    """The body of a text search; ValueError for what Google would refuse."""
    if not query.strip():
        raise ValueError("query is empty: Places needs a textQuery")
    if not 1 <= page_size <= PAGE_SIZE:
        raise ValueError(f"page_size={page_size}: Places gives 1 to {PAGE_SIZE} results a page")
    if (latitude is None) != (longitude is None):
        raise ValueError(f"latitude={latitude}, longitude={longitude}: give both or none")
    request: dict[str, Any] = {"textQuery": query, "pageSize": page_size, "languageCode": "en", "regionCode": "US"}
    if latitude is not None:
        center = {"latitude": latitude, "longitude": longitude}
        radius = NEAR_M if radius_m is None else min(radius_m, BIAS_M)
        request["locationBias"] = {"circle": {"center": center, "radius": radius}}
    return request


def _check(reader: Reader, answer: Any) -> None:
    reader.fields(answer, "body", required={}, optional={"places": list, "nextPageToken": str})
    if "error" in answer:
        raise reader.malformed("body.error in a successful answer")
    for position, place in enumerate(answer.get("places") or []):
        reader.fields(place, f"places[{position}]", required={"id": str}, optional=_KINDS)


def _check_place(reader: Reader, answer: Any) -> None:
    reader.fields(answer, "body", required={"id": str}, optional=_KINDS)
    if "error" in answer:
        raise reader.malformed("body.error in a successful answer")
