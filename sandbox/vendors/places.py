"""Google's Places API (New): text search and place details, with field masks, paging, quotas and errors.

Quota: ``options['places_per_minute']`` calls a minute and method (24,000; the vendor's own is 600).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.model import GooglePlace
from sandbox.vendors.google_errors import google_error
from sandbox.vendors.opening import is_open
from sandbox.vendors.places_fields import BadMask, masked, parse_mask, whole
from sandbox.vendors.places_request import BadRequest, Search, checked_search
from sandbox.vendors.wire import Window, accepted, answer, key_is_valid, option, utc_now
from sandbox.vendors.yelp_listing import distance_m

RESULTS_CAP = 60  # of one search, over its pages
_SERVICE = "places.googleapis.com"
_LEVELS = {"$": "PRICE_LEVEL_INEXPENSIVE", "$$": "PRICE_LEVEL_MODERATE", "$$$": "PRICE_LEVEL_EXPENSIVE",
           "$$$$": "PRICE_LEVEL_VERY_EXPENSIVE"}  # fmt: skip
_NO_MASK = (
    "FieldMask is a required parameter. See https://cloud.google.com/apis/docs/system-parameters#definitions on how to "
    "provide it, as the header 'X-Goog-FieldMask' or the parameter 'fields'."
)


def rate_limited(kind: str = "") -> Response:
    """429: ``kind`` "daily" names the day's quota, anything else the minute's."""
    per = "day" if kind in ("daily", "quota") else "minute"
    message = (
        f"Quota exceeded for quota metric 'SearchTextRequest' and limit 'SearchTextRequest per {per}' of service "
        f"'{_SERVICE}' for consumer 'project_number:1'."
    )
    return google_error(429, "RESOURCE_EXHAUSTED", message, "RATE_LIMIT_EXCEEDED", _SERVICE)


def server_error(status: int = 500) -> Response:
    """5xx as Google words it."""
    if status == 503:
        return google_error(503, "UNAVAILABLE", "The service is currently unavailable.")
    return google_error(status, "INTERNAL", "Internal error encountered.")


def fault_response(status: int, kind: str = "") -> Response:
    """The answer to an injected fault, in Google's own envelope."""
    if status == 429:
        return rate_limited(kind)
    if status == 403:
        message = "Places API (New) has not been used in project 1 before or it is disabled."
        return google_error(403, "PERMISSION_DENIED", message, "SERVICE_DISABLED", _SERVICE)
    return server_error(status)


class Api:
    """The endpoints over one sandbox."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self._minute = Window(60)
        self._found: dict[tuple[Any, ...], list[GooglePlace]] = {}

    async def search(self, request: Request) -> Response:
        """POST /v1/places:searchText."""
        refused = self._refused(request, "search")
        if refused:
            return refused
        try:
            paths = parse_mask(_mask(request), "places.", frozenset({"nextPageToken", "searchUri"}))
            asked = await _body(request)
            search = checked_search(asked)
            start = self._start(search)
        except (BadMask, BadRequest) as bad:
            return google_error(400, "INVALID_ARGUMENT", str(bad))
        results = self._results(search)[:RESULTS_CAP]
        page = results[start : start + search.page_size]
        accepted(self._sandbox, "places", "search", search.text, total=len(results), mask=_mask(request), body=asked)
        body: dict[str, Any] = {}
        of_place = None if paths is None else [path[1:] for path in paths if path[0] == "*"]
        if page and (of_place is None or of_place):
            body["places"] = [masked(self._whole(place), of_place) for place in page]
        more = start + search.page_size < len(results)
        if more and (paths is None or ("nextPageToken",) in paths):
            body["nextPageToken"] = _page_token(search, start + search.page_size)
        return answer(body)

    async def details(self, request: Request) -> Response:
        """GET /v1/places/{place_id}."""
        refused = self._refused(request, "details")
        if refused:
            return refused
        try:
            paths = parse_mask(_mask(request), "", frozenset())
        except BadMask as bad:
            return google_error(400, "INVALID_ARGUMENT", str(bad))
        place = self._sandbox.world.place(request.path_params["place_id"])
        if place is None:
            return google_error(404, "NOT_FOUND", "The Place ID is no longer valid. Please refresh cached Place IDs.")
        accepted(self._sandbox, "places", "details", place.place_id, mask=_mask(request))
        return answer(masked(self._whole(place), paths))

    async def unknown(self, request: Request) -> Response:
        """Any other path."""
        return google_error(404, "NOT_FOUND", "Method not found.")

    def _refused(self, request: Request, method: str) -> Response | None:
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
        if key is None:
            message = (
                "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
            )
            return google_error(403, "PERMISSION_DENIED", message)
        if not key_is_valid(self._sandbox, "places", key):
            message = "API key not valid. Please pass a valid API key."
            return google_error(400, "INVALID_ARGUMENT", message, "API_KEY_INVALID", _SERVICE)
        if self._minute.take(f"{method} {key}", int(option(self._sandbox, "places_per_minute", 24_000))) < 0:
            return rate_limited()
        return None if _mask(request) else google_error(400, "INVALID_ARGUMENT", _NO_MASK)

    def _whole(self, place: GooglePlace) -> dict[str, Any]:
        return whole(place, self._sandbox.world.business(place.business_key), utc_now(self._sandbox))

    def _start(self, search: Search) -> int:
        if not search.page_token:
            return 0
        try:
            start, belongs_to = json.loads(base64.urlsafe_b64decode(search.page_token))
        except (ValueError, TypeError, binascii.Error):
            raise BadRequest("Invalid page_token.") from None
        if belongs_to != search.identity:
            raise BadRequest("Request parameters for paging requests must match the initial SearchText request.")
        return int(start)

    def _results(self, search: Search) -> list[GooglePlace]:
        kept_as = (search.text, search.area, search.restricted, search.type if search.category else None)
        if kept_as not in self._found:
            if len(self._found) > 2_000:
                self._found.clear()
            self._found[kept_as] = self._places(search)
        business = self._sandbox.world.business
        places = [p for p in self._found[kept_as] if _wanted(search, business(p.business_key))]
        if search.open_now:
            now = utc_now(self._sandbox)
            places = [p for p in places if is_open(business(p.business_key), now)]
        if search.by_distance and search.area:
            latitude, longitude, _ = search.area
            places = sorted(places, key=lambda p: distance_m(p.address, latitude, longitude))
        return places

    def _places(self, search: Search) -> list[GooglePlace]:
        if (
            search.category is not None and search.restricted is not None
        ):  # "dentists" in a rectangle: all that are there
            found = self._sandbox.world.places_of(search.type or search.category, *search.restricted)
            return sorted(
                found, key=lambda place: not _lies_in(place, search.within)
            )  # the named place's own come first
        latitude, longitude, radius = search.area or (None, None, None)
        found = self._sandbox.world.places(search.text, latitude=latitude, longitude=longitude, radius_m=radius)
        if search.restricted:
            low, high = search.restricted[:2], search.restricted[2:]
            found = [
                p for p in found if low[0] <= p.address.latitude <= high[0] and low[1] <= p.address.longitude <= high[1]
            ]
        return found


def _wanted(search: Search, business: Any) -> bool:
    if search.type and search.strict and search.type not in business.places_types:
        return False
    if search.price_levels and _LEVELS.get(business.price or "") not in search.price_levels:
        return False
    return not (search.min_rating and (business.rating or 0) < search.min_rating)


def _lies_in(place: GooglePlace, where: str) -> bool:
    """Whether a place's address has the ZIP code or the town that a text names; True when it names none."""
    at = place.address
    return not where or where == at.zip_code or where.lower() in {at.city.lower(), f"{at.city}, {at.state}".lower()}


def _page_token(search: Search, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, search.identity]).encode()).decode()


def _mask(request: Request) -> str:
    query = request.query_params
    return request.headers.get("x-goog-fieldmask") or query.get("fields") or query.get("$fields") or ""


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        raise BadRequest("Invalid JSON payload received.") from None
    if not isinstance(body, dict):
        raise BadRequest('Invalid JSON payload received. Unknown name "": Root element must be a message.')
    return body


def routes(sandbox: Any) -> list[Route]:
    """The Places endpoints, relative to their prefix."""
    api = Api(sandbox)
    return [
        Route("/v1/places:searchText", api.search, methods=["POST"]),
        Route("/v1/places/{place_id}", api.details, methods=["GET"]),
        Route("/{path:path}", api.unknown, methods=["GET", "POST"]),
    ]
