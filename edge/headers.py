"""Headers of every answer: no framing, no scripts, no outside resources, no referrer, no index, no cache, no cookie."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.pages import STYLE_HASH

# A form that ends on another host needs that host here: browsers hold redirects of a post to the policy too.
HOSTED_CHECKOUT = "https://checkout.stripe.com"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Strict-Transport-Security": "max-age=31536000",
}


def policy(
    checkout: str = HOSTED_CHECKOUT,
    *,
    styles: str = f"'sha256-{STYLE_HASH}'",
    frames: str = "'none'",
    framed_by: str = "'none'",
) -> str:
    """The Content-Security-Policy of a page whose styles have these hashes, that shows ``frames`` and may be shown in ``framed_by``."""
    return (
        f"default-src 'none'; style-src {styles}; img-src 'self'; font-src 'self'; form-action 'self' {checkout}; "
        f"frame-src {frames}; base-uri 'none'; frame-ancestors {framed_by}"
    )


class SecurityHeaders:
    """Adds them below every handler, so that errors carry them too; a handler's own value of one of them stays."""

    def __init__(self, app: ASGIApp, checkout: str = HOSTED_CHECKOUT) -> None:
        """``checkout``: the origin of the hosted payment page, the only one to which a form may lead."""
        self._app = app
        self._headers = {**HEADERS, "Content-Security-Policy": policy(checkout)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and marks the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, marked)
