"""The gate that every request passes: limits before any work is done, one line in the access log after, one answer to every fault.

The line names the route, never the path or its query, which may hold tokens; what no route takes is ``unmatched``.
"""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge import clients, errors
from edge.limits import Limits

log = logging.getLogger(__name__)
access = logging.getLogger("leadfactory.access")
_VENDORS = "/webhooks/"  # signed, in bursts from few machines, with limits of their own
_WATCHED = ("/health", "/metrics")  # asked by load balancers and Prometheus
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Refused(Exception):
    """The request is not taken, or its body not read to the end."""

    def __init__(self, status: int, wait_s: int = 0) -> None:
        super().__init__(status)
        self.status = status
        self.headers = {"Retry-After": str(wait_s)} if wait_s else {}


class Gate:
    """Below the security headers, above everything else."""

    def __init__(self, app: ASGIApp, limits: Limits, trusted_proxies: str) -> None:
        """``trusted_proxies``: LEADFACTORY_TRUSTED_PROXIES."""
        self._app, self._limits, self._trusted = app, limits, trusted_proxies
        self._under_way = 0
        clients.networks(trusted_proxies)  # a wrong one is told at start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it; notes what became of it either way."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        told = _Told(time.monotonic())

        async def counted(message: Message) -> None:
            told.hear(message)
            await send(message)

        self._under_way += 1
        try:
            await self._serve(scope, receive, counted, told)
        except BaseException:
            told.status = told.status or 499  # the client is gone, or the process ends
            raise
        finally:
            self._under_way -= 1
            self._note(scope, told)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, told: _Told) -> None:
        accept = Headers(scope=scope).get("accept", "")
        body = _Body(receive, scope, self._limits)
        try:
            self._check(scope)
            await self._ask(scope, body, send, told)
        except _Refused as error:
            if told.status:
                raise
            await errors.answer(accept, error.status, error.headers)(scope, body.receive, send)
        except Exception as error:  # whatever it is, the client gets one uniform answer
            if told.status:
                raise  # what has begun cannot be answered otherwise: the server cuts it off
            late = isinstance(error, TimeoutError) and time.monotonic() - told.started >= self._limits.config.answer_s
            said = f"no answer within {self._limits.config.answer_s:g} s" if late else type(error).__name__
            log.error("request failed: %s: %s", _where(scope), said, exc_info=not late)
            answer = errors.answer(accept, 503, {"Retry-After": "30"}) if late else errors.answer(accept, 500)
            await answer(scope, body.receive, send)

    async def _ask(self, scope: Scope, body: _Body, send: Send, told: _Told) -> None:
        async with asyncio.timeout(self._limits.config.answer_s) as limit:
            told.begun = lambda: limit.reschedule(None)  # a long download may take what it takes
            try:
                await self._app(scope, body.receive, send)
            finally:
                told.begun = lambda: None

    def _check(self, scope: Scope) -> None:
        config = self._limits.config
        if self._under_way > config.at_once:
            raise _Refused(503, 1)
        if len(scope["path"]) + len(scope.get("query_string", b"")) > config.url_letters:
            raise _Refused(414)
        connection = HTTPConnection(scope)
        path = scope["path"]
        if path.startswith(_VENDORS) or path in _WATCHED or clients.is_this_machine(connection):
            return
        stop = scope["method"] == "POST" and path.startswith("/u/")
        wait_s = self._limits.public(clients.address(connection, self._trusted), stop=stop)
        if wait_s:
            raise _Refused(429, wait_s)

    def _note(self, scope: Scope, told: _Told) -> None:
        client = clients.address(HTTPConnection(scope), self._trusted)
        milliseconds = round((time.monotonic() - told.started) * 1000)
        fields = {
            "client": client, "method": _method(scope), "route": _route(scope), "status": told.status or 499,
            "bytes": told.bytes, "ms": milliseconds, "actor": scope["state"].get("actor", "-"),
        }  # fmt: skip
        access.info("%s %s %d", fields["method"], fields["route"], fields["status"], extra={"facts": fields})


class _Told:
    """What was answered so far."""

    def __init__(self, started: float) -> None:
        self.started, self.status, self.bytes = started, 0, 0
        self.begun = lambda: None

    def hear(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.begun()
        elif message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))


class _Body:
    """The request's body within its size and time."""

    def __init__(self, receive: Receive, scope: Scope, limits: Limits) -> None:
        self._receive, self._config = receive, limits.config
        self._limited = not scope["path"].startswith(_VENDORS)
        self._until = time.monotonic() + limits.config.body_s
        self._size, self._read = 0, False
        announced = Headers(scope=scope).get("content-length", "")
        self._too_large = self._limited and announced.isdecimal() and int(announced[:20]) > limits.config.body_bytes

    async def receive(self) -> Message:
        if self._too_large:
            raise _Refused(413)
        if self._read:  # nothing but the client's leaving is waited for
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise _Refused(408) from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._read = not message.get("more_body", False)
            if self._limited and self._size > self._config.body_bytes:
                raise _Refused(413)
        return message


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _where(scope: Scope) -> str:
    return f"{_method(scope)} {_route(scope)}"
