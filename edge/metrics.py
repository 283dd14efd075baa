"""`GET /metrics`: the factory's figures, counted from rows, and this edge's own requests, which add up over its workers.

Open to this machine itself; everybody else needs a key of the scope ``metrics``.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge import auth
from leadfactory import logs
from leadfactory.monitoring import figures

MULTIPROCESS = (
    "PROMETHEUS_MULTIPROC_DIR"  # the folder in which workers count together: set before this module is imported
)
_OWN = CollectorRegistry()
_SECONDS = Histogram(
    "leadfactory_edge_request_seconds",
    "Seconds from a request's first byte to its answer's last.",
    ("route",),
    registry=_OWN,
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10),
)
_REQUESTS = Counter(
    "leadfactory_edge_requests", "Answered requests by the handler's name and the status.", ("route", "status"), registry=_OWN
)  # fmt: skip


class Measured:
    """Counts and times every request by the name of its handler: paths hold tokens, and would be labels without end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and takes the time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with logs.bound(request_id=uuid.uuid4().hex[:16]):
                await self._app(scope, receive, noting)
        finally:
            route = _route(scope)
            _SECONDS.labels(route).observe(time.perf_counter() - began)
            _REQUESTS.labels(route, str(status)).inc()


async def metrics(request: Request) -> Response:
    """All figures as text, in OpenMetrics where the scraper asks for it."""
    desk = request.app.state.desk
    encoder, content_type = choose_encoder(request.headers.get("accept", ""))

    def tell() -> bytes:
        auth.operator(request, "metrics")
        return encoder(_registry(figures.collect(desk.db, desk.settings, desk.near)))

    body = await run_in_threadpool(tell)
    return Response(body, headers={"content-type": content_type})


class _Told(Collector):
    """Hands figures and what workers counted to the encoder."""

    def __init__(self, parts: Iterable[Iterable[Metric]]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            yield from part


def _registry(told: list[figures.Figure]) -> CollectorRegistry:
    workers = CollectorRegistry()
    if os.environ.get(MULTIPROCESS):
        MultiProcessCollector(workers)
    else:
        workers = _OWN
    together = CollectorRegistry()
    together.register(_Told((map(_metric, told), workers.collect())))
    return together


def _metric(figure: figures.Figure) -> Metric:
    labels = sorted(figure.samples[0][0]) if figure.samples else []
    family = GaugeMetricFamily(figures.PREFIX + figure.name, figure.meaning, labels=labels)
    for values, value in figure.samples:
        family.add_metric([values[label] for label in labels], value)
    return family


def _route(scope: Scope) -> str:
    """``webhooks.stripe`` of the handler edge.webhooks.stripe; ``none`` where no route fitted."""
    handler = scope.get("endpoint")
    if handler is None:
        return "none"
    return f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"
