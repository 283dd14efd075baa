"""The cache of idempotent look-ups: what makes two requests equal, one call for many askers, and answers made from rows."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from leadfactory.d00_gateway.ledger import Hit

_KEY_PARAMS = frozenset({"key", "api_key", "apikey", "access_token"})


def request_hash(request: httpx.Request, body: bytes) -> bytes:
    """SHA-256 over method, URL without its key parameter, sorted parameters and body."""
    url = request.url
    params = sorted((name, value) for name, value in url.params.multi_items() if name.lower() not in _KEY_PARAMS)
    where = f"{url.scheme}://{url.netloc.decode()}{url.path}"
    plain = json.dumps([request.method, where, params]).encode()
    return hashlib.sha256(plain + b"\n" + body).digest()


def response(hit: Hit, request: httpx.Request) -> httpx.Response:
    """A 200 answer made of stored content."""
    found = httpx.Response(200, json=hit.content, request=request)
    found.extensions = {
        "call_id": hit.call_id, "cache_hit": True, "fetched_at": hit.fetched_at, "expires_at": hit.expires_at,
        "latency_ms": 0, "json": hit.content,
    }  # fmt: skip
    return found


def is_storable(content: object) -> bool:
    """Whether a decoded body can be stored as JSONB: not None, no NUL character, lone surrogate, NaN or infinity."""
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError):
        return False
    return content is not None and "\\u0000" not in text


class Flights:
    """Calls under way by request hash: equal look-ups wait for the first and then find its answer stored."""

    def __init__(self) -> None:
        self._locks: dict[bytes, tuple[asyncio.Lock, int]] = {}

    @contextlib.asynccontextmanager
    async def one(self, key: bytes) -> AsyncIterator[None]:
        """Alone with ``key`` in this event loop."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = (lock, users - 1)


def lock_key(vendor: str, key: bytes) -> int:
    """The advisory lock of a look-up under way: a signed 64-bit number."""
    return int.from_bytes(hashlib.sha256(vendor.encode() + b"\n" + key).digest()[:8], signed=True)


# A look-up under way is locked by its writer's session: other processes wait for its answer, and a killed one's lock is free.
TAKE_OFF = "SELECT k, pg_try_advisory_lock(k) FROM unnest(%s::bigint[]) AS w (k)"
LAND = "SELECT pg_advisory_unlock(k) FROM unnest(%s::bigint[]) AS w (k)"
# Reads and writes of stored answers, made by the ledger's writer inside its own transactions. Arrays are parallel.
READ = """
SELECT v.vendor, v.content_key, v.content, v.fetched_at, v.expires_at
FROM vendor_content v
JOIN unnest(%(vendors)s::text[], %(keys)s::bytea[], %(nows)s::timestamptz[]) AS k(vendor, content_key, now)
  ON v.vendor = k.vendor AND v.content_key = k.content_key AND v.expires_at > k.now
"""
WRITE = """
INSERT INTO vendor_content (vendor, content_key, subject, content, fetched_at, expires_at)
VALUES (%(vendor)s, %(key)s, %(subject)s, %(content)s, %(fetched_at)s, %(expires_at)s)
ON CONFLICT (vendor, content_key) DO UPDATE
SET subject = excluded.subject, content = excluded.content, fetched_at = excluded.fetched_at, expires_at = excluded.expires_at
"""
