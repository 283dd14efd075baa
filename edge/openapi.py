"""`/openapi.json`: what the edge answers, made from its own routes, so that no route is left out of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from edge.auth import SCOPES
from edge.errors import SAID

VERSION = "1.0"
_PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
_FORM = "application/x-www-form-urlencoded"
_FORMATS = {"uuid": {"format": "uuid"}}
# Beside their path: what routes read of a query, and which fields their forms carry.
QUERIES = {"/success": ("session_id",), "/login": ("next",)}
FORMS: dict[str, tuple[str, ...]] = {
    "/a/{token}/checkout": ("immediate_delivery",),
    "/preferences/{token}": ("choice",),
    "/not-my-site/{token}": ("reason",),
    "/reports/lost": ("email",),
    "/login": ("key", "next"),
    "/logout": ("proof",),
}
_MORE = {  # what an answer may be beside 200 and what the gate says
    "GET": {303: "elsewhere", 401: "sign in", 403: "not allowed", 404: "no such thing", 410: "it is over"},
    "POST": {303: "done; elsewhere", 401: "not signed", 403: "not sent from our page", 404: "no such thing", 410: "it is over",
             415: "no form"},
}  # fmt: skip
_OPEN = ("/metrics", "/dashboards", "/review")


async def show(request: Request) -> Response:
    """This document."""
    return JSONResponse(document(request.app.routes))


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """OpenAPI 3.1 of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})[method.lower()] = _operation(route, method)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LeadFactory edge", "version": VERSION,
            "description": "Vendors' webhooks, recipients' and buyers' pages by signed links, operators' pages by API key.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": f"Scopes: {', '.join(SCOPES)}."},
                "session": {"type": "apiKey", "in": "cookie", "name": "lf_session", "description": "What /login sets."},
            }
        },
    }  # fmt: skip


def _operation(route: Route, method: str) -> dict[str, Any]:
    text = inspect.getdoc(route.endpoint) or route.name
    summary = text.split("\n\n")[0].replace("\n", " ")
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"} | _FORMATS.get(kind, {})}
        for name, kind in _PARAMETER.findall(route.path)
    ]
    in_query = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in (QUERIES.get(route.path, ()) if method == "GET" else ())
    ]
    statuses = {200: "it", **_MORE.get(method, {}), **SAID}
    found: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{route.path}").strip("_"),
        "summary": summary,
        "responses": {str(status): {"description": said} for status, said in sorted(statuses.items())},
    }
    if in_path or in_query:
        found["parameters"] = [*in_path, *in_query]
    if method == "POST":
        found["requestBody"] = _body(route.path)
    if route.path.startswith(_OPEN):
        found["security"] = [{"key": []}, {"session": []}]
    return found


def _body(path: str) -> dict[str, Any]:
    if path.startswith("/webhooks/"):
        return {"content": {"application/json": {"schema": {}}}, "description": "Signed by the vendor."}
    fields = {name: {"type": "string"} for name in FORMS.get(path, ())}
    return {"content": {_FORM: {"schema": {"type": "object", "properties": fields}}}}
