"""Yelp's Places (Fusion) API v3: search, phone search, matches and details, with its limits, headers and errors.

Limits: ``options['yelp_daily_limit']`` (5,000 a key and UTC day) and ``options['yelp_qps']`` (50 a second).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.model import YelpListing
from sandbox.vendors import yelp_listing as wire_form
from sandbox.vendors.opening import is_open
from sandbox.vendors.wire import Window, accepted, answer, bearer, key_is_valid, option, utc_now
from sandbox.vendors.yelp_request import MATCHES, PHONE, SEARCH, BadRequest, Values, checked, merged_attributes

ENHANCED_KEY = "sandbox-yelp-enhanced-key"
RESULTS_CAP = 240  # of one search, over all its pages
_DESCRIPTIONS = {
    "TOKEN_INVALID": "Invalid API key or authorization header.",
    "BUSINESS_UNAVAILABLE": "Details are not provided for this business, for example because it has no reviews yet.",
    "BUSINESS_NOT_FOUND": "The requested business could not be found.",
    "NOT_FOUND": "Resource could not be found.",
    "TOO_MANY_REQUESTS_PER_SECOND": "You have exceeded the queries-per-second limit for this endpoint.",
    "ACCESS_LIMIT_REACHED": "You've reached the access limit for this client.",
    "LOCATION_NOT_FOUND": "Could not execute search, try specifying a more exact location.",
    "INTERNAL_ERROR": "Something went wrong internally, please try again later.",
    "SERVICE_UNAVAILABLE": "Service Unavailable",
    "AUTHORIZATION_ERROR": "Authorization Error",
    "PAYLOAD_TOO_LARGE": "Payload Too Large",
}


def error(status: int, code: str, description: str = "", **more: object) -> Response:
    """Yelp's error envelope; ``more`` is ``field`` and ``instance`` of a validation error."""
    return answer({"error": {"code": code, "description": description or _DESCRIPTIONS[code], **more}}, status)


def rate_limited(kind: str = "") -> Response:
    """429: ``kind`` "daily" or "quota" is the day's limit, anything else the per-second one."""
    return error(429, "ACCESS_LIMIT_REACHED" if kind in ("daily", "quota") else "TOO_MANY_REQUESTS_PER_SECOND")


def server_error(status: int = 500) -> Response:
    """5xx as Yelp words it."""
    return error(status, "SERVICE_UNAVAILABLE" if status == 503 else "INTERNAL_ERROR")


def fault_response(status: int, kind: str = "") -> Response:
    """The answer to an injected fault, in Yelp's own envelope."""
    if status == 429:
        return rate_limited(kind)
    code = {401: "TOKEN_INVALID", 403: "AUTHORIZATION_ERROR", 404: "NOT_FOUND", 413: "PAYLOAD_TOO_LARGE"}.get(status)
    return error(status, code) if code else server_error(status)


@dataclasses.dataclass(frozen=True)
class _Results:
    listings: list[YelpListing]
    center: dict[str, Any]


Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The endpoints over one sandbox; counts every key's day."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self._second = Window(1)
        self._used: dict[tuple[str, dt.date], int] = {}
        self._searches: dict[tuple[Any, ...], _Results] = {}
        self._by_phone: dict[str, dict[str, YelpListing]] = {}

    def guarded(self, handler: Handler) -> Handler:
        """The handler behind the key and both limits, its answer with the RateLimit headers."""

        async def guard(request: Request) -> Response:
            key = bearer(request)
            if key is None or not key_is_valid(self._sandbox, "yelp", key):
                return error(401, "TOKEN_INVALID")
            limit = int(option(self._sandbox, "yelp_daily_limit", 5_000))
            day = (key, utc_now(self._sandbox).date())
            if self._second.take(key, int(option(self._sandbox, "yelp_qps", 50))) < 0:
                response = rate_limited()
            elif self._used.get(day, 0) >= limit:
                response = rate_limited("daily")
            else:
                self._used[day] = self._used.get(day, 0) + 1
                response = await self._answer(request, handler)
            reset = dt.datetime.combine(day[1] + dt.timedelta(days=1), dt.time(), dt.UTC)
            response.headers["RateLimit-DailyLimit"] = str(limit)
            response.headers["RateLimit-Remaining"] = str(max(limit - self._used.get(day, 0), 0))
            response.headers["RateLimit-ResetTime"] = reset.isoformat()
            return response

        return guard

    async def _answer(self, request: Request, handler: Handler) -> Response:
        try:
            return await handler(request)
        except BadRequest as bad:
            return error(400, bad.code, str(bad), **bad.more)

    async def search(self, request: Request) -> Response:
        """GET /v3/businesses/search."""
        asked = checked(SEARCH, request.query_params)
        offset, limit = asked.get("offset", 0), asked.get("limit", 20)
        if "location" not in asked and not {"latitude", "longitude"} <= asked.keys():
            raise BadRequest(
                "You must specify either a location or a latitude and longitude to search.", "LOCATION_MISSING"
            )
        if "open_now" in asked and "open_at" in asked:
            raise BadRequest("open_now and open_at cannot be used together.", "VALIDATION_ERROR")
        if offset + limit > RESULTS_CAP:
            raise BadRequest(f"Too many results requested, limit+offset must be <= {RESULTS_CAP}.", "VALIDATION_ERROR",
                             field="limit", instance=limit)  # fmt: skip
        try:
            results = self._results(asked)
        except LookupError:
            raise BadRequest(_DESCRIPTIONS["LOCATION_NOT_FOUND"], "LOCATION_NOT_FOUND") from None
        accepted(self._sandbox, "yelp", "search", str(request.url.query), total=len(results.listings))
        around = results.center
        return answer({
            "businesses": [self._found(one, around) for one in results.listings[offset : offset + limit]],
            "total": len(results.listings),
            "region": {"center": around},
        })  # fmt: skip

    def _found(self, listing: YelpListing, around: dict[str, Any]) -> dict[str, Any]:
        business = self._sandbox.world.business(listing.business_key)
        metres = None
        if around["latitude"] is not None:
            metres = wire_form.distance_m(listing.address, around["latitude"], around["longitude"])
        return wire_form.found(listing, business, utc_now(self._sandbox), metres)

    def _results(self, asked: Values) -> _Results:
        """All results of a search, kept: its pages are asked for one after the other."""
        located = "location" in asked
        names = ("location", "latitude", "longitude", "radius", "term", "sort_by", "open_now")
        lists = [tuple(sorted(asked.get(name, ()))) for name in ("categories", "price")]
        kept_as = (*(asked.get(name) for name in names), *lists)
        if not asked.get("open_now") and kept_as in self._searches:
            return self._searches[kept_as]
        world = self._sandbox.world
        listings = world.listings(
            location=asked.get("location"),
            latitude=None if located else asked["latitude"],
            longitude=None if located else asked["longitude"],
            radius_m=asked.get("radius"),
            categories=frozenset(lists[0]),
            term=asked.get("term") or None,
            prices=frozenset("$" * int(price) for price in lists[1]),
        )
        listings = [one for one in listings if world.business(one.business_key).review_count > 0]
        if asked.get("open_now"):
            now = utc_now(self._sandbox)
            listings = [one for one in listings if is_open(world.business(one.business_key), now)]
        around = (
            wire_form.center(listings) if located else {"latitude": asked["latitude"], "longitude": asked["longitude"]}
        )
        results = _Results(self._sorted(listings, asked.get("sort_by", "best_match"), around), around)
        for listing in listings:
            if listing.phone:
                self._by_phone.setdefault(listing.phone, {})[listing.yelp_id] = listing
        if len(self._searches) > 2_000:
            self._searches.clear()
        self._searches[kept_as] = results
        return results

    def _sorted(self, listings: list[YelpListing], by: str, around: dict[str, Any]) -> list[YelpListing]:
        business = self._sandbox.world.business
        if by == "rating":
            return sorted(listings, key=lambda one: -(business(one.business_key).rating or 0))
        if by == "review_count":
            return sorted(listings, key=lambda one: -business(one.business_key).review_count)
        if by == "distance" and listings:
            here = (around["latitude"], around["longitude"])
            return sorted(listings, key=lambda one: wire_form.distance_m(one.address, *here))
        return listings

    async def phone(self, request: Request) -> Response:
        """GET /v3/businesses/search/phone; the number must match exactly, in E.164.

        The world cannot be asked by number, so only businesses that some search has come upon are known here.
        """
        asked = checked(PHONE, request.query_params)
        wanted = "+" + re.sub(r"\D", "", asked["phone"])
        found = list(self._by_phone.get(wanted, {}).values())
        nowhere = {"latitude": None, "longitude": None}
        return answer({"businesses": [self._found(one, nowhere) for one in found], "total": len(found)})

    async def matches(self, request: Request) -> Response:
        """GET /v3/businesses/matches: the same business by name and address."""
        asked = checked(MATCHES, request.query_params)
        place = asked.get("postal_code") or f"{asked['city']}, {asked['state']}"
        try:
            near = self._everything(place)
        except LookupError:
            near = []
        strict = asked.get("match_threshold", "default")
        least = {"none": 0.5, "default": 0.8, "strict": 0.95}[strict]
        scored = [(self._likeness(one, asked), one) for one in near if self._reviewed(one)]
        best = sorted((pair for pair in scored if pair[0] >= least), key=lambda pair: -pair[0])
        return answer({"businesses": [wire_form.brief(one) for _, one in best[: asked.get("limit", 3)]]})

    def _likeness(self, listing: YelpListing, asked: Values) -> float:
        at = listing.address
        if at.city.lower() != asked["city"].lower() or at.state.upper() != asked["state"].upper():
            return 0.0
        name = difflib.SequenceMatcher(None, listing.name.lower(), asked["name"].lower()).ratio()
        street = asked["address1"].lower()
        return name if not street else (name + difflib.SequenceMatcher(None, at.line1.lower(), street).ratio()) / 2

    async def details(self, request: Request) -> Response:
        """GET /v3/businesses/{id or alias}."""
        checked({name: SEARCH[name] for name in ("locale", "device_platform")}, request.query_params)
        asked = request.path_params["business"]
        listing = self._sandbox.world.listing(asked)
        if listing is None:
            return error(404, "BUSINESS_NOT_FOUND")
        if asked not in (listing.yelp_id, listing.alias):
            return self._moved(request, listing)
        if not self._reviewed(listing):
            return error(403, "BUSINESS_UNAVAILABLE")
        business = self._sandbox.world.business(listing.business_key)
        accepted(self._sandbox, "yelp", "details", listing.yelp_id)
        enhanced = bearer(request) == ENHANCED_KEY
        return answer(wire_form.details(listing, business, utc_now(self._sandbox), enhanced))

    def _moved(self, request: Request, listing: YelpListing) -> Response:
        """301: the listing was merged into another; the answer names the one that stayed."""
        response = error(301, "BUSINESS_MIGRATED", "The requested business has been migrated.",
                         **merged_attributes(listing.yelp_id))  # fmt: skip
        prefix = request.scope.get("root_path", "")
        response.headers["Location"] = f"{prefix}/v3/businesses/{listing.yelp_id}"
        return response

    async def unknown(self, request: Request) -> Response:
        """Any other path."""
        return error(404, "NOT_FOUND")

    def _reviewed(self, listing: YelpListing) -> bool:
        return self._sandbox.world.business(listing.business_key).review_count > 0

    def _everything(self, location: str) -> list[YelpListing]:
        return self._sandbox.world.listings(location=location, latitude=None, longitude=None, radius_m=None,
                                            categories=frozenset(), term=None, prices=frozenset())  # fmt: skip


def routes(sandbox: Any) -> list[Route]:
    """Yelp's endpoints, relative to its prefix."""
    api = Api(sandbox)
    return [
        Route("/v3/businesses/search", api.guarded(api.search), methods=["GET"]),
        Route("/v3/businesses/search/phone", api.guarded(api.phone), methods=["GET"]),
        Route("/v3/businesses/matches", api.guarded(api.matches), methods=["GET"]),
        Route("/v3/businesses/{business}", api.guarded(api.details), methods=["GET"]),
        Route("/{path:path}", api.guarded(api.unknown), methods=["GET"]),
    ]
