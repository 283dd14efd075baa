"""What only the sandbox has: health, the truth log, and the switches for faults, latency, options and a new start."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.recipients import settings
from sandbox.state import Sandbox
from sandbox.world.seeded import SeededWorld
from sandbox.world.vocabulary import VERTICALS


def routes(sandbox: Sandbox, forget: Callable[[], None]) -> list[Route]:
    """The sandbox's own endpoints; ``forget`` makes the vendors drop what they hold."""
    switches, truth = _Switches(sandbox, forget), _Truth(sandbox)
    return [
        Route("/_health", truth.health),
        Route("/_admin/faults", switches.faults, methods=["GET", "POST", "DELETE"]),
        Route("/_admin/latency", switches.latency, methods=["POST"]),
        Route("/_admin/options", switches.options, methods=["GET", "POST"]),
        Route("/_admin/recipients", switches.recipients, methods=["GET", "POST"]),
        Route("/_admin/due", switches.due, methods=["GET"]),
        Route("/_admin/clock", switches.clock, methods=["GET", "POST"]),
        Route("/_admin/outstanding", switches.outstanding, methods=["GET"]),
        Route("/_admin/reset", switches.reset, methods=["POST"]),
        Route("/_truth", truth.counts),
        Route("/_truth/_requests", truth.requests),
        Route("/_truth/world/census/{vertical}", truth.census),
        Route("/_truth/world/duplicates/{location}/{vertical}", truth.duplicates),
        Route("/_truth/world/business/{key}", truth.business),
        Route("/_truth/world/sites/{host}", truth.site),
        Route("/_truth/{vendor}", truth.entries),
    ]


class _Switches:
    """What an admin may change while the sandbox runs."""

    def __init__(self, sandbox: Sandbox, forget: Callable[[], None]) -> None:
        self._sandbox, self._forget = sandbox, forget

    async def faults(self, request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse([vars(each) for each in self._sandbox.faults.on])
        if request.method == "DELETE":
            self._sandbox.faults.clear()
            return Response(status_code=204)
        try:
            fault = self._sandbox.faults.add(**await request.json())
        except (TypeError, ValueError) as error:
            return _refusal(f"{error}; send vendor, kind, rate and, if wanted, seed, count, seconds")
        return JSONResponse(vars(fault), 201)

    async def latency(self, request: Request) -> Response:
        try:
            body = await request.json()
            vendor, ms = str(body.get("vendor", "*")), float(body["ms"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return _refusal(f"latency: {error!r}; send ms (milliseconds, 0 or more) and, if wanted, vendor")
        if not 0 <= ms <= 600_000:
            return _refusal(f"ms={ms} is no latency: choose 0 to 600000")
        self._sandbox.faults.latency_ms[vendor] = ms
        return Response(status_code=204)

    async def options(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self._sandbox.options.update(await request.json())
            except (TypeError, ValueError) as error:
                return _refusal(f"options: {error}; send a JSON object")
        return _json(self._sandbox.options)

    async def recipients(self, request: Request) -> Response:
        """Whether recipients act, at which rates, and the fates that are fixed; POST changes what it names."""
        options = self._sandbox.options
        if request.method == "POST":
            try:
                options.update(settings.checked(await request.json(), options))
            except (TypeError, ValueError) as error:
                return _refusal(f"recipients: {error}")
        return _json(settings.told(options))

    async def outstanding(self, _: Request) -> Response:
        """What is still to be done: letters whose recipients will act, events to be posted. All 0: nothing more will come."""
        return JSONResponse({name: count() for name, count in sorted(self._sandbox.outstanding.items())})

    async def due(self, _: Request) -> Response:
        """What should be done by now. All 0: nothing happens before the clock moves."""
        return JSONResponse({name: count() for name, count in sorted(self._sandbox.due.items())})

    async def clock(self, request: Request) -> Response:
        """The sandbox's time; POST ``now`` puts the clock there, where it stands until it is moved again."""
        if request.method == "POST":
            try:
                now = dt.datetime.fromisoformat((await request.json())["now"])
            except (KeyError, TypeError, ValueError) as error:
                return _refusal(f"clock: {error!r}; send now as 2026-10-06T15:00:00+00:00")
            if now.tzinfo is None:
                return _refusal(f"now={now.isoformat()} has no time zone: write it as 2026-10-06T15:00:00+00:00")
            self._sandbox.move_clock(now)
        return JSONResponse({"now": self._sandbox.clock.now().isoformat()})

    async def reset(self, request: Request) -> Response:
        """A new world of the same seed, or of the one in the body; truth, faults, options and the vendors' books are empty."""
        try:
            seed = json.loads(await request.body() or b"{}").get("seed", self._sandbox.seed)
        except (AttributeError, ValueError) as error:
            return _refusal(f"reset: {error}; send nothing, or a JSON object with seed")
        self._sandbox.restart(SeededWorld(str(seed)), str(seed))
        self._forget()
        return JSONResponse({"seed": str(seed)})


class _Truth:
    """What really is and what really happened; nothing here changes anything."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def health(self, _: Request) -> Response:
        return JSONResponse(
            {"status": "ok", "seed": self._sandbox.seed, "clock": self._sandbox.clock.now().isoformat()}
        )

    async def counts(self, _: Request) -> Response:
        return JSONResponse(self._sandbox.truth.counts())

    async def requests(self, _: Request) -> Response:
        return JSONResponse(dict(self._sandbox.truth.requests))

    async def entries(self, request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            return _refusal(f"since={since!r} is no entry number: send the number of the last entry seen")
        return _json(
            self._sandbox.truth.of(request.path_params["vendor"], request.query_params.get("kind"), int(since))
        )

    async def census(self, request: Request) -> Response:
        """How many businesses of a vertical a place has, and how the world made them."""
        location, vertical = request.query_params.get("location", ""), request.path_params["vertical"]
        world: Any = self._sandbox.world
        try:
            found = world.within(location, vertical)
        except LookupError as error:
            return _refusal(f"location={location!r}, vertical={vertical!r}: {error}; verticals: {', '.join(VERTICALS)}")
        sites = [world.site(each.host) for each in found if each.host]
        return JSONResponse({
            "businesses": len(found),
            "listed_twice": len(world.duplicates(location, vertical)),
            "branches_of_chains": sum(each.chain is not None for each in found),
            "without_phone": sum(each.phone is None for each in found),
            "without_site": len(found) - len(sites),
            "states": Counter(each.state for each in found),
            "email_shown": Counter(each.email_shown for each in found),
            "behaviours": Counter(each.behaviour for each in sites),
        })  # fmt: skip

    async def duplicates(self, request: Request) -> Response:
        """Pairs of Yelp ids that are one business."""
        world: Any = self._sandbox.world
        try:
            return JSONResponse(world.duplicates(request.path_params["location"], request.path_params["vertical"]))
        except LookupError as error:
            return _refusal(str(error), 404)

    async def business(self, request: Request) -> Response:
        """A business as it truly is."""
        try:
            return _json(_plain(self._sandbox.world.business(request.path_params["key"])))
        except LookupError as error:
            return _refusal(f"no business {error}", 404)

    async def site(self, request: Request) -> Response:
        """A site as it truly is."""
        site = self._sandbox.world.site(request.path_params["host"])
        return _refusal("no such host", 404) if site is None else _json(_plain(site))


def _plain(record: Any) -> dict[str, Any]:
    return {
        name: sorted(value) if isinstance(value, frozenset) else vars(value) if hasattr(value, "__dict__") else value
        for name, value in vars(record).items()
    }


def _json(value: Any) -> Response:
    return Response(json.dumps(value, default=str), media_type="application/json")


def _refusal(message: str, status: int = 400) -> Response:
    return JSONResponse({"error": message}, status)
