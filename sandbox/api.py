"""The vendors' APIs under their prefixes, with the faults that are on in front of them."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import admin
from sandbox.faults import Fault
from sandbox.sites.app import Gone
from sandbox.state import Sandbox

VENDORS = ("yelp", "places", "pagespeed", "openai", "sendgrid", "stripe")


class VendorApi:
    """The ASGI app for local names. Vendors keep books of their own, so a reset builds them anew."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._build()

    def _build(self) -> None:
        modules = {name: importlib.import_module(f"sandbox.vendors.{name}") for name in VENDORS}
        mounts = [Mount(f"/{name}", app=Faulty(name, module, self._sandbox)) for name, module in modules.items()]
        # A bare router: Starlette's error page would answer where a connection is to be dropped.
        self._app = Router(routes=[*admin.routes(self._sandbox, self._build), *mounts])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Routes one request."""
        await self._app(scope, receive, send)


class Faulty:
    """One vendor's API with the faults that are on: drawn before, applied as a vendor would fail."""

    def __init__(self, vendor: str, module: Any, sandbox: Sandbox) -> None:
        self._vendor, self._module, self._sandbox = vendor, module, sandbox
        self._app: ASGIApp = Starlette(routes=module.routes(sandbox))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, fails, or processes and loses the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        latency = self._sandbox.faults.latency_of(self._vendor)
        if latency:
            await asyncio.sleep(latency / 1000)
        fault = self._sandbox.faults.draw(self._vendor)
        status: list[int] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            await send(message)

        try:
            await self._with(fault, scope, receive, noting)
        finally:
            told = status[0] if status else fault.kind if fault is not None else "dropped"
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
                await self._lose(scope, receive, send)
            case "late":
                await self._delay(scope, receive, send, fault.seconds if fault is not None else 0)
            case "malformed":
                await self._app(scope, receive, _truncating(send))
            case "slow":
                await asyncio.sleep(fault.seconds if fault is not None else 0)
                await self._app(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _delay(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        """Processes at once and answers later, to whoever still waits."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        await asyncio.sleep(seconds)
        for message in answer:
            await send(message)

    async def _lose(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Processes, then drops the connection; what the vendor refuses is answered, for nothing was accepted."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        if answer and answer[0]["status"] < 400:
            raise Gone
        for message in answer:
            await send(message)


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
