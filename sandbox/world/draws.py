"""Deterministic draws: every choice of the world that must not depend on the order of questions comes from here."""

from __future__ import annotations

import base64
import hashlib


def digest(*parts: object) -> bytes:
    """32 bytes that depend on the parts only."""
    return hashlib.sha256("\x00".join(map(str, parts)).encode()).digest()


def share(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts only."""
    return int.from_bytes(digest(*parts)[:6], "big") / 2**48


def token(*parts: object) -> str:
    """43 letters and digits that depend on the parts only."""
    return base64.urlsafe_b64encode(digest(*parts)).decode().replace("_", "x").replace("-", "y").rstrip("=")
