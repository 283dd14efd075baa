"""The edge's application: routes, the limits that hold for all of them, and what it opens at start and closes at the end."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge import (
    auth,
    checkout,
    dashboards,
    errors,
    forms,
    health,
    inbound,
    landing,
    login,
    lost,
    metrics,
    openapi,
    recipients,
    reports,
    review,
    samples,
    success,
    unsubscribe,
    webhooks,
)
from edge.gate import Gate
from edge.headers import HOSTED_CHECKOUT, SecurityHeaders
from edge.limits import Limits
from edge.pages import page
from leadfactory import reloading
from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d09_delivery import suppression
from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.inbox.receiving import Receiver
from leadfactory.inbox.replies import Replies
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.replica import Nearest
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens

FOOTER = ("terms", "privacy", "refunds", "contact", "imprint")


@dataclasses.dataclass(frozen=True)
class Desk:
    """What every request may use."""

    db: Database
    clock: Clock
    tokens: Tokens
    receiver: Receiver
    replies: Replies
    public_url: str
    settings: Settings
    stripe: StripeClient
    near: Nearest


def create_app(
    settings: Settings, *, db: Database | None = None, wall: Clock | None = None, prepares: bool = False
) -> Starlette:
    """The application. ``db`` is closed by whoever handed it in; ``wall`` judges the dates of signatures.

    With ``prepares`` it prints the report of whoever is at the till, as the process that serves people does.

    Raises:
        KeyMismatch: at start, when the suppression key is not the one whose hashes the database holds.
    """
    own = db is None
    database = db or Database.from_settings(settings)
    clock = settings.clock
    receiver = Receiver(database, settings, clock, wall)
    desk = Desk(
        database,
        clock,
        Tokens(settings.signing_keys.get_secret_value()),
        receiver,
        Replies(database, settings, clock, receiver, wall),
        settings.public_url,
        settings,
        StripeClient(Gateway(database, clock=clock, settings=settings), settings),
        Nearest.of(settings, database),
    )

    limits = Limits()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        hashes = KeyedHashes(settings.suppression_key.get_secret_value())
        with database.begin() as tx:  # an address hashed with another key would be suppressed in vain
            suppression.establish_key(tx, hashes, clock.now())
        await app.state.readiness.prime()
        async with reloading.following(database, limits.follow):
            yield
        desk.near.dispose()
        if own:
            database.dispose()

    app = Starlette(
        routes=[
            Route("/health", health.health, methods=["GET"]),
            Route("/health/live", health.live, methods=["GET"]),
            Route("/health/ready", health.health, methods=["GET"]),
            Route("/metrics", metrics.metrics, methods=["GET"]),
            Route("/webhooks/sendgrid", webhooks.sendgrid, methods=["POST"]),
            Route("/webhooks/stripe", webhooks.stripe, methods=["POST"]),
            Route("/webhooks/inbound", inbound.Inbound().take, methods=["POST"]),
            Route("/u/{token}", unsubscribe.show, methods=["GET"]),
            Route("/u/{token}", unsubscribe.act, methods=["POST"]),
            Route("/u/{token}/not-me", unsubscribe.not_me, methods=["POST"]),
            Route("/a/{token}", landing.show, methods=["GET"]),
            Route("/why/{token}", recipients.why, methods=["GET"]),
            Route("/why/{token}/delete", recipients.delete, methods=["POST"]),
            Route("/not-my-site/{token}", recipients.not_mine, methods=["GET"]),
            Route("/not-my-site/{token}", recipients.act_not_mine, methods=["POST"]),
            Route("/preferences/{token}", recipients.preferences, methods=["GET"]),
            Route("/preferences/{token}", recipients.choose, methods=["POST"]),
            *(Route(f"/{name}", footer, methods=["GET"]) for name in FOOTER),
            Route("/a/{token}/checkout", checkout.start, methods=["POST"]),
            Route("/cancel/{token}", checkout.cancelled, methods=["GET"]),
            Route("/success", success.show, methods=["GET"]),
            Route("/reports/lost", lost.ask, methods=["GET"]),
            Route("/reports/lost", lost.act, methods=["POST"]),
            Route("/r/{token}.pdf", reports.pdf, methods=["GET"]),
            Route("/r/{token}", reports.html, methods=["GET"]),
            *review.ROUTES,
            *dashboards.ROUTES,
            Route("/static/{version}/{name}", samples.picture, methods=["GET"]),
            Route("/login", login.show, methods=["GET"]),
            Route("/login", login.act, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route("/openapi.json", openapi.show, methods=["GET"]),
            Route("/robots.txt", robots, methods=["GET"]),
        ],
        middleware=[
            Middleware(metrics.Measured),
            Middleware(SecurityHeaders, checkout=_checkout(settings)),
            Middleware(Gate, limits=limits, trusted_proxies=settings.trusted_proxies),
        ],
        exception_handlers={
            HTTPException: errors.refused,
            404: _not_found,
            DatabaseUnavailable: _unavailable,
            forms.FormRefused: _refused,
            auth.Refused: auth.refused,
        },
        lifespan=lifespan,
    )
    app.state.desk = desk
    app.state.limits = limits
    app.state.prepares = prepares
    app.state.readiness = health.Readiness(database, settings.home)
    return app


def _checkout(settings: Settings) -> str:
    """The origin of the hosted payment page: Stripe's, or the sandbox's where payments are simulated."""
    return settings.sandbox_url if settings.stripe_base_url.startswith(settings.sandbox_url) else HOSTED_CHECKOUT


async def footer(request: Request) -> Response:
    """Who sells and on which terms: the pages that every other page's foot names."""
    return page(request.url.path.removeprefix("/"))


async def robots(request: Request) -> Response:
    """Nothing here is for search engines."""
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


async def _not_found(request: Request, error: Exception) -> Response:
    return page("not_found", status=404)


async def _refused(request: Request, error: Exception) -> Response:
    return page("refused", status=error.status if isinstance(error, forms.FormRefused) else 400)


async def _unavailable(request: Request, error: Exception) -> Response:
    """Vendors post again, people are told to; nothing was half done."""
    answer = page("unavailable", status=503)
    answer.headers["Retry-After"] = "30"
    return answer
