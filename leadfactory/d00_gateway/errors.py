"""The only two errors a vendor call can end in, mapped once to retry or no retry."""

from __future__ import annotations

import datetime as dt


class VendorError(Exception):
    """A vendor call that gave no usable answer.

    Attributes: ``vendor``; ``endpoint``; ``reason`` (a stable snake_case code such as ``daily_limit``, ``budget``,
    ``breaker_open``, ``timeout``, ``invalid_key``, ``malformed_answer``); ``status`` (HTTP status or None when there was
    no answer); ``detail`` (redacted, for people).
    """

    def __init__(self, vendor: str, endpoint: str, reason: str, *, status: int | None = None, detail: str = "") -> None:
        self.vendor, self.endpoint, self.reason, self.status, self.detail = vendor, endpoint, reason, status, detail
        super().__init__(
            f"{vendor} {endpoint}: {reason}" + (f" ({status})" if status else "") + (f": {detail}" if detail else "")
        )


class VendorUnavailable(VendorError):
    """Again later: faults, limits, budgets, open breakers, time-outs.

    ``retry_at`` is when it is worth asking again, if known. ``left_the_house`` is False only if the request provably was
    not sent; a send whose error says True has an unknown outcome.
    """

    def __init__(
        self,
        vendor: str,
        endpoint: str,
        reason: str,
        *,
        status: int | None = None,
        detail: str = "",
        retry_at: dt.datetime | None = None,
        left_the_house: bool = True,
    ) -> None:
        super().__init__(vendor, endpoint, reason, status=status, detail=detail)
        self.retry_at, self.left_the_house = retry_at, left_the_house


class VendorRejected(VendorError):
    """Never: the vendor understood and refused this request; the same request will be refused again."""
