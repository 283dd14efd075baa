"""One form for every error: a short page for people, ``{"error": …}`` for programs. Never a trace, a class or a value of ours."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.pages import page

SAID = {
    400: "the request is malformed",
    405: "this cannot be asked like this",
    408: "the request took too long to come in",
    413: "the request is too large",
    414: "the address is too long",
    429: "too many requests; wait a little",
    500: "something went wrong on our side; nothing was half done",
    503: "this cannot be answered now; please try again in a moment",
}


def answer(accept: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The answer with ``status`` to a client that sent ``accept``."""
    said = SAID.get(status, SAID[400])
    if "text/html" in accept:
        return _with(page("error", status=status, said=said), headers)
    return _with(JSONResponse({"error": said}, status_code=status), headers)


async def refused(request: Request, error: Exception) -> Response:
    """What the framework itself refuses, such as a method that a route does not have."""
    assert isinstance(error, HTTPException)
    return answer(request.headers.get("accept", ""), error.status_code, error.headers)


def _with(response: Response, headers: Mapping[str, str] | None) -> Response:
    response.headers.update(headers or {})
    return response
