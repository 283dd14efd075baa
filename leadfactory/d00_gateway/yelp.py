"""Yelp Places API v3: search and details. Answers may be kept for 24 hours, ids for ever (config/vendor_terms.yaml)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any
from urllib.parse import quote

import httpx

from leadfactory.d00_gateway.answers import NUMBER, Fields, Reader, any_body, body, judged
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.settings import Settings

PAGE_LIMIT = 50  # Yelp's `limit` maximum
RESULT_CAP = 240  # limit + offset beyond it is a VALIDATION_ERROR
RADIUS_M = 40_000  # Yelp's `radius` maximum
STORED_FOR = dt.timedelta(hours=24)  # API terms 5(a); config/vendor_terms.yaml may shorten it
_PATH = "/v3/businesses"
_OPTIONAL: Fields = {
    "alias": str, "url": str, "phone": str, "price": str, "image_url": str, "is_closed": bool, "review_count": int,
    "rating": NUMBER, "coordinates": {"latitude": NUMBER, "longitude": NUMBER},
    "location": dict.fromkeys(("address1", "address2", "address3", "city", "zip_code", "state", "country"), str),
    "categories": [{"alias": str, "title": str}], "attributes": {"business_url": str},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class YelpPage:
    """One page of a search: the vendor's JSON, how many there are in all, and until when it may be kept."""

    businesses: list[dict[str, Any]]
    total: int
    fetched_at: dt.datetime
    expires_at: dt.datetime


class YelpClient:
    """One Yelp account over the gateway; holds nothing that belongs to an event loop."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.gateway, self._base = gateway, settings.yelp_base_url.rstrip("/")
        key = settings.yelp_api_key.get_secret_value()
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        self._price = gateway.policies.price("yelp", "call").microusd
        self._stored_for = min(STORED_FOR, gateway.policies.longest_storage("yelp") or STORED_FOR)

    async def search(
        self,
        *,
        location: str | None = None,
        latitude: float | None = None,
        longitude: float | None = None,
        categories: str,
        limit: int = PAGE_LIMIT,
        offset: int = 0,
        price: str | None = None,
        radius_m: int | None = None,
    ) -> YelpPage:
        """One page of businesses in a place, which is a ``location`` or a point.

        Args:
            location: such as "10001" or "New York, NY".
            latitude, longitude: WGS84 degrees, both or none.
            categories: Yelp aliases, comma separated.
            limit, offset: the page; together at most 240.
            price: "1" to "4", comma separated.
            radius_m: metres, at most 40,000.

        Raises:
            ValueError: for a search that Yelp would refuse; names the argument and what it allows.
            VendorUnavailable, VendorRejected: as the gateway says; ``malformed_answer`` for an answer of another shape.
        """
        _check_page(limit, offset)
        _check_place(location, latitude, longitude, radius_m)
        wanted = {
            "location": location,
            "latitude": latitude,
            "longitude": longitude,
            "categories": categories,
            "limit": limit,
            "offset": offset,
            "price": price,
            "radius": radius_m,
            "sort_by": "best_match",
        }
        parameters = {name: str(value) for name, value in wanted.items() if value is not None}
        response = await self._get("businesses/search", f"{_PATH}/search", parameters, _check_search)
        answer, fetched_at = body(response), response.extensions["fetched_at"]
        return YelpPage(answer["businesses"], answer["total"], fetched_at, fetched_at + self._stored_for)

    async def details(self, yelp_id: str) -> dict[str, Any]:
        """One business by id or alias; a merged id is followed to its successor, once.

        Raises:
            VendorRejected: ``not_found`` or ``business_unavailable`` among others.
            VendorUnavailable: as the gateway says.
        """
        endpoint = "businesses/details"
        response = await self._get(endpoint, f"{_PATH}/{quote(yelp_id, safe='')}", {}, _check_business, subject=yelp_id)
        if not response.is_success:
            path = f"{_PATH}/{quote(_last_segment(response.headers['location']), safe='')}"
            response = await self._get(endpoint, path, {}, _check_business, subject=yelp_id)
        if not response.is_success:
            raise Reader("yelp", endpoint, response.status_code).malformed(
                "a redirect that does not lead to a business"
            )
        found: dict[str, Any] = body(response)
        return found

    async def ping(self) -> str:
        """The cheapest call that proves the key: an unknown id. Yelp counts it, bills nothing and says how many are left."""
        remaining: list[str] = []
        judge = judged("yelp", "ping", any_body)

        def usable(response: httpx.Response) -> VendorError | None:
            remaining.append(response.headers.get("ratelimit-remaining", "an unknown number of"))
            return None if response.status_code == 404 else judge(response)

        with self.gateway.calling(CallSpec("ping", fault_of=usable)):
            await self.gateway.http("yelp").get(f"{self._base}{_PATH}/leadfactory-ping", headers=self._headers)
        return f"ok, {remaining[-1]} calls left today"

    async def _get(
        self, endpoint: str, path: str, parameters: dict[str, str], check: Any, *, subject: str | None = None
    ) -> httpx.Response:
        spec = CallSpec(
            endpoint, worst_case_microusd=self._price, cache_for=self._stored_for, subject=subject,
            cost_of=lambda response: self._price if response.is_success else 0, fault_of=judged("yelp", endpoint, check, moves=check is _check_business),
        )  # fmt: skip
        with self.gateway.calling(spec):
            return await self.gateway.http("yelp").get(self._base + path, params=parameters, headers=self._headers)


def _check_page(limit: int, offset: int) -> None:
    if not 1 <= limit <= PAGE_LIMIT:
        raise ValueError(f"limit={limit}: Yelp gives 1 to {PAGE_LIMIT} businesses a page")
    if offset < 0 or limit + offset > RESULT_CAP:
        raise ValueError(
            f"limit={limit}, offset={offset}: Yelp shows the first {RESULT_CAP} results only; split the search by "
            "category, price or ZIP code"
        )


def _check_place(location: str | None, latitude: float | None, longitude: float | None, radius_m: int | None) -> None:
    point = latitude is not None and longitude is not None
    if (latitude is None) != (longitude is None) or point == bool(location):
        raise ValueError(
            f"location={location!r}, latitude={latitude}, longitude={longitude}: give a location or a point"
        )
    if location is not None and not 1 <= len(location) <= 250:
        raise ValueError(f"location of {len(location)} characters: Yelp takes 1 to 250")
    if radius_m is not None and not 0 <= radius_m <= RADIUS_M:
        raise ValueError(f"radius_m={radius_m}: Yelp takes 0 to {RADIUS_M} metres")


def _last_segment(location: str) -> str:
    """The id at the end of a redirect; only the id is taken, so that the key never leaves for another host."""
    return location.partition("?")[0].rstrip("/").rpartition("/")[2]


def _check_search(reader: Reader, answer: Any) -> None:
    reader.fields(answer, "body", required={"businesses": list, "total": int}, optional={})
    for position, business in enumerate(answer["businesses"]):
        reader.fields(business, f"businesses[{position}]", required={"id": str, "name": str}, optional=_OPTIONAL)


def _check_business(reader: Reader, answer: Any) -> None:
    reader.fields(answer, "body", required={"id": str, "name": str}, optional=_OPTIONAL)
