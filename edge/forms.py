"""Posts of our own forms: small, sent from our own page, read without a parser that could be fooled. One-click stops are not among them.

Our pages send no referrer, so browsers say ``Origin: null`` even of our own forms; what they say in ``Sec-Fetch-Site`` decides then.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request

from leadfactory.d07_storefront.pages_config import config

_FIELDS = 20


class FormRefused(Exception):
    """Not a form of ours, or too large; ``status`` is the answer's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def read(request: Request, public_url: str, *, most: int | None = None) -> dict[str, str]:
    """The fields of a posted form; of a name that comes twice the first. ``most`` bytes, or what config/pages.yaml allows.

    Raises:
        FormRefused: 403 from another website, 413 too large, 415 not a form, 400 cut off or malformed.
    """
    _check_origin(request, public_url)
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in {"", "application/x-www-form-urlencoded"}:
        raise FormRefused(415, "no form of ours is sent like this")
    body = await _body(request, config().form_bytes if most is None else most)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        raise FormRefused(400, "malformed") from None
    return {name: value for name, value in reversed(pairs) if "\x00" not in value}


def _check_origin(request: Request, public_url: str) -> None:
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        raise FormRefused(403, f"sent from another website ({site})")
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return
    if urlsplit(origin).netloc not in {urlsplit(public_url).netloc, request.headers.get("host", "")}:
        raise FormRefused(403, "sent from another website")


async def _body(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise FormRefused(413, "too large")
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise FormRefused(413, "too large")
            parts.append(part)
    except ClientDisconnect:
        raise FormRefused(400, "cut off") from None
    return b"".join(parts)
