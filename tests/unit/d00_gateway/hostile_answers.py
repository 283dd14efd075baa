"""Answers without an error's status that no client may mistake for data, trip over or keep."""

from __future__ import annotations

PRICE = {"per": "call", "source": "test", "as_of": "2026-01-01"}
HTML = {"content-type": "text/html"}
HOSTILE: dict[str, tuple[int, dict[str, str], object]] = {
    "empty": (200, {}, b""),
    "null": (200, {}, b"null"),
    "list": (200, {}, b"[]"),
    "string": (200, {}, b'"businesses"'),
    "number": (200, {}, b"1e999"),
    "empty object": (200, {}, b"{}"),
    "truncated": (200, {}, b'{"businesses": [{"id": "a"'),
    "html": (200, HTML, b"<html><body>Bad gateway</body></html>"),
    "error in a 200": (200, {}, {"error": {"code": "INTERNAL_ERROR", "message": "x", "description": "y"}}),
    "not utf-8": (200, {}, b'{"a": "\xff\xfe"}'),
    "a redirect": (302, {"location": "https://elsewhere.example/"}, b"{}"),
    "a redirect to no URL": (301, {"location": "http://[::1"}, b"{}"),
    "not modified": (304, {}, b""),
    "a wall of brackets": (200, {}, b"[" * 200_000),
}
