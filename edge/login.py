"""`/login`: an API key is exchanged for a session of 12 hours in a cookie that no script reads and no other site sends in a post."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge import auth, forms
from edge.pages import page

if TYPE_CHECKING:
    from edge.app import Desk

_HERE = re.compile(r"/(?:[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)?")  # a path of ours: no host, no query, no second slash


async def show(request: Request) -> Response:
    """The form, or who is signed in."""
    found = await run_in_threadpool(auth.signed_in, request)
    return page("login", operator=found, next=_next(request.query_params.get("next", "")), fault=None)


async def act(request: Request) -> Response:
    """Signs in and leads to where somebody was refused."""
    desk: Desk = request.app.state.desk
    fields = await forms.read(request, desk.public_url)
    following = _next(fields.get("next", ""))
    try:
        value, seconds = await run_in_threadpool(auth.sign_in, request, fields.get("key", "").strip())
    except auth.Refused as error:
        return page("login", operator=None, next=following, fault=str(error), status=error.status)
    answer = RedirectResponse(following, status_code=303)
    _set(answer, desk, value, seconds)
    return answer


async def leave(request: Request) -> Response:
    """Signs out."""
    desk: Desk = request.app.state.desk
    fields = await forms.read(request, desk.public_url)
    await run_in_threadpool(auth.sign_out, request, fields)
    answer = RedirectResponse("/login", status_code=303)
    _set(answer, desk, "", 0)
    return answer


def _set(answer: Response, desk: Desk, value: str, seconds: int) -> None:
    answer.set_cookie(
        auth.cookie_name(desk.public_url), value, max_age=seconds, path="/", secure=desk.public_url.startswith("https"),
        httponly=True, samesite="lax",
    )  # fmt: skip


def _next(text: str) -> str:
    return text if _HERE.fullmatch(text) else "/login"
