"""The transport below every client and SDK: each attempt gets its permit, reservation and ledger row before it leaves."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import math
import random
import ssl
import time

import httpx

from leadfactory import crash_points, flow
from leadfactory.clock import Clock
from leadfactory.d00_gateway import cache, policies, reading
from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.ledger import Call, Ending, Hit, Permit
from leadfactory.d00_gateway.policies import VendorPolicy
from leadfactory.d00_gateway.redaction import redact
from leadfactory.d00_gateway.scope import BUSINESS, SCOPE, SPEC, CallSpec
from leadfactory.d00_gateway.writer import Writer

__all__ = ["CallSpec", "GatewayTransport"]
# Errors that httpx raises before the first byte of a request can have left.
_NEVER_LEFT = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.LocalProtocolError,
)  # fmt: skip

_MOST_MICROUSD = 10**12  # a million dollars for one call: beyond it a vendor's count of its own work is an error


@dataclasses.dataclass(frozen=True)
class _Outcome:
    """How one attempt ended: a response that may come back, or the error it means."""

    response: httpx.Response | None
    error: VendorError | None


class GatewayTransport(httpx.AsyncBaseTransport):
    """Makes the attempts of one vendor's calls over ``wire``; bound to one event loop."""

    def __init__(
        self, vendor: str, wire: httpx.AsyncBaseTransport, *, policy: VendorPolicy, writer: Writer, flights: cache.Flights,
        at_once: asyncio.Semaphore, longest_storage: dt.timedelta | None, clock: Clock,
    ) -> None:  # fmt: skip
        self.vendor, self.policy, self.clock = vendor, policy, clock
        self._wire, self._writer, self._flights, self._at_once = wire, writer, flights, at_once
        self._longest_storage = longest_storage

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Runs the call that ``calling(spec)`` describes: cache, permit, attempt, retry.

        Raises:
            VendorUnavailable, VendorRejected: the call gave no usable answer.
            RuntimeError: there is no spec around the request; such a call cannot be accounted for.
        """
        spec = SPEC.get()
        if spec is None:
            raise RuntimeError(f"a request to {self.vendor} was made outside gateway.calling(spec): nothing was sent")
        call = self._describe(spec, request, await request.aread())
        if call.cache_for is None:
            return await self._attempts(request, call)
        async with self._flights.one(call.request_hash):  # a stampede of equal look-ups becomes one call
            return await self._attempts(request, call)

    async def aclose(self) -> None:
        await self._wire.aclose()

    def _describe(self, spec: CallSpec, request: httpx.Request, body: bytes) -> Call:
        scope, today = SCOPE.get(), self.clock.today()
        return Call(
            vendor=self.vendor, spec=spec, scope=scope, business_id=BUSINESS.get(), occurred_on=today,
            request_hash=cache.request_hash(request, body), cache_for=self._cache_for(spec, request),
            deadline=math.inf,
        )  # fmt: skip

    def _cache_for(self, spec: CallSpec, request: httpx.Request) -> dt.timedelta | None:
        # POSTs are kept only where the vendor's look-ups are POSTs; the policy says which vendors may be kept at all.
        if spec.cache_for is None or not self.policy.caches or not spec.safe_to_retry:
            return None
        life = spec.cache_for if self._longest_storage is None else min(spec.cache_for, self._longest_storage)
        return life if life > dt.timedelta() else None

    async def _attempts(self, request: httpx.Request, call: Call) -> httpx.Response:
        most = self.policy.retry.attempts if call.spec.safe_to_retry else 1
        for attempt in range(1, most + 1):
            async with self._at_once:
                if attempt == 1:  # the deadline does not run while other calls of this process are in front
                    seconds = call.spec.deadline_s or self.policy.deadline_s
                    call = dataclasses.replace(call, deadline=time.monotonic() + seconds)
                begun = await self._begin(call, attempt)
                if isinstance(begun, Hit):
                    return cache.response(begun, request)
                outcome = await self._attempt(request, call, begun)
            if outcome.error is None and outcome.response is not None:
                return outcome.response
            assert outcome.error is not None
            pause = self._pause(outcome.error, attempt, most, call.deadline)
            if pause is None:
                raise outcome.error
            await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _begin(self, call: Call, attempt: int) -> Permit | Hit:
        while True:
            begun = await self._writer.start(call, attempt)
            if isinstance(begun, Hit):
                if call.scope is not None:
                    call.scope.count_hit()
                return begun
            # In turn a permit does not lapse: how slow this machine is must not decide what is done.
            if time.monotonic() <= begun.use_before or flow.takes_turns():
                if call.scope is not None:
                    call.scope.count_attempt(self.vendor)
                return begun
            # The permit lapsed while this task waited for its turn: sending now would count in a later window.
            self._writer.settle(Ending(call, begun, status="not_sent", reason="permit_lapsed"))

    def _pause(self, error: VendorError, attempt: int, most: int, deadline: float) -> float | None:
        """Seconds until the next attempt: full jitter, never earlier than the vendor asks, never past the deadline."""
        if attempt >= most or not isinstance(error, VendorUnavailable) or error.reason in policies.NOT_RETRIED:
            return None
        retry = self.policy.retry
        pause = random.uniform(0, min(retry.cap_s, retry.base_s * 2 ** (attempt - 1)))
        if error.retry_at is not None:
            pause += max(0.0, (error.retry_at - dt.datetime.now(dt.UTC)).total_seconds())
        return pause if time.monotonic() + pause < deadline else None

    async def _attempt(self, request: httpx.Request, call: Call, permit: Permit) -> _Outcome:
        sent_at = time.monotonic()
        settled = False
        try:
            async with asyncio.timeout(self._attempt_timeout(request)):
                crash_points.reached(crash_points.BEFORE_CALL)
                response = await reading.whole(
                    await self._wire.handle_async_request(request), self.policy.most_answer_bytes,
                    vendor=self.vendor, endpoint=call.spec.endpoint,
                )  # fmt: skip
                crash_points.reached(crash_points.AFTER_CALL)
            latency_ms = round((time.monotonic() - sent_at) * 1000)
            response.elapsed = dt.timedelta(milliseconds=latency_ms)
            ending, outcome = self._judge(response, call, permit, latency_ms)
            self._writer.settle(ending)
            settled = True
        except (httpx.HTTPError, TimeoutError, VendorError) as error:
            ending, failure = self._broken(error, call, permit, round((time.monotonic() - sent_at) * 1000))
            self._writer.settle(ending)
            settled = True
            outcome = _Outcome(None, failure)
        finally:
            if not settled:  # cancelled, or an error nobody expected: what the vendor did is unknown
                self._writer.settle(Ending(call, permit, status="unknown", reason="interrupted", cost=None))
        return outcome

    def _attempt_timeout(self, request: httpx.Request) -> float:
        asked = request.extensions.get("timeout", {}).get("read")
        return self.policy.timeout_s if asked is None else min(self.policy.timeout_s, float(asked))

    def _judge(self, response: httpx.Response, call: Call, permit: Permit, latency_ms: int) -> tuple[Ending, _Outcome]:
        now, real_now = self.clock.now(), dt.datetime.now(dt.UTC)  # the vendor lives in real time
        parsed, malformed = self._decoded(response, call)
        limit = policies.limit_fault(self.vendor, call.spec.endpoint, response, now=real_now)
        limited, error = limit is not None, limit or malformed
        if error is None:
            response.extensions["json"] = parsed
            judge = call.spec.fault_of
            error = judge(response) if judge else policies.fault_of_status(self.vendor, call.spec.endpoint, response)
        cost = self._cost(response, error, call)
        ending = Ending(
            call, permit, status=_status(error), http_status=response.status_code, cost=cost, latency_ms=latency_ms,
            reason=None if error is None else error.reason, breaker=_breaker_vote(response, error, limited),
            word=policies.vendor_word(self.policy.rate_headers, response, limited=limit, now=real_now),
        )  # fmt: skip
        response.extensions |= {"call_id": permit.call_id, "cache_hit": False, "latency_ms": latency_ms}
        response.extensions |= {"fetched_at": now, "expires_at": None}
        if error is None and call.cache_for is not None and response.is_success and cache.is_storable(parsed):
            ending = dataclasses.replace(ending, content=parsed, fetched_at=now, expires_at=now + call.cache_for)
            response.extensions["expires_at"] = now + call.cache_for
        return ending, _Outcome(response, error)

    def _decoded(self, response: httpx.Response, call: Call) -> tuple[object, VendorError | None]:
        if not (self.policy.json_answers and response.is_success and response.content):
            return None, None
        try:
            return reading.decoded(response.content), None
        except (ValueError, RecursionError) as error:  # RecursionError: brackets nested without end
            return None, VendorUnavailable(
                self.vendor, call.spec.endpoint, "malformed_answer", status=response.status_code,
                detail=f"the body is not JSON ({error.__class__.__name__} in {len(response.content)} bytes)",
            )  # fmt: skip

    def _cost(self, response: httpx.Response, error: VendorError | None, call: Call) -> int | None:
        """Millionths of a dollar; None is the worst case."""
        if not response.is_success:
            billed = self.policy.bills.rejected if response.status_code < 500 else self.policy.bills.unavailable
            return None if billed else 0
        if call.spec.cost_of is None or (error is not None and error.reason == "malformed_answer"):
            return None
        cost = call.spec.cost_of(response)
        return cost if 0 <= cost <= _MOST_MICROUSD else None  # a count that nobody can have used is no count

    def _broken(self, error: Exception, call: Call, permit: Permit, latency_ms: int) -> tuple[Ending, VendorError]:
        if isinstance(error, VendorError):
            never_left = isinstance(error, VendorUnavailable) and not error.left_the_house
            status = "not_sent" if never_left else ("unknown" if isinstance(error, VendorUnavailable) else "rejected")
            ending = Ending(
                call, permit, status=status, reason=error.reason, http_status=error.status, latency_ms=latency_ms,
                cost=None if status == "unknown" else 0, breaker="fault" if error.reason == "answer_too_large" else "neutral",
            )  # fmt: skip
            return ending, error
        never_left = isinstance(error, _NEVER_LEFT)
        reason = _reason(error)
        failure = VendorUnavailable(
            self.vendor, call.spec.endpoint, reason, detail=redact(str(error))[:200], left_the_house=not never_left
        )
        ending = Ending(
            call, permit, status="not_sent" if never_left else "unknown", reason=reason,
            cost=0 if never_left else None, latency_ms=latency_ms,
            breaker="neutral" if isinstance(error, httpx.PoolTimeout) else "fault",
        )  # fmt: skip
        return ending, failure


def _reason(error: Exception) -> str:
    causes = (error, error.__cause__, getattr(error.__cause__, "__cause__", None), getattr(error, "__context__", None))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "tls_error"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "connect_failed"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "timeout"
    return "malformed_answer" if isinstance(error, httpx.DecodingError) else "connection_lost"


def _status(error: VendorError | None) -> str:
    if error is None:
        return "ok"
    return "rejected" if isinstance(error, VendorRejected) else "unavailable"


def _breaker_vote(response: httpx.Response, error: VendorError | None, limited: bool) -> str:
    """Faults open a breaker: 5xx and malformed answers. A refusal is an answer; a limit says nothing of health."""
    if limited:
        return "neutral"
    if isinstance(error, VendorUnavailable) and (response.status_code >= 500 or response.is_success):
        return "fault"
    return "ok"
