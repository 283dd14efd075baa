"""Reads a vendor's answer: to its end or the most that one may hold, and as JSON that every store of ours can keep."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import httpx

from leadfactory.d00_gateway.errors import VendorUnavailable

# Headers that describe the bytes on the wire and not the bytes that were read from it.
_OF_THE_WIRE = {"content-encoding", "content-length", "transfer-encoding"}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # what JSON may hold and a database column does not take


async def whole(response: httpx.Response, most_bytes: int, *, vendor: str, endpoint: str) -> httpx.Response:
    """``response`` with its decoded body in memory; the connection is given back or closed.

    What is counted is decoded, so a compressed bomb is stopped after about one packet of it.

    Raises:
        VendorUnavailable: ``answer_too_large``, beyond ``most_bytes``.
        httpx.HTTPError: the connection broke or the encoding is wrong.
    """

    def hold(size: int) -> None:
        if size > most_bytes:
            raise VendorUnavailable(
                vendor, endpoint, "answer_too_large", status=response.status_code,
                detail=f"stopped reading beyond {most_bytes:,} bytes",
            )  # fmt: skip

    if response.is_closed:  # a wire that answers with a whole body and without the headers of its bytes
        hold(len(response.content))
        return response
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            hold(len(body))
    finally:
        await response.aclose()
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_THE_WIRE]
    return httpx.Response(response.status_code, headers=headers, content=bytes(body), extensions=response.extensions)


def decoded(content: bytes) -> Any:
    """``content`` as JSON that a database can keep: NUL characters and lone surrogates become U+FFFD.

    Raises:
        ValueError: not JSON (RFC 8259: NaN and Infinity are not), or a number beyond 64 bits.
        RecursionError: brackets nested without end.
    """
    found = json.loads(content, parse_int=_int, parse_float=_float, parse_constant=_no_number)
    return _storable(found) if b"\\u" in content or b"\xed" in content else found


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    return value


def _int(text: str) -> int:
    value = int(text)
    if not -(2**63) <= value < 2**63:
        _no_number(text)
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _no_number(text)
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is no number of 64 bits")
