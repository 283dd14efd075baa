"""Size, time and form: how much of a stranger's answer is taken, and what is made of the rest."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.pinned import SiteLimits
from leadfactory.settings import Settings
from tests.unit.d00_gateway.website.asking import HTML, fetch, refused


async def test_a_page_of_the_most_bytes_is_read_and_one_more_is_too_large(site, pages):
    client = site(SiteLimits(body_bytes=1000))
    pages["/"] = (200, HTML, b"x" * 1000)
    assert (await fetch(client)).byte_count == 1000
    pages["/"] = (200, HTML, b"x" * 1001)
    assert await refused(client) == "too_large"


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_decompression_bomb_is_too_large_by_its_decoded_bytes(site, pages, coding, pack):
    bomb = pack(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    pages["/"] = (200, {**HTML, "content-encoding": coding}, bomb)
    assert await refused(site()) == "too_large"


@pytest.mark.parametrize(
    ("coding", "raw"),
    [
        ("gzip", gzip.compress(b"<html>x</html>")), ("deflate", zlib.compress(b"<html>x</html>")),
        ("deflate", zlib.compress(b"<html>x</html>", wbits=-15)), ("identity", b"<html>x</html>"),
    ],
)  # fmt: skip
async def test_a_compressed_page_is_read(site, pages, coding, raw):
    pages["/"] = (200, {**HTML, "content-encoding": coding}, raw)
    page = await fetch(site())
    assert (page.html, page.compressed) == ("<html>x</html>", coding != "identity")


@pytest.mark.parametrize(("coding", "raw"), [("gzip", b"not gzip"), ("br", b"\x0b"), ("gzip, gzip", b"x")])
async def test_damaged_or_unasked_compression_is_a_malformed_answer(site, pages, coding, raw):
    pages["/"] = (200, {**HTML, "content-encoding": coding}, raw)
    assert await refused(site()) == "malformed_answer"


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("application/pdf", b"%PDF", "not_html"), ("image/png", b"<html>", "not_html"), ("text/plain", b"<html>", "not_html"),
        ("application/x-html-archive", b"<html>", "not_html"),
    ],
)  # fmt: skip
async def test_what_is_no_page_is_not_read_as_one(site, pages, kind, body, reason):
    pages["/"] = (200, {"content-type": kind}, body)
    assert await refused(site()) == reason


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [(404, "http_error", VendorRejected), (403, "http_error", VendorRejected), (410, "http_error", VendorRejected),
     (500, "server_error", VendorUnavailable), (503, "server_error", VendorUnavailable), (429, "server_error", VendorUnavailable),
     (304, "http_error", VendorRejected)],
)  # fmt: skip
async def test_a_status_that_is_no_page_has_a_reason(site, pages, status, reason, kind):
    pages["/"] = (status, HTML, b"")
    with pytest.raises(kind) as caught:
        await fetch(site())
    assert caught.value.reason == reason


async def test_a_server_that_says_nothing_is_left_after_the_first_bytes_time(site, vendor):
    vendor.answers = ["hang"]
    assert await refused(site(SiteLimits(first_byte_s=0.05, total_s=1))) == "timeout"


async def test_the_whole_fetch_has_one_time_over_all_its_hops(site, vendor, pages):
    async def slowly():
        await asyncio.sleep(0.08)

    vendor.before = slowly
    for hop in range(5):
        pages[f"/{hop}"] = (302, {"location": f"/{hop + 1}"}, b"")
    assert await refused(site(SiteLimits(total_s=0.2)), "http://joes.example/0") == "timeout"
    assert len(vendor.requests) <= 5  # and not the robots.txt and six pages that were there


async def test_a_silent_server_is_tried_again_while_the_fetch_has_time(site, vendor):
    vendor.answers = ["hang"]
    assert await refused(site(SiteLimits(first_byte_s=0.2, total_s=10))) == "timeout"
    assert len(vendor.requests) >= 2


async def test_the_fetchs_own_time_ends_it_before_any_other_does(site, vendor):
    vendor.answers = ["hang"]
    with pytest.raises(VendorUnavailable) as caught:
        await fetch(site(SiteLimits(first_byte_s=1000, total_s=0.3)))
    assert (caught.value.reason, caught.value.detail) == ("timeout", "the site took too long")
    assert len(vendor.requests) == 1


async def test_a_dropped_connection_is_tried_again_later(site, vendor):
    vendor.answers = ["reset"]
    assert await refused(site()) == "connection_lost"


async def test_a_port_where_nobody_listens_is_refused(gateway_of, names):
    settings = Settings(env="test", website_resolver=names.address, website_gateway="127.0.0.1:9")
    client = WebsiteClient(gateway_of("website", json_answers=False, caches=False), settings)
    assert await refused(client) == "refused"


@pytest.mark.parametrize("url", ["http://[::1", "http://\x00", "http://joes.example:abc/"])
async def test_what_is_no_url_is_told_so(site, url):
    assert await refused(site(), url) == "invalid_url"


async def test_a_url_without_a_scheme_is_taken_as_http(site, pages):
    pages["/menu"] = (200, HTML, b"<html></html>")
    page = await fetch(site(), "joes.example/menu")
    assert (page.final_url, page.https) == ("http://joes.example/menu", False)
