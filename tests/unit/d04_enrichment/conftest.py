"""Pages of our own making."""

from __future__ import annotations

import datetime as dt

import pytest

from leadfactory.d00_gateway.website.client import SitePage

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


def site_page(html: str, url: str = "https://joes.example/", **given) -> SitePage:
    """A page as the fetcher hands it over."""
    return SitePage(
        **{
            "requested_url": url, "final_url": url, "status": 200, "headers": {}, "html": html, "byte_count": len(html), "elapsed_ms": 40,
            "redirects": (), "https": url.startswith("https"), "compressed": True, "fetched_at": NOW,
        } | given  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def page_of():
    return site_page
