"""A lean HTTP/1.1 wire for many small posts to one host: one protocol object a connection, parsed in C.

For calls whose number is what they cost, such as mails: httpx's own wire spends several times as much processor time on a post.
It knows POST with a body of known length, keep-alive and TLS, and nothing else: no redirects, cookies, proxies, upgrades or streams.
How many connections there are is the caller's semaphore's matter, how long an attempt may take the caller's deadline. Errors are
httpx's, with httpx's meaning: what is raised before a byte can have left is a ConnectError or ConnectTimeout.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import httptools
import httpx

IDLE_S = 5.0  # as httpx: what was idle for longer is closed, for the server may be closing it
_PIECE = 16_384
_PORTS = {"http": 80, "https": 443}
_OF_THE_WIRE = {b"content-length", b"transfer-encoding", b"connection", b"keep-alive"}


class LeanWire(httpx.AsyncBaseTransport):
    """Connections of one event loop to the hosts that are posted to. Of an answer not much more than ``most_bytes`` is read."""

    def __init__(self, *, verify: ssl.SSLContext, most_bytes: int) -> None:
        self._verify, self._most_bytes = verify, most_bytes
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Posts once.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: nothing left. httpx.ReadError, httpx.RemoteProtocolError: nobody knows.
            httpx.UnsupportedProtocol, httpx.LocalProtocolError: no POST over http or https, or a header of two lines; nothing left.
        """
        scheme, host = request.url.scheme, request.url.raw_host.decode("ascii")
        if request.method != "POST" or scheme not in _PORTS:
            raise httpx.UnsupportedProtocol(
                f"{request.method} {scheme}: this wire posts over http or https", request=request
            )
        body = await request.aread()
        origin = (scheme, host, request.url.port or _PORTS[scheme])
        head = _head(request)
        connection = self._reusable(origin) or await self._connect(origin, request)
        try:
            status, headers, content = await connection.post(head + body)
        except BaseException:  # an answer that nobody waits for must not be read as the next one's
            connection.close()
            raise
        if connection.goes_on:
            connection.idle_since = time.monotonic()
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.close()
        if any(name.lower() == b"content-encoding" for name, _ in headers):  # nobody asked for one
            return httpx.Response(status, headers=headers, stream=_Pieces(content))
        return httpx.Response(status, headers=headers, content=content)

    async def aclose(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    def _reusable(self, origin: tuple[str, str, int]) -> _Connection | None:
        """The connection that was used last, if it still stands."""
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if time.monotonic() - connection.idle_since < IDLE_S and connection.stands:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: tuple[str, str, int], request: httpx.Request) -> _Connection:
        scheme, host, port = origin
        tls: dict[str, Any] = {"ssl": self._verify, "server_hostname": host} if scheme == "https" else {}
        seconds = request.extensions.get("timeout", {}).get("connect")
        try:
            async with asyncio.timeout(seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._most_bytes), host, port, happy_eyeballs_delay=0.25, **tls
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection to {host}:{port} within {seconds} s", request=request) from error
        except (OSError, ssl.CertificateError) as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return connection


def _head(request: httpx.Request) -> bytes:
    lines = [b"POST %b HTTP/1.1" % request.url.raw_path]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        raise httpx.LocalProtocolError("a header holds a line break", request=request)
    return b"\r\n".join((*lines, b"", b""))


class _Pieces(httpx.AsyncByteStream):
    """An encoded body in pieces, so that whoever decodes it can stop."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._content), _PIECE):
            yield self._content[at : at + _PIECE]


class _Connection(asyncio.Protocol):
    """One connection with one answer under way at most."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._transport: asyncio.Transport | None = None
        self._readable = select.poll()
        self._answer: asyncio.Future[tuple[int, list[tuple[bytes, bytes]], bytes]] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self.idle_since = 0.0
        self.goes_on = False

    # -- for the wire ------------------------------------------------------------------------------------------------

    @property
    def stands(self) -> bool:
        """Whether it is open and silent: a closing server, and one that speaks unasked, are both readable."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and not self._readable.poll(0)

    async def post(self, payload: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Writes a whole request and waits for the whole answer."""
        if self._transport is None or self._transport.is_closing():
            raise httpx.ConnectError("the connection was closed before anything was written")
        self._answer = asyncio.get_running_loop().create_future()
        self._begin()
        self._transport.write(payload)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # -- asyncio's ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done() or self._parser is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(httpx.RemoteProtocolError("the server wants another protocol"))
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(str(error)))

    def eof_received(self) -> bool:
        """A body without a length ends with its connection."""
        if self._answer is not None and not self._answer.done() and self._parser is not None:
            lengthless = not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers)
            if self._headers and lengthless:
                self._done(goes_on=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        told = "the server closed the connection without an answer" if exc is None else str(exc)
        self._fail(httpx.RemoteProtocolError(told) if exc is None else httpx.ReadError(told))
        self._transport = None

    # -- httptools' --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._body = [], bytearray()
        self.goes_on = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > self._most_bytes:  # whoever asked sees that it is too much
            self._done(goes_on=False)
            self.close()

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if 100 <= self._parser.get_status_code() < 200:  # "100 Continue": the answer follows
            self._headers = []
            return
        self._done(goes_on=self._parser.should_keep_alive())

    def _done(self, *, goes_on: bool) -> None:
        if self._answer is None or self._answer.done() or self._parser is None:
            return
        self.goes_on = goes_on
        headers = [(name, value) for name, value in self._headers if name.lower() not in _OF_THE_WIRE]
        self._answer.set_result((self._parser.get_status_code(), headers, bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
