"""Stripe's error envelope."""

from __future__ import annotations

from starlette.responses import Response

from sandbox.vendors.wire import Json, answer


def error(
    status: int, kind: str, message: str, code: str | None = None, param: str | None = None, **more: object
) -> Response:
    """Stripe's error envelope; absent members are left out."""
    body: Json = {"message": message, "type": kind, **more}
    if code:
        body |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}
    if param:
        body["param"] = param
    return answer({"error": body}, status)
