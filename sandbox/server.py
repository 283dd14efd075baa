"""One port for everything: plain HTTP and TLS on TCP, told apart by the first byte, and DNS on UDP."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import struct
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from sandbox.api import VendorApi
from sandbox.dns import DnsProtocol
from sandbox.sites.app import Gone, Websites
from sandbox.state import Sandbox
from sandbox.tls import Authority

TLS_HANDSHAKE = 0x16
FREE_PORT_TRIES = 20
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends a reset instead of a farewell


class PortTaken(RuntimeError):
    """Somebody else listens on the port."""


class ByHost:
    """The vendors' APIs for local names, the businesses' websites for all others."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._vendors, self._websites = VendorApi(sandbox), Websites(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Routes one request by its Host header."""
        host = next((value for name, value in scope.get("headers", []) if name == b"host"), b"").decode("latin-1")
        app: ASGIApp = self._vendors if is_local(host) else self._websites
        await app(scope, receive, send)


def is_local(host: str) -> bool:
    """Whether a Host header names this machine or container: an address, or a name without a dot. Websites have dots."""
    bare = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(bare))
    return "." not in bare


class _Connection(HttpToolsProtocol):
    """uvicorn's HTTP protocol, whose connection the app may drop without an answer by raising Gone."""

    def __init__(self, app: ASGIApp, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._real = app
        self.app = self._or_drop

    async def _or_drop(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._real(scope, receive, send)
        except (Gone, asyncio.CancelledError):  # cancelled: the sandbox stops while a visitor waits
            raw = self.transport.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:  # the visitor may have left already
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
            if self.cycle is not None:
                self.cycle.response_started = self.cycle.response_complete = True


class Server:
    """The sandbox on one port; ``await start()``, then ``await stop()``."""

    def __init__(self, sandbox: Sandbox, *, host: str, port: int, ca_file: Path | None) -> None:
        self._host, self.port = host, port
        self._authority = Authority(sandbox)
        if ca_file is not None:
            self._authority.write(ca_file)
        self._sandbox = sandbox
        self._app = ByHost(sandbox)
        self._config = uvicorn.Config(
            self._app, log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_keep_alive=30
        )
        self._config.load()
        self._state = ServerState()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: list[Any] = []

    async def start(self) -> None:
        """Binds TCP and UDP on the same port number; raises PortTaken."""
        listener, transport = await self._bind()
        self.port = int(listener.getsockname()[1])
        listener.setblocking(False)
        self._closing += [listener, transport]
        self._spawn(self._accept(listener))

    async def _bind(self) -> tuple[socket.socket, asyncio.DatagramTransport]:
        """A TCP listener and a UDP endpoint of one number; for port 0 until a number is free for both."""
        loop = asyncio.get_running_loop()
        for _ in range(FREE_PORT_TRIES if self.port == 0 else 1):
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((self._host, self.port))
                listener.listen(1024)
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: DnsProtocol(self._sandbox), local_addr=(self._host, listener.getsockname()[1])
                )
            except OSError as error:
                listener.close()
                if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                    raise
            else:
                return listener, transport
        raise PortTaken(f"port {self.port} on {self._host} is taken: stop what listens there or choose another --port")

    async def stop(self) -> None:
        """Closes everything."""
        for each in self._closing:
            each.close()
        for connection in list(self._state.connections):
            with contextlib.suppress(Exception):
                connection.shutdown()
        for task in list(self._tasks):
            task.cancel()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._welcome(connection))

    async def _welcome(self, connection: socket.socket) -> None:
        """Waits for the first byte without taking it, then hands the connection to HTTP, through TLS when it asks for it."""
        loop = asyncio.get_running_loop()
        try:
            first = await asyncio.wait_for(_peek(loop, connection), 30)
            if not first:
                connection.close()
                return
            tls = self._authority.context if first[0] == TLS_HANDSHAKE else None
            await loop.connect_accepted_socket(
                lambda: _Connection(self._app, self._config, self._state),
                connection,
                ssl=tls,
                ssl_handshake_timeout=10 if tls else None,
            )
        except (OSError, TimeoutError):
            connection.close()


async def _peek(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    while True:
        try:
            return connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            readable = loop.create_future()
            loop.add_reader(connection.fileno(), _wake, readable)
            try:
                await readable
            finally:
                loop.remove_reader(connection.fileno())


def _wake(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
