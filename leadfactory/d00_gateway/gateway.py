"""The gateway: the one object through which every vendor call of a process goes, and what is bound to its event loops."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

import httpx

from leadfactory import logs, reloading
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import redaction
from leadfactory.d00_gateway.cache import Flights
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.scope import BUSINESS, SCOPE, SPEC, CallScope, CallSpec, within
from leadfactory.database import Database
from leadfactory.settings import Settings

if TYPE_CHECKING:
    from leadfactory.d00_gateway.transport import GatewayTransport

log = logging.getLogger(__name__)


class _Bound:
    """What belongs to one event loop: the ledger's writer, HTTP clients, semaphores, calls under way by cache key."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        from leadfactory.d00_gateway.writer import Writer  # drivers and transports load with the first call

        self.writer = Writer(gateway.db, clock=gateway.clock, policies=gateway.policies, reloaded=gateway.reloaded)
        self.flights = Flights()
        self.users = 0
        self.ready = asyncio.Lock()
        self._transports: dict[tuple[str, object], GatewayTransport] = {}
        self._clients: dict[tuple[str, object], httpx.AsyncClient] = {}
        self._at_once: dict[str, asyncio.Semaphore] = {}

    def transport(self, vendor: str, wire: Callable[[], httpx.AsyncBaseTransport] | None) -> GatewayTransport:
        if (vendor, wire) not in self._transports:
            policy = self.gateway.policies.of(vendor)
            at_once = self._at_once.setdefault(vendor, asyncio.Semaphore(policy.concurrency))
            limits = httpx.Limits(max_connections=policy.concurrency, max_keepalive_connections=policy.concurrency)
            network = wire() if wire is not None else httpx.AsyncHTTPTransport(limits=limits, verify=trusted())
            from leadfactory.d00_gateway.transport import GatewayTransport

            self._transports[vendor, wire] = GatewayTransport(
                vendor, network, policy=policy, writer=self.writer, flights=self.flights, at_once=at_once,
                longest_storage=self.gateway.policies.longest_storage(vendor), clock=self.gateway.clock,
            )  # fmt: skip
        return self._transports[vendor, wire]

    def http(self, vendor: str, wire: Callable[[], httpx.AsyncBaseTransport] | None) -> httpx.AsyncClient:
        if (vendor, wire) not in self._clients:
            transport = self.transport(vendor, wire)
            timeout = self._timeout(vendor)
            self._clients[vendor, wire] = httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
        return self._clients[vendor, wire]

    async def post(
        self, vendor: str, wire: Callable[[], httpx.AsyncBaseTransport], url: str, content: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:  # fmt: skip
        timeout = self._timeout(vendor).as_dict()
        request = httpx.Request("POST", url, headers=headers, content=content, extensions={"timeout": timeout})
        response = await self.transport(vendor, wire).handle_async_request(request)
        response.request = request
        return response

    def _timeout(self, vendor: str) -> httpx.Timeout:
        policy = self.gateway.policies.of(vendor)
        return httpx.Timeout(policy.timeout_s, connect=policy.connect_timeout_s)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        for transport in self._transports.values():
            await transport.aclose()
        self._clients.clear()
        self._transports.clear()
        await self.writer.close()


class Gateway:
    """Rates, budgets, breakers, retries, cache and ledger in front of every vendor; safe to share by threads and loops."""

    def __init__(self, db: Database, *, clock: Clock, settings: Settings, policies: Policies | None = None) -> None:
        self.db, self.clock, self.settings = db, clock, settings
        self.policies = policies or Policies.for_settings(settings)
        self._own_policies = policies is not None
        self._bound: dict[asyncio.AbstractEventLoop, _Bound] = {}
        self._lock = threading.Lock()
        self._unusable_headers: Counter[tuple[str, str]] = Counter()
        redaction.guard_loggers()

    @contextlib.asynccontextmanager
    async def running(self, *, unit: CampaignDay | None = None, asset: str | None = None) -> AsyncIterator[CallScope]:
        """Opens what is bound to the running loop and attributes the calls inside to ``unit`` and ``asset``.

        Re-entrant: the outermost block of a loop opens and closes; inner scopes count into the outer ones too. On exit
        every started call is settled in the ledger and unused permits go back.

        Raises:
            DatabaseUnavailable: when the ledger cannot be opened, or could not be written before the exit.
        """
        bound = self._of_loop()
        bound.users += 1
        try:
            async with bound.ready:
                await bound.writer.open()
            scope = CallScope(unit=unit, asset=asset, outer=SCOPE.get())
            try:
                with within(SCOPE, scope):
                    yield scope
            finally:
                await asyncio.shield(bound.writer.flush())
        finally:
            bound.users -= 1
            if bound.users == 0:
                with self._lock:
                    self._bound.pop(asyncio.get_running_loop(), None)
                    self._unusable_headers += bound.writer.unusable_headers
                await asyncio.shield(bound.close())

    @contextlib.contextmanager
    def about(self, business_id: UUID) -> Iterator[None]:
        """Attributes the calls inside to a business, whose lead budget then bounds them."""
        with within(BUSINESS, business_id), logs.bound(lead=business_id):
            yield

    @contextlib.contextmanager
    def calling(self, spec: CallSpec) -> Iterator[None]:
        """Describes the one call made inside, be it through httpx or through an SDK."""
        with within(SPEC, spec):
            yield

    def http(self, vendor: str, *, wire: Callable[[], httpx.AsyncBaseTransport] | None = None) -> httpx.AsyncClient:
        """The client of the running loop for ``vendor``; every request of it needs a ``calling(spec)`` around it.

        Args:
            vendor: a vendor of config/vendors.yaml.
            wire: makes the network transport below ours, once per loop; pass the same function object every time. What
                it raises as VendorError keeps its meaning; ``left_the_house=False`` on a VendorUnavailable is believed.

        Responses carry in ``extensions``: ``call_id``, ``cache_hit``, ``fetched_at``, ``expires_at`` (None when not
        cached), ``latency_ms`` and, where the vendor answers JSON, ``json`` (the body decoded once; do not change it).

        Raises:
            RuntimeError: outside ``running()``.
            VendorUnavailable, VendorRejected: out of the client's methods.
        """
        return self._running(vendor).http(vendor, wire)

    async def post(
        self, vendor: str, url: str, *, content: bytes, headers: Mapping[str, str], wire: Callable[[], httpx.AsyncBaseTransport]
    ) -> httpx.Response:  # fmt: skip
        """One post through the same gateway without a client around it: for calls whose number is what they cost.

        Everything that the gateway does is done; what a client would add is not: no redirects (which ours do not follow
        either), no cookies, no default headers.

        Raises:
            RuntimeError: outside ``running()``. VendorUnavailable, VendorRejected: as the gateway says.
        """
        return await self._running(vendor).post(vendor, wire, url, content, headers)

    def reloaded(self, reload_id: int) -> Policies:
        """The policies under the configuration of that number; a file that became wrong since it was checked changes nothing."""
        reloading.follow(reload_id)
        if not self._own_policies:
            try:
                self.policies = Policies.for_settings(self.settings)
            except ValueError:
                log.exception("config/vendors.yaml is wrong; vendors are called by the rates that held before")
        return self.policies

    def unusable_headers(self) -> Counter[tuple[str, str]]:
        """How often each vendor sent a rate header that could not be read, by (vendor, header); since the process started."""
        return sum((bound.writer.unusable_headers for bound in self._bound.values()), self._unusable_headers)

    def _running(self, vendor: str) -> _Bound:
        loop = asyncio.get_running_loop()
        if loop not in self._bound:
            raise RuntimeError(
                f"a call to {vendor} needs `async with gateway.running(...)` around it in this event loop"
            )
        return self._bound[loop]

    def _of_loop(self) -> _Bound:
        loop = asyncio.get_running_loop()
        with self._lock:
            for gone in [known for known in self._bound if known.is_closed()]:
                del self._bound[gone]
            if loop not in self._bound:
                self._bound[loop] = _Bound(self)
            return self._bound[loop]


_gateways: dict[tuple[int, int | None], Gateway] = {}
_gateways_lock = threading.Lock()


@functools.cache
def trusted() -> ssl.SSLContext:
    """The authorities that vendors' certificates are checked against: 25 ms to read, so once a process."""
    return httpx.create_ssl_context()


def shared(settings: Settings, db: Database | None = None) -> Gateway:
    """The gateway of this process for ``settings`` (and ``db``): the same object at every call.

    Raises:
        DatabaseUnavailable: when ``db`` is None and the configured database cannot be found or started.
    """
    key = (id(settings), None if db is None else id(db))  # the gateway keeps both alive, so an id stays theirs
    with _gateways_lock:
        if key not in _gateways:
            _gateways[key] = Gateway(db or Database.from_settings(settings), clock=settings.clock, settings=settings)
        return _gateways[key]
