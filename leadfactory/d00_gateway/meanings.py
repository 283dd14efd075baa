"""What vendors mean by a status, an error code, a 429 or a rate header: one table for all of them, no state."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import json
import re
from typing import Any

import httpx

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.redaction import redact

# Reasons that another attempt of the same call cannot mend soon.
NOT_RETRIED = frozenset(
    {
        "daily_limit",
        "insufficient_quota",
        "budget",
        "breaker_open",
        "paused",
        "rate_limited",
        "invalid_key",
        "forbidden",
        "dns_failure",
        "answer_too_large",
    }
)
_LONGEST_WAIT = dt.timedelta(days=7)  # a header that asks for more is a mistake
_A_SECOND = dt.timedelta(seconds=1)
_GOOGLE = frozenset({"places", "pagespeed"})
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


@dataclasses.dataclass(frozen=True)
class VendorWord:
    """What the vendor's headers say of its own count. ``unusable`` names headers that could not be read.

    ``remaining`` units of ``rate`` until ``resets_at``; ``blocked_until`` stops ``blocked_rate`` (``shortest`` is the
    vendor's shortest rate), and ``until_reset`` stops the day until its own reset.
    """

    rate: str | None = None
    remaining: int | None = None
    resets_at: dt.datetime | None = None
    blocked_rate: str | None = None
    blocked_until: dt.datetime | None = None
    until_reset: bool = False
    unusable: tuple[str, ...] = ()


def retry_after(response: httpx.Response, now: dt.datetime) -> dt.datetime | None:
    """When Retry-After (seconds or HTTP date) allows the next call; None when absent or unusable."""
    text = response.headers.get("retry-after")
    if text is None:
        return None
    try:
        moment = now + dt.timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
    return moment if now - _A_SECOND <= moment <= now + _LONGEST_WAIT else None


def limit_fault(vendor: str, endpoint: str, response: httpx.Response, *, now: dt.datetime) -> VendorUnavailable | None:
    """What a 429 of ``vendor`` means: ``daily_limit``, ``insufficient_quota`` (both final for now) or ``too_many_requests``.

    None for other statuses, and for ``website``, where a 429 is one host's and not the vendor's.
    """
    if response.status_code != 429 or vendor == "website":
        return None
    code, message = _envelope(response)
    reason, retry_at = "too_many_requests", retry_after(response, now)
    if vendor == "yelp" and code == "ACCESS_LIMIT_REACHED":
        reason, retry_at = "daily_limit", _iso(response.headers.get("ratelimit-resettime")) or retry_at
    elif vendor == "openai" and "insufficient_quota" in (code, _error(response).get("type")):
        reason, retry_at = "insufficient_quota", None
    elif vendor in _GOOGLE and re.search(r"per\s*day", message, re.IGNORECASE):
        reason = "daily_limit"
    return VendorUnavailable(
        vendor, endpoint, reason, status=429, detail=message, retry_at=retry_at, left_the_house=False
    )


def fault_of_status(vendor: str, endpoint: str, response: httpx.Response) -> VendorError | None:
    """The meaning of an answer by its status and error code; None below 400.

    A wrong key or a missing permission is VendorUnavailable: it is ours to mend and says nothing of the request.
    ``left_the_house`` is False where the answer proves that the vendor did nothing.
    """
    status = response.status_code
    if status < 400:
        return None
    code, message = _envelope(response)
    now = dt.datetime.now(dt.UTC)
    if status >= 500:
        return VendorUnavailable(
            vendor, endpoint, "server_error", status=status, detail=message, retry_at=retry_after(response, now)
        )
    if status == 429 and vendor != "website":
        return limit_fault(vendor, endpoint, response, now=now)
    again = _AGAIN.get(status)
    if status == 409 and vendor == "stripe":  # another request under the same idempotency key is under way
        again = "conflict"
    if status == 400 and vendor in _GOOGLE and "API_KEY_INVALID" in response.text:
        again = "invalid_key"
    if status == 403 and code == "BUSINESS_UNAVAILABLE":
        again, code = None, "business_unavailable"
    if again is not None:
        return VendorUnavailable(
            vendor,
            endpoint,
            again,
            status=status,
            detail=message,
            retry_at=retry_after(response, now),
            left_the_house=False,
        )
    reason = "business_unavailable" if code == "business_unavailable" else _NEVER.get(status, f"http_{status}")
    return VendorRejected(vendor, endpoint, reason, status=status, detail=message)


_AGAIN = {401: "invalid_key", 403: "forbidden", 408: "timeout", 425: "too_early", 429: "too_many_requests"}
_NEVER = {
    400: "bad_request", 402: "payment_required", 404: "not_found", 405: "bad_request", 409: "conflict", 410: "not_found",
    413: "too_large", 415: "bad_request", 422: "bad_request",
}  # fmt: skip


def vendor_word(
    dialect: str | None, response: httpx.Response, *, limited: VendorError | None, now: dt.datetime
) -> VendorWord | None:
    """What rate headers (and a 429) say; None when they say nothing."""
    word = _READERS[dialect](response, now) if dialect in _READERS else VendorWord()
    if "retry-after" in response.headers and retry_after(response, now) is None:
        word = dataclasses.replace(word, unusable=(*word.unusable, "retry-after"))
    if isinstance(limited, VendorUnavailable):
        if limited.reason == "daily_limit":
            word = dataclasses.replace(
                word, blocked_rate="day", blocked_until=limited.retry_at, until_reset=limited.retry_at is None
            )
        elif limited.reason == "too_many_requests":
            word = dataclasses.replace(word, blocked_rate="shortest", blocked_until=limited.retry_at or now + _A_SECOND)
    return None if word == VendorWord() else word


def _yelp(response: httpx.Response, now: dt.datetime) -> VendorWord:
    headers, unusable = response.headers, list[str]()
    remaining = _whole(headers.get("ratelimit-remaining"), "ratelimit-remaining", unusable)
    text = headers.get("ratelimit-resettime")
    resets_at = _iso(text)
    if text is not None and resets_at is None:
        unusable.append("ratelimit-resettime")
    return _word("day", remaining, resets_at, unusable, now)


def _sendgrid(response: httpx.Response, now: dt.datetime) -> VendorWord:
    headers, unusable = response.headers, list[str]()
    remaining = _whole(headers.get("x-ratelimit-remaining"), "x-ratelimit-remaining", unusable)
    seconds = _whole(headers.get("x-ratelimit-reset"), "x-ratelimit-reset", unusable)
    resets_at = None
    if seconds is not None:
        try:
            resets_at = dt.datetime.fromtimestamp(seconds, dt.UTC)
        except (ValueError, OverflowError, OSError):
            unusable.append("x-ratelimit-reset")
    return _word("minute", remaining, resets_at, unusable, now)


def _openai(response: httpx.Response, now: dt.datetime) -> VendorWord:
    headers, unusable = response.headers, list[str]()
    remaining = _whole(headers.get("x-ratelimit-remaining-requests"), "x-ratelimit-remaining-requests", unusable)
    text = headers.get("x-ratelimit-reset-requests")
    resets_at = None
    if text is not None:
        match = _SPAN.fullmatch(text)
        if match is None or not text:
            unusable.append("x-ratelimit-reset-requests")
        else:
            hours, minutes, seconds, thousandths = (float(part or 0) for part in match.groups())
            resets_at = now + dt.timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=thousandths)
    return _word("minute", remaining, resets_at, unusable, now)


def _word(
    rate: str, remaining: int | None, resets_at: dt.datetime | None, unusable: list[str], now: dt.datetime
) -> VendorWord:
    if resets_at is not None and resets_at - now > _LONGEST_WAIT:
        resets_at = None
        unusable.append("reset")
    word = VendorWord(rate=rate if remaining is not None else None, remaining=remaining, unusable=tuple(unusable))
    if remaining is not None:
        word = dataclasses.replace(word, resets_at=resets_at)
        if remaining == 0 and resets_at is not None and resets_at > now:
            word = dataclasses.replace(word, blocked_rate=rate, blocked_until=resets_at)
    return word


_READERS = {"yelp": _yelp, "sendgrid": _sendgrid, "openai": _openai}


def _whole(text: str | None, name: str, unusable: list[str]) -> int | None:
    if text is None:
        return None
    try:
        number = int(float(text))
    except (ValueError, OverflowError):
        number = -1
    if number < 0:
        unusable.append(name)
        return None
    return number


def _iso(text: str | None) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def _error(response: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content or b"null")
    except (ValueError, RecursionError):
        return {}
    found = body.get("error", body) if isinstance(body, dict) else {}
    if isinstance(body, dict) and isinstance(body.get("errors"), list) and body["errors"]:  # SendGrid
        found = body["errors"][0]
    return found if isinstance(found, dict) else {}


def _envelope(response: httpx.Response) -> tuple[str | None, str]:
    """The vendor's error code and its redacted message, both as far as there are any."""
    error = _error(response)
    code = error.get("code")
    message = error.get("message") or error.get("description") or ""
    return code if isinstance(code, str) else None, redact(str(message))[:200]
