"""Keyed hashes of what identifies a person or a business: HMAC-SHA256 under LEADFACTORY_SUPPRESSION_KEY.

The key is never rotated, so what is hashed must be normalised for ever the same way: NORMALISATION names the version.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata

import idna

NORMALISATION = "1"
FREE_MAIL = frozenset(
    {
        "gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "hotmail.com", "outlook.com", "live.com", "msn.com",
        "aol.com", "icloud.com", "me.com", "mac.com", "proton.me", "protonmail.com", "comcast.net", "verizon.net",
        "att.net", "sbcglobal.net", "gmx.com", "mail.com", "zoho.com", "yandex.com",
    }
)  # fmt: skip


def normalise_address(address: str) -> str:
    """An e-mail address trimmed, in lower case, its domain in IDNA form.

    Raises:
        ValueError: when there is no ``@`` with something on both sides; the message does not repeat the address.
    """
    local, at, domain = address.strip().lower().rpartition("@")
    if not (at and local and domain):
        raise ValueError("e-mail address without a local part and a domain")
    return f"{local}@{ascii_domain(domain)}"


def ascii_domain(domain: str) -> str:
    """A domain in IDNA form, as domains are stored; one that has none as it is, without a dot at its end."""
    try:
        return idna.encode(domain.rstrip("."), uts46=True).decode()
    except idna.IDNAError:
        return domain.rstrip(".")


def plus_stripped(address: str) -> str:
    """The normalised address without ``+tag``: the same mailbox at most providers."""
    local, _, domain = normalise_address(address).rpartition("@")
    return f"{local.split('+', 1)[0] or local}@{domain}"


def normalise_name(name: str) -> str:
    """A business name in lower-case letters and digits of any script, accents folded, single spaces."""
    folded = name.casefold()
    if not folded.isascii():
        folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", folded.replace("&", " and ").replace("'", "").replace("’", "")))


class KeyedHashes:
    """HMACs under one key, apart by purpose, so that a phone and an address never collide."""

    def __init__(self, key: str) -> None:
        if not key:
            raise ValueError(
                "LEADFACTORY_SUPPRESSION_KEY is empty: set it (it is never rotated); nothing can be sent without it"
            )
        self._key = key.encode()

    def of(self, purpose: str, text: str) -> bytes:
        """32 bytes for ``text``, which the caller has normalised."""
        return hmac.new(self._key, f"{NORMALISATION}:{purpose}:{text}".encode(), hashlib.sha256).digest()

    def address(self, address: str) -> bytes:
        """The hash under which an e-mail address is suppressed and its contact slot held."""
        return self.of("address", normalise_address(address))

    def address_plus_stripped(self, address: str) -> bytes:
        """The second form: the address without ``+tag``."""
        return self.of("address", plus_stripped(address))

    def domain(self, domain: str) -> bytes:
        """The hash of a registrable domain."""
        return self.of("domain", domain.strip().lower().rstrip("."))

    def phone(self, e164: str) -> bytes:
        """The hash of a phone number in E.164 form."""
        return self.of("phone", e164)

    def name(self, name: str) -> bytes:
        """The hash of a business name."""
        return self.of("name", normalise_name(name))

    def postal(self, normalised: str) -> bytes:
        """The hash of a normalised postal address."""
        return self.of("postal", normalised)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name the key without telling it."""
        return hmac.new(self._key, b"fingerprint", hashlib.sha256).hexdigest()[:16]
