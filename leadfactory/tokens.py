"""Signed tokens of our links: opaque, naming a purpose and a send, without an end. Every key ever listed verifies.

A token is base64url of: version (1 byte), purpose (1 byte), the send's id (16 bytes), and the first 16 bytes of an
HMAC-SHA256 over these: 46 characters, short enough for a List-Unsubscribe header on one line.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid

PURPOSES = {
    "report": b"r", "landing": b"a", "recipient": b"p", "unsubscribe": b"u", "bounce": b"b", "reply": b"y"
}  # fmt: skip
_VERSION = b"\x01"
_MAC = 16


class TokenError(ValueError):
    """The token is not one of ours, or is for something else."""


class Tokens:
    """Makes and reads tokens under the keys of LEADFACTORY_SIGNING_KEYS, the newest first."""

    def __init__(self, keys: str) -> None:
        self._keys = [key.strip().encode() for key in keys.split(",") if key.strip()]
        if not self._keys:
            raise ValueError("LEADFACTORY_SIGNING_KEYS is empty: list at least one key, the newest first")

    def sign(self, purpose: str, send_id: uuid.UUID) -> str:
        """The token for ``purpose`` (report, landing or unsubscribe) of one send.

        Raises:
            KeyError: for an unknown purpose.
        """
        payload = _VERSION + PURPOSES[purpose] + send_id.bytes
        return base64.urlsafe_b64encode(payload + _mac(self._keys[0], payload)).decode().rstrip("=")

    def read(self, purpose: str, token: str) -> uuid.UUID:
        """The send that a token names.

        Raises:
            TokenError: when it was not signed by any listed key, is malformed, or has another purpose.
        """
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (binascii.Error, UnicodeEncodeError, ValueError):
            raise TokenError("the token is malformed") from None
        payload, mac = raw[:-_MAC], raw[-_MAC:]
        if len(raw) != 18 + _MAC or not any(hmac.compare_digest(_mac(key, payload), mac) for key in self._keys):
            raise TokenError("the token carries no signature of ours")
        if payload[:2] != _VERSION + PURPOSES[purpose]:
            raise TokenError("the token is for another purpose")
        return uuid.UUID(bytes=payload[2:])


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, b"link:" + payload, hashlib.sha256).digest()[:_MAC]
