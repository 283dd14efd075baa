"""Reads the certificate of a handshake, whether or not it could be verified."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Mapping
from typing import Any

from leadfactory.d00_gateway.website.answers import Certificate

MOST_TEXT = 120


def of_handshake(connection: ssl.SSLObject | ssl.SSLSocket | None) -> Certificate | None:
    """The certificate that the peer showed; None without TLS. ``valid`` is False for a handshake without verification."""
    if connection is None:
        return None
    if connection.context.verify_mode != ssl.CERT_NONE:
        shown: Mapping[str, Any] = connection.getpeercert() or {}
        ends = shown.get("notAfter")
        moment = dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), dt.UTC) if isinstance(ends, str) else None
        return Certificate(True, moment, _issuer(shown))
    return _unverified(connection.getpeercert(binary_form=True))


def _issuer(shown: Mapping[str, Any]) -> str | None:
    named = {key: value for part in shown.get("issuer", ()) for key, value in part}
    name = named.get("organizationName") or named.get("commonName")
    return str(name)[:MOST_TEXT] if name else None


def _unverified(der: bytes | None) -> Certificate:
    """What an unverified certificate says of itself; a damaged one says nothing."""
    from cryptography import x509  # only a site with a bad certificate pays for the import
    from cryptography.x509.oid import NameOID

    try:
        certificate = x509.load_der_x509_certificate(der or b"")
        named = [
            *certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME),
            *certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME),
        ]
        issuer = str(named[0].value)[:MOST_TEXT] if named else None
        return Certificate(False, certificate.not_valid_after_utc, issuer)
    except ValueError:
        return Certificate(False)
