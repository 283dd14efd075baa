"""Answers to letters, as SendGrid's Inbound Parse posts them: the raw form within a limit, a few at a time, handed to the inbox."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from edge.webhooks import ANSWERS, body_of
from leadfactory import logs
from leadfactory.inbox.receiving import Refused
from leadfactory.inbox.replies import SOURCE
from leadfactory.inbox.reply_rules import reply_rules

if TYPE_CHECKING:
    from edge.app import Desk

AT_ONCE = 4  # a post may be tens of megabytes


class Inbound:
    """The route of one application."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)

    async def take(self, request: Request) -> Response:
        """One mail: 200 once it is stored or was of no use, 401 when nobody of ours signed it, 413 when it is too large."""
        desk: Desk = request.app.state.desk
        body = b""
        async with self._room:
            try:
                body = await body_of(request, reply_rules().body_limit_bytes)
                answered = await run_in_threadpool(desk.replies.take, body, request.headers)
            except Refused as error:
                logs.security("WEBHOOK_REFUSED", source=SOURCE, reason=error.reason)
                await run_in_threadpool(desk.receiver.refuse, SOURCE, error.reason, len(body))
                return JSONResponse({"error": ANSWERS[error.status]}, status_code=error.status)
            except ClientDisconnect:
                return Response(status_code=400)
        return JSONResponse({"stored": answered.stored})
