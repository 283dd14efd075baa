"""What a website's server gave us: pages, the answers of small questions, and the certificate it showed."""

from __future__ import annotations

import dataclasses
import datetime as dt


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The verified certificate of one handshake; ``issuer`` is its organisation or common name, None where not told."""

    not_after: dt.datetime | None
    issuer: str | None


@dataclasses.dataclass(frozen=True)
class SitePage:
    """One page as its server gave it to us.

    ``headers`` have lower-case names; ``redirects`` are the URLs that led elsewhere, in order; ``byte_count`` is decoded;
    ``elapsed_ms`` is the last hop's; ``compressed`` whether it came compressed. ``cookies`` are names only.
    ``insecure_cookies`` counts those without Secure. ``certificate`` is None for a page over plain http, and for one that was
    read although its host's certificate does not verify; ``unverified`` then says what is wrong with it.
    """

    requested_url: str
    final_url: str
    status: int
    headers: dict[str, str]
    html: str
    byte_count: int
    elapsed_ms: int
    redirects: tuple[str, ...]
    https: bool
    compressed: bool
    fetched_at: dt.datetime
    cookies: tuple[str, ...] = ()
    insecure_cookies: int = 0
    certificate: Certificate | None = None
    unverified: str | None = None


@dataclasses.dataclass(frozen=True)
class SiteAnswer:
    """What a server said to one question without a page: the status, where it points, how large the thing is.

    ``byte_count`` is the declared size, or the size read; None when nobody said. ``body`` is empty after a HEAD.
    """

    url: str
    method: str
    status: int
    headers: dict[str, str]
    location: str
    byte_count: int | None
    body: bytes
    fetched_at: dt.datetime
    certificate: Certificate | None = None
