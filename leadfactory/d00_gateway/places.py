"""Google Places API (New): text search. Only place ids may be kept; everything else is used in memory and let go."""

from __future__ import annotations

from typing import Any

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
# websiteUri and the phones make it the Enterprise SKU: the dearest field of the mask sets the price of the call.
SEARCH_MASK = ",".join(f"places.{name}" for name in ("id", *_KINDS))


class PlacesClient:
    """One Google project over the gateway; holds nothing that belongs to an event loop."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.gateway, self._base = gateway, settings.places_base_url.rstrip("/")
        self._key = settings.google_api_key.get_secret_value()
        self._price = gateway.policies.price("places", "text_search_enterprise").microusd

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
        endpoint = "places:searchText"
        spec = CallSpec(endpoint, worst_case_microusd=self._price, fault_of=judged("places", endpoint, _check))
        headers = {"X-Goog-Api-Key": self._key, "X-Goog-FieldMask": SEARCH_MASK}
        with self.gateway.calling(spec):
            response = await self.gateway.http("places").post(
                f"{self._base}/v1/places:searchText", json=request, headers=headers
            )
        found: list[dict[str, Any]] = body(response).get("places") or []  # absent when there are none
        return found

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


def _check(reader: Reader, answer: Any) -> None:
    reader.fields(answer, "body", required={}, optional={"places": list})
    if "error" in answer:
        raise reader.malformed("body.error in a successful answer")
    for position, place in enumerate(answer.get("places") or []):
        reader.fields(place, f"places[{position}]", required={"id": str}, optional=_KINDS)
