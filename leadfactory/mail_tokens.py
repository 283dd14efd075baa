"""Addresses of ours that name a send: where its bounces return (VERP) and where answers to it go.

The local part is one letter for the purpose, ``-``, and the signed token in lower-case base32: relays may change the case of
letters, so a token that needs both cases would not survive. Pure.
"""

from __future__ import annotations

import base64
import binascii
import uuid

from leadfactory.tokens import TokenError, Tokens

LETTERS = {"bounce": "b", "reply": "r"}


def address(tokens: Tokens, purpose: str, send_id: uuid.UUID, domain: str) -> str:
    """The address for ``purpose`` (bounce or reply) of one send on our inbound domain."""
    token = tokens.sign(purpose, send_id)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return f"{LETTERS[purpose]}-{base64.b32encode(raw).decode().rstrip('=').lower()}@{domain}"


def read(tokens: Tokens, purpose: str, text: str) -> uuid.UUID:
    """The send that an address of ours names, whatever domain it is under.

    Raises:
        TokenError: it is no address of ours for this purpose.
    """
    local = text.strip().strip("<>").rpartition("@")[0] or text.strip()
    letter, _, body = local.partition("-")
    if letter.lower() != LETTERS[purpose]:
        raise TokenError(f"not a {purpose} address of ours")
    try:
        raw = base64.b32decode(body.upper() + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError):
        raise TokenError(f"not a {purpose} address of ours") from None
    return tokens.read(purpose, base64.urlsafe_b64encode(raw).decode().rstrip("="))
