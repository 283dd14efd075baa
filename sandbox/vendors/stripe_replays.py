"""Stripe's idempotency keys: the first result under a key is the result, and only for the same request."""

from __future__ import annotations

from starlette.responses import Response

from sandbox.vendors.stripe_errors import error

_KEY_LENGTH = 255


class Replays:
    """Results by key. They are kept for as long as the sandbox runs; Stripe keeps them a day or more."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, int, bytes, str]] = {}

    def of(self, key: str, fingerprint: str) -> Response | None:
        """The first answer under ``key``, a refusal when the request is another one, None for a new key."""
        if not 0 < len(key) <= _KEY_LENGTH:
            return error(400, "idempotency_error", f"Idempotency keys must be 1 to {_KEY_LENGTH} characters long.")
        if key not in self._kept:
            return None
        first, status, body, first_request = self._kept[key]
        if first != fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try "
                f"using a key other than '{key}' if you meant to execute a different request."
            )
            return error(400, "idempotency_error", message, "idempotency_key_reused")
        headers = {"Idempotent-Replayed": "true", "Original-Request": first_request, "Idempotency-Key": key}
        return Response(body, status, headers, media_type="application/json")

    def keep(self, key: str, fingerprint: str, response: Response, request_id: str) -> None:
        """Keep a result. A request that failed validation is not kept: it did nothing, and may be tried again."""
        if response.status_code == 200:
            self._kept[key] = (fingerprint, response.status_code, bytes(response.body), request_id)
