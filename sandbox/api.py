"""The vendors' APIs under their prefixes, with faults in front, and the sandbox's own admin and truth endpoints."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import Fault
from sandbox.sites.app import Gone
from sandbox.state import Sandbox

VENDORS = ("yelp", "places", "pagespeed", "openai", "sendgrid", "stripe")


def vendor_api(sandbox: Sandbox) -> ASGIApp:
    """The ASGI app for local names."""
    modules = {name: importlib.import_module(f"sandbox.vendors.{name}") for name in VENDORS}
    routes = [Mount(f"/{name}", app=Faulty(name, module, sandbox)) for name, module in modules.items()]
    return Starlette(routes=[*_own(sandbox), *routes])


class Faulty:
    """One vendor's API with the faults that are on: drawn before, applied as a vendor would fail."""

    def __init__(self, vendor: str, module: Any, sandbox: Sandbox) -> None:
        self._vendor, self._module, self._sandbox = vendor, module, sandbox
        self._app = Starlette(routes=module.routes(sandbox))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, fails, or processes and loses the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        latency = self._sandbox.faults.latency_ms.get(self._vendor) or self._sandbox.faults.latency_ms.get("*")
        if latency:
            await asyncio.sleep(latency / 1000)
        fault = self._sandbox.faults.draw(self._vendor)
        status: list[int | str] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            await send(message)

        try:
            await self._with(fault, scope, receive, noting)
        finally:
            told = fault.kind if fault is not None and not status else (status or ["dropped"])[0]
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            self._sandbox.truth.count_request(self._vendor, "/".join(path.split("/")[:4]), told)

    async def _with(self, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind if fault is not None else None:
            case "429":
                await self._module.fault_response(429, "second")(scope, receive, send)
            case "5xx":
                await self._module.fault_response(500, "")(scope, receive, send)
            case "reset":
                raise Gone
            case "lost":
                await self._app(scope, receive, _nowhere)
                raise Gone
            case "malformed":
                await self._app(scope, receive, _truncating(send))
            case "slow":
                await asyncio.sleep(fault.seconds if fault is not None else 0)
                await self._app(scope, receive, send)
            case _:
                await self._app(scope, receive, send)


async def _nowhere(_: Message) -> None:
    """Takes an answer that never arrives."""


def _truncating(send: Send) -> Send:
    """Sends half of the body, as a whole one."""
    start: list[Message] = []

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        half = message.get("body", b"")[: len(message.get("body", b"")) // 2]
        if start:
            headers = [(k, v) for k, v in start[0]["headers"] if k.lower() != b"content-length"]
            await send({**start.pop(), "headers": [*headers, (b"content-length", str(len(half)).encode())]})
            await send({"type": "http.response.body", "body": half, "more_body": False})

    return cut


def _own(sandbox: Sandbox) -> list[Route]:
    """What only the sandbox has: health, faults, options, truth."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "clock": sandbox.clock.now().isoformat()})

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.faults.clear()
            return Response(status_code=204)
        try:
            fault = sandbox.faults.add(**await request.json())
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(vars(fault), 201)

    async def latency(request: Request) -> Response:
        body = await request.json()
        sandbox.faults.latency_ms[body.get("vendor", "*")] = float(body["ms"])
        return Response(status_code=204)

    async def options(request: Request) -> Response:
        if request.method == "POST":
            sandbox.options.update(await request.json())
        return JSONResponse(json.loads(json.dumps(sandbox.options, default=str)))

    async def counts(_: Request) -> Response:
        return JSONResponse(sandbox.truth.counts())

    async def requests(_: Request) -> Response:
        return JSONResponse(dict(sandbox.truth.requests))

    async def entries(request: Request) -> Response:
        since = int(request.query_params.get("since", 0))
        found = sandbox.truth.of(request.path_params["vendor"], request.query_params.get("kind"), since)
        return Response(json.dumps(found, default=str), media_type="application/json")

    async def duplicates(request: Request) -> Response:
        world: Any = sandbox.world
        return JSONResponse(world.duplicates(request.path_params["zip"], request.path_params["vertical"]))

    async def defects(request: Request) -> Response:
        site = sandbox.world.site(request.path_params["host"])
        if site is None:
            return JSONResponse({"error": "no such host"}, 404)
        return JSONResponse({"behaviour": site.behaviour, "defects": sorted(site.defects), "weight_kb": site.weight_kb})

    return [
        Route("/_health", health),
        Route("/_admin/faults", faults, methods=["POST", "DELETE"]),
        Route("/_admin/latency", latency, methods=["POST"]),
        Route("/_admin/options", options, methods=["GET", "POST"]),
        Route("/_truth", counts),
        Route("/_truth/_requests", requests),
        Route("/_truth/world/duplicates/{zip}/{vertical}", duplicates),
        Route("/_truth/world/sites/{host}", defects),
        Route("/_truth/{vendor}", entries),
    ]
