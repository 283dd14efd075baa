"""The lean wire against a real server: what it reads, which connections it uses again, and what its errors say of what left."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest

from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.lean_wire import LeanWire
from leadfactory.d00_gateway.reading import whole
from sandbox.tls import Authority

OK = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: abc\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """Answers each post with the next script: parts with turns of the loop between them; None closes the connection."""

    def __init__(self) -> None:
        self.scripts: list[list[bytes | None]] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                self.requests.append(head + await reader.readexactly(int(length)))
                for part in self.scripts.pop(0) if self.scripts else [OK]:
                    if part is None:
                        return
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.005)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


@pytest.fixture
async def wire() -> AsyncIterator[LeanWire]:
    made = LeanWire(verify=ssl.create_default_context(), most_bytes=1_000)
    yield made
    await made.aclose()


async def post(wire: LeanWire, server: Server, content: bytes = b"{}", **headers: str) -> httpx.Response:
    url = f"http://127.0.0.1:{server.port}/v3/mail/send?x=1"
    request = httpx.Request("POST", url, content=content, headers=headers, extensions={"timeout": {"connect": 5}})
    return await whole(await wire.handle_async_request(request), 1_000, vendor="v", endpoint="e")


async def test_the_request_is_whole_and_the_answer_too(wire, server):
    answer = await post(wire, server, b'{"a":1}', Authorization="Bearer x")
    assert (answer.status_code, answer.headers["x-message-id"], answer.content) == (202, "abc", b"hi")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v3/mail/send?x=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}".encode() in head
    assert b"Authorization: Bearer x" in head
    assert body == b'{"a":1}'


@pytest.mark.parametrize(
    "script",
    [
        [OK[:10], OK[10:40], OK[40:]],
        [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
        [b"HTTP/1.1 202 A\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n", b"1\r\ni\r\n0\r\n\r\n"],
        [b"HTTP/1.1 202 A\r\nServer: x\r\n\r\nh", b"i", None],
    ],
    ids=["in pieces", "after a 100", "in chunks", "until the connection ends"],
)
async def test_an_answer_is_read_however_it_comes(wire, server, script):
    server.scripts = [script]
    answer = await post(wire, server)
    assert (answer.status_code, answer.content) == (202, b"hi")


async def test_posts_share_a_connection_and_at_once_each_has_its_own(wire, server):
    for _ in range(3):
        await post(wire, server)
    assert server.connections == 1
    await asyncio.gather(*(post(wire, server) for _ in range(3)))
    assert server.connections == 3


@pytest.mark.parametrize(
    "script",
    [
        [OK, None],
        [OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")],
        [OK, OK],
        [b"HTTP/1.0 202 A\r\nContent-Length: 2\r\n\r\nhi"],
    ],
    ids=["closed by the server", "told to close", "that speaks unasked", "of HTTP/1.0"],
)
async def test_a_connection_that_does_not_stand_is_not_used_again(wire, server, script):
    server.scripts = [script]
    await post(wire, server)
    await asyncio.sleep(0.03)
    assert (await post(wire, server)).content == b"hi"
    assert server.connections == 2


async def test_what_was_idle_for_long_is_not_used_again(wire, server, monkeypatch):
    await post(wire, server)
    monkeypatch.setattr("leadfactory.d00_gateway.lean_wire.IDLE_S", 0.0)
    await post(wire, server)
    assert server.connections == 2


@pytest.mark.parametrize(
    "script",
    [
        [None],
        [OK[:30], None],
        [b"nonsense\r\n\r\n"],
        [b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    ],
    ids=["nothing", "half", "no HTTP", "another protocol"],
)
async def test_of_an_answer_that_did_not_come_nobody_knows_what_happened(wire, server, script):
    server.scripts = [script]
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await post(wire, server)
    assert (await post(wire, server)).content == b"hi"


async def test_an_answer_that_is_given_up_is_nobodys(wire, server):
    server.scripts = [[b"HTTP/1.1 202 A\r\n"] + [b"X-More: y\r\n"] * 1_000]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await post(wire, server)
    assert (await post(wire, server)).content == b"hi"
    assert server.connections == 2


async def test_nobody_who_listens_is_a_connect_error(wire, server):
    server.port = 9
    with pytest.raises(httpx.ConnectError):
        await post(wire, server)


async def test_a_server_that_does_not_speak_tls_is_a_connect_error(wire, server):
    timeout = {"timeout": {"connect": 1}}
    request = httpx.Request("POST", f"https://127.0.0.1:{server.port}/", content=b"", extensions=timeout)
    with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)) as caught:
        await wire.handle_async_request(request)
    assert caught.value.__cause__ is not None
    assert server.requests == []


@pytest.mark.parametrize("encoded", [False, True])
async def test_too_large_an_answer_is_stopped(wire, server, encoded):
    body = gzip.compress(b"x" * 500_000) if encoded else b"x" * 5_000
    more = b"Content-Encoding: gzip\r\n" if encoded else b""
    server.scripts = [[b"HTTP/1.1 202 A\r\n%bContent-Length: %d\r\n\r\n" % (more, len(body)) + body]]
    with pytest.raises(VendorUnavailable, match="answer_too_large"):
        await post(wire, server)


@pytest.mark.parametrize(("method", "url"), [("GET", "http://x.example/"), ("POST", "ftp://x.example/")])
async def test_it_posts_over_http_and_nothing_else(wire, method, url):
    with pytest.raises(httpx.UnsupportedProtocol):
        await wire.handle_async_request(httpx.Request(method, url))


async def test_a_header_of_two_lines_never_leaves(wire, server):
    with pytest.raises(httpx.LocalProtocolError):
        await post(wire, server, Authorization="x\r\nX-Evil: 1")
    assert server.requests == []


@pytest.fixture
async def secured(tmp_path) -> AsyncIterator[tuple[Server, LeanWire, LeanWire]]:
    """A server with a certificate for localhost, a wire that trusts who signed it, and one that trusts the world's."""
    authority = Authority(SimpleNamespace(world=SimpleNamespace(site=lambda name: None)))  # type: ignore[arg-type]
    authority.write(tmp_path / "ca.pem")
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=authority.context)
    made.port = listening.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    wires = [LeanWire(verify=context, most_bytes=1_000) for context in (trusting, ssl.create_default_context())]
    yield made, wires[0], wires[1]
    for each in wires:
        await each.aclose()
    listening.close()


async def test_tls_carries_posts_over_one_connection_to_whom_the_certificate_names(secured):
    server, trusting, _ = secured
    for _ in range(2):
        request = httpx.Request("POST", f"https://localhost:{server.port}/x", content=b"{}")
        assert (await trusting.handle_async_request(request)).content == b"hi"
    assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize(
    ("host", "trusts"), [("localhost", False), ("127.0.0.1", True)], ids=["a stranger", "another name"]
)
async def test_nothing_leaves_to_whom_the_certificate_does_not_name(secured, host, trusts):
    server, trusting, strange = secured
    request = httpx.Request("POST", f"https://{host}:{server.port}/x", content=b"{}")
    with pytest.raises(httpx.ConnectError) as caught:
        await (trusting if trusts else strange).handle_async_request(request)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert server.requests == []
