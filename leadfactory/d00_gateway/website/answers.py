"""What a website's server gave us: pages, the answers of small questions, and the certificate it showed."""

from __future__ import annotations

import dataclasses
import datetime as dt


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The certificate of one handshake.

    ``valid`` is our own verification against the public authorities and the host's name; ``error`` says why it failed.
    ``not_after`` and ``issuer`` (the issuing organisation or common name) are None where they could not be read.
    """

    valid: bool
    not_after: dt.datetime | None = None
    issuer: str | None = None
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class SitePage:
    """One page as its server gave it to us.

    ``headers`` have lower-case names; ``redirects`` are the URLs that led elsewhere, in order; ``byte_count`` is decoded;
    ``elapsed_ms`` is the last hop's; ``compressed`` whether it came compressed. ``cookies`` are names only.
    ``certificate`` is None for a page over plain http. ``cut`` whether the page was longer than what was read.
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
    certificate: Certificate | None = None


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
