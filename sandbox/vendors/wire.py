"""What every vendor's API shares on the wire: answering JSON, reading a JSON body, the bearer key, rate windows, ids.

No vendor's rules and no vendor's wording belong here; those are in the module named after the vendor.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

Json = dict[str, Any]


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer in the compact form vendors send; ``body`` is any JSON value."""
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(raw, status, dict(headers or {}), media_type="application/json")


def bearer(request: Request) -> str | None:
    """The key of ``Authorization: Bearer <key>``, or None when the header is absent or of another scheme."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


async def json_body(request: Request) -> Any:
    """The decoded JSON body; raises ValueError when it is not JSON."""
    return json.loads(await request.body())


def words(text: str) -> frozenset[str]:
    """The blank-separated words of ``text``, for lists of field names that are long and flat."""
    return frozenset(text.split())


def option(sandbox: Any, name: str, default: Any) -> Any:
    """A sandbox option as it stands now (an admin may change it at any time), or ``default`` when it was never set."""
    value = sandbox.options.get(name)
    return default if value is None else value


def utc_now(sandbox: Any) -> dt.datetime:
    """The sandbox's time, which tests may have fixed, as an aware UTC datetime."""
    return sandbox.clock.now().astimezone(dt.UTC)


def epoch(sandbox: Any) -> int:
    """The sandbox's time in whole seconds since 1970."""
    return int(utc_now(sandbox).timestamp())


def digest(*parts: object) -> bytes:
    """SHA-256 over the parts, each ended by a byte that text cannot hold; the source of every deterministic choice."""
    return hashlib.sha256(b"\xff".join(str(part).encode() for part in parts)).digest()


def fraction(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts only."""
    return int.from_bytes(digest(*parts)[:6], "big") / 2**48


def url_token(*parts: object, length: int = 22) -> str:
    """A URL-safe token of ``length`` (≤ 43) characters that depends on the parts only."""
    return base64.urlsafe_b64encode(digest(*parts)).decode().rstrip("=")[:length]


def hex_token(*parts: object, length: int = 32) -> str:
    """A hexadecimal token of ``length`` (≤ 64) characters that depends on the parts only."""
    return digest(*parts).hex()[:length]


def alphanumeric(*parts: object, length: int = 24) -> str:
    """A token of ``length`` (≤ 40) letters and digits that depends on the parts only."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = int.from_bytes(digest(*parts), "big")
    out = []
    for _ in range(length):
        number, index = divmod(number, 62)
        out.append(letters[index])
    return "".join(out)


class Window:
    """Counts calls in fixed windows of ``seconds``, per name.

    Measured on the machine's monotonic time, not on the sandbox clock: a fixed sandbox clock would otherwise never open
    the next window. Vendors' windows slide; a fixed one is never stricter over its own length.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._counts: dict[str, tuple[int, int]] = {}

    def take(self, name: str, limit: int) -> int:
        """Count one call against ``limit``; returns what is left, or -1 when the call is one too many."""
        window = int(time.monotonic() / self.seconds)
        started, used = self._counts.get(name, (window, 0))
        if started != window:
            used = 0
        if used >= limit:
            return -1
        self._counts[name] = (window, used + 1)
        return limit - used - 1

    def reset_in(self) -> float:
        """Seconds until the next window opens."""
        return self.seconds - time.monotonic() % self.seconds


def key_is_valid(sandbox: Any, vendor: str, key: str | None) -> bool:
    """Whether ``key`` is the one, or one of those, that the sandbox was started with for ``vendor``."""
    known = sandbox.keys.get(vendor, ())
    return key is not None and key in ((known,) if isinstance(known, str) else known)


def watch(sandbox: Any, name: str, count: Callable[[], int], which: str = "outstanding") -> None:
    """Have ``GET /_admin/outstanding`` ask how much work of ``name`` is still to be done; ``GET /_admin/due``: by now."""
    getattr(sandbox, which, {})[name] = count


def when_moved(sandbox: Any, tell: Callable[[], None]) -> None:
    """Have ``tell`` called whenever an admin moves the sandbox's clock."""
    getattr(sandbox, "on_clock", []).append(tell)


def accepted(sandbox: Any, vendor: str, kind: str, vendor_id: str, **fields: object) -> None:
    """Note in the truth log what the vendor really accepted, whether or not its answer arrives."""
    sandbox.truth.accepted(vendor, kind, vendor_id, **fields)
