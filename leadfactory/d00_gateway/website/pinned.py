"""The network below the website client: judges every hop, connects to the very address it judged, bounds what it reads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from leadfactory.d00_gateway.errors import VendorRejected
from leadfactory.d00_gateway.website import certificates, guard
from leadfactory.d00_gateway.website.limits import Patience, SiteLimits
from leadfactory.d00_gateway.website.reading import Body, TooLarge
from leadfactory.d00_gateway.website.resolver import resolve
from leadfactory.settings import Settings

MOST_ADDRESSES = 3  # of one name, tried in order


@functools.lru_cache(maxsize=4)
def _verifying(authority: str | None) -> ssl.SSLContext:
    """The public authorities, and with ``authority`` (PEM) the sandbox's too: 20 ms to read, so once a process."""
    context = httpx.create_ssl_context(trust_env=False)
    if authority is not None:
        context.load_verify_locations(cadata=authority)
    return context


class PinnedTransport(httpx.AsyncBaseTransport):
    """One request at a time to a judged host; connections are kept per host name, so no certificate serves two names.

    Request extensions: ``patience`` (a Patience), ``cut_at`` (keep that many bytes of a longer body instead of refusing
    it), ``unverified`` (the host's certificate is known not to verify: read it all the same). Response extensions: ``wire_encoding``, the Content-Encoding it came in, empty for none; ``certificate`` (a
    Certificate, None without TLS or unverified); ``declared_bytes``, the Content-Length or None; and ``location``, which is no
    header of the response because httpx raises over one that it cannot read.
    """

    def __init__(self, settings: Settings, limits: SiteLimits) -> None:
        self._limits = limits
        sandbox = settings.env != "production" and bool(settings.website_gateway)
        ours = settings.website_ca_file if sandbox else None
        verify = _verifying(ours.read_text() if ours is not None and ours.is_file() else None)
        self._network = _JudgedNetwork(settings.website_resolver, settings.website_gateway if sandbox else "")
        self._pool = self._pool_with(verify)
        self._unverified_pool: httpcore.AsyncConnectionPool | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer, decoded, with its body read.

        Raises:
            VendorRejected: ``blocked_address``, ``dns_failure``, ``refused``, ``tls_error`` or ``too_large``.
            VendorUnavailable: ``dns_unavailable``.
            httpx.HTTPError: as httpx's own transport; ReadTimeout when the first byte or the whole takes too long.
        """
        host = guard.judge_url(request.url)
        patience = request.extensions.get("patience") or Patience(self._limits.total_s)
        with patience.counting(), _translated():
            try:
                async with asyncio.timeout(patience.left_s):
                    return await self._ask(request, host)
            except TimeoutError:
                raise httpx.ReadTimeout("the site took too long", request=request) from None

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._pool.aclose()
        if self._unverified_pool is not None:
            await self._unverified_pool.aclose()

    def _pool_with(self, tls: ssl.SSLContext) -> httpcore.AsyncConnectionPool:
        return httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=32,
            max_keepalive_connections=8,
            keepalive_expiry=2.0,  # a host is asked a few times in a row; httpcore looks through all kept ones at each request
            network_backend=self._network,
        )

    def _pool_for(self, request: httpx.Request) -> httpcore.AsyncConnectionPool:
        """The verifying pool, or for a host whose certificate failed there one that believes any: what it reads is public."""
        if not request.extensions.get("unverified"):
            return self._pool
        if self._unverified_pool is None:
            self._unverified_pool = self._pool_with(httpx.create_ssl_context(verify=False, trust_env=False))
        return self._unverified_pool

    async def _ask(self, request: httpx.Request, host: str) -> httpx.Response:
        port = guard.PORTS[request.url.scheme]
        asked = httpcore.Request(
            request.method,
            httpcore.URL(scheme=request.url.scheme, host=host, port=port, target=request.url.raw_path),
            headers=[(b"Host", host.encode()), *((k, v) for k, v in request.headers.raw if k.lower() != b"host")],
            content=request.stream,
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        async with asyncio.timeout(self._limits.first_byte_s):
            answer = await self._pool_for(request).handle_async_request(asked)
        try:
            headers = httpx.Headers(answer.headers)
            unverified = bool(request.extensions.get("unverified"))
            certificate = None if unverified else certificates.of_handshake(_tls_of(answer))
            declared = headers.get("content-length", "")
            encoding = "" if request.method == "HEAD" else headers.get("content-encoding", "")
            cut_at = request.extensions.get("cut_at")
            body = Body(encoding, most=cut_at or self._limits.body_bytes, cut=cut_at is not None)
            async for chunk in answer.aiter_stream():
                if not body.add(chunk):
                    break
        except TooLarge as error:
            raise VendorRejected("website", "page", "too_large", status=answer.status, detail=str(error)) from None
        finally:
            await answer.aclose()
        extensions: dict[str, Any] = {"wire_encoding": body.encoding, "location": headers.get("location", "")}
        extensions["certificate"] = certificate
        extensions["declared_bytes"] = int(declared) if declared.isdecimal() and len(declared) < 16 else None
        for name in ("content-encoding", "content-length", "transfer-encoding", "location"):
            headers.pop(name, None)
        return httpx.Response(
            answer.status, headers=headers, content=body.content(), request=request, extensions=extensions
        )


def _tls_of(answer: httpcore.Response) -> ssl.SSLObject | None:
    stream: httpcore.AsyncNetworkStream | None = answer.extensions.get("network_stream")
    return stream.get_extra_info("ssl_object") if stream is not None else None


class _JudgedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once, judges all its addresses and connects to one of them: the name cannot change in between."""

    def __init__(self, resolver: str, gateway: str) -> None:
        self._resolver, self._gateway = resolver, gateway
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await resolve(host, self._resolver)
        judged = guard.judge_addresses(host, addresses, allow_sandbox=bool(self._gateway))[:MOST_ADDRESSES]
        for position, address in enumerate(judged, start=1):
            target, at = address, port
            if self._gateway and guard.is_sandbox(address):
                target, at = self._gateway.rpartition(":")[0], int(self._gateway.rpartition(":")[2])
            try:
                return await self._network.connect_tcp(
                    target, at, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except httpcore.ConnectError:
                if position == len(judged):
                    raise
        raise AssertionError("unreachable: judge_addresses returns at least one address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """httpcore's errors as httpx's of the same name; a refused port or a failed handshake as the site's own fault."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                told = getattr(cause, "verify_message", "") or cause.reason or "handshake failed"
                if isinstance(cause, ssl.SSLCertVerificationError):
                    told = f"{certificates.UNVERIFIED}: {told}"
                raise VendorRejected("website", "page", "tls_error", detail=str(told)) from None
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            raise VendorRejected("website", "page", "refused", detail="nothing listens at the site's address") from None
        raise getattr(httpx, type(error).__name__)(str(error)) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    at: BaseException | None = error
    while at is not None:
        yield at
        at = at.__cause__ or at.__context__
