"""Signed links for operators: who is at the desk, for how long. No account and no password; a command prints the link.

A token is base64url of: version (1 byte), end (4 bytes, unix seconds), the name in UTF-8, and 16 bytes of an HMAC-SHA256 over these.
Every key of LEADFACTORY_SIGNING_KEYS verifies; a purpose of its own keeps it apart from the recipients' links.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import hashlib
import hmac

LIVES = dt.timedelta(hours=12)
_VERSION = b"\x01"
_MAC = 16
_NAME_MOST = 60


class OperatorLinkError(ValueError):
    """The link is not one of ours, or its time is over."""


@dataclasses.dataclass(frozen=True)
class Operator:
    """Who is at the desk, and until when."""

    name: str
    until: dt.datetime


class OperatorLinks:
    """Makes and reads operators' tokens, and the proof that a form was shown by us to its holder."""

    def __init__(self, keys: str) -> None:
        self._keys = [key.strip().encode() for key in keys.split(",") if key.strip()]
        if not self._keys:
            raise ValueError("LEADFACTORY_SIGNING_KEYS is empty: list at least one key, the newest first")

    def sign(self, name: str, now: dt.datetime) -> str:
        """A token that lets ``name`` in for twelve hours from ``now``.

        Raises:
            ValueError: for a name that is empty, too long, or more than one line.
        """
        said = name.strip()
        if not said or len(said) > _NAME_MOST or not said.isprintable():
            raise ValueError(f"name={name!r} is no name of 1 to {_NAME_MOST} printable characters: say who reviews")
        end = int((now + LIVES).timestamp())
        payload = _VERSION + end.to_bytes(4, "big") + said.encode()
        return base64.urlsafe_b64encode(payload + _mac(self._keys[0], b"desk:", payload)).decode().rstrip("=")

    def read(self, token: str, now: dt.datetime) -> Operator:
        """Whom a token lets in.

        Raises:
            OperatorLinkError: it is malformed, signed by no listed key, or over.
        """
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (binascii.Error, UnicodeEncodeError, ValueError):
            raise OperatorLinkError("the link is malformed") from None
        payload, mac = raw[:-_MAC], raw[-_MAC:]
        signed = any(hmac.compare_digest(_mac(key, b"desk:", payload), mac) for key in self._keys)
        if len(payload) < 6 or payload[:1] != _VERSION or not signed:
            raise OperatorLinkError("the link carries no signature of ours")
        until = dt.datetime.fromtimestamp(int.from_bytes(payload[1:5], "big"), dt.UTC)
        if now >= until:
            raise OperatorLinkError(f"the link ended at {until:%Y-%m-%d %H:%M} UTC")
        return Operator(payload[5:].decode(), until)

    def form_proof(self, token: str) -> str:
        """What a form of ours carries: nobody without the token can make it."""
        return _mac(self._keys[0], b"form:", token.encode()).hex()

    def proves(self, token: str, proof: str) -> bool:
        """Whether a form was shown to the holder of the token, under any listed key."""
        return any(
            hmac.compare_digest(_mac(key, b"form:", token.encode()).hex().encode(), proof.encode())
            for key in self._keys
        )


def _mac(key: bytes, purpose: bytes, payload: bytes) -> bytes:
    return hmac.new(key, purpose + payload, hashlib.sha256).digest()[:_MAC]
