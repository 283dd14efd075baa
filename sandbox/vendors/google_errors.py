"""The error envelope that all Google APIs share."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sandbox.vendors.wire import answer


def google_error(code: int, status: str, message: str, reason: str = "", service: str = "") -> Response:
    """``reason`` becomes an ErrorInfo detail of ``service``."""
    body: dict[str, Any] = {"code": code, "message": message, "status": status}
    if reason:
        body["details"] = [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
            "metadata": {"service": service},
        }]  # fmt: skip
    return answer({"error": body}, code)
