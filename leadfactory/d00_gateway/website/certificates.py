"""Reads the certificate of a verified handshake, and tells a bad certificate from any other TLS failure."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Mapping
from typing import Any

from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.website.answers import Certificate

UNVERIFIED = "certificate"  # how the detail of a tls_error begins when it is the certificate's fault
MOST_TEXT = 120


def of_handshake(connection: ssl.SSLObject | ssl.SSLSocket | None) -> Certificate | None:
    """The certificate that the peer showed and we verified; None without TLS."""
    if connection is None:
        return None
    shown: Mapping[str, Any] = connection.getpeercert() or {}
    ends = shown.get("notAfter")
    moment = dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), dt.UTC) if isinstance(ends, str) else None
    return Certificate(moment, _issuer(shown))


def is_bad(error: VendorError) -> bool:
    """Whether a request failed because the site's certificate does not verify."""
    return error.reason == "tls_error" and error.detail.startswith(UNVERIFIED)


def _issuer(shown: Mapping[str, Any]) -> str | None:
    named = {key: value for part in shown.get("issuer", ()) for key, value in part}
    name = named.get("organizationName") or named.get("commonName")
    return str(name)[:MOST_TEXT] if name else None
