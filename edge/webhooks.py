"""Vendors' posts: the raw bytes within a limit, handed to the inbox; the answer says nothing that a forger could use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from leadfactory import logs
from leadfactory.inbox.receiving import Receiver, Refused, Taken
from leadfactory.inbox.rules import rules

ANSWERS = {401: "not signed by a key that is known here", 413: "the body is too large"}


async def sendgrid(request: Request) -> Response:
    """SendGrid's event webhook: a JSON array of events, signed with ECDSA over timestamp and body."""
    return await _take(request, "sendgrid", lambda desk, body, headers: desk.sendgrid(body, headers))


async def stripe(request: Request) -> Response:
    """Stripe's webhook: one event, signed with HMAC."""
    return await _take(request, "stripe", lambda desk, body, headers: desk.stripe(body, headers))


async def _take(request: Request, source: str, take: Callable[[Receiver, bytes, Mapping[str, str]], Taken]) -> Response:
    receiver: Receiver = request.app.state.desk.receiver
    body = b""
    try:
        body = await body_of(request, rules().body_limit_bytes)
        taken = await run_in_threadpool(take, receiver, body, request.headers)
    except Refused as error:
        logs.security("WEBHOOK_REFUSED", source=source, reason=error.reason)
        await run_in_threadpool(receiver.refuse, source, error.reason, len(body))
        return JSONResponse({"error": ANSWERS[error.status]}, status_code=error.status)
    except ClientDisconnect:
        return Response(status_code=400)
    return JSONResponse({"events": taken.events, "stored": taken.stored})


async def body_of(request: Request, limit: int) -> bytes:
    """The raw body; stops reading where it passes ``limit``.

    Raises:
        Refused: it is larger.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise Refused("too_large", 413)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Refused("too_large", 413)
        parts.append(part)
    return b"".join(parts)
