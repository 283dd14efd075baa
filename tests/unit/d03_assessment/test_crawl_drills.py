"""Hostile and broken websites over real HTTP and TLS: each ends in a recorded reason, within its limits."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.limits import SiteLimits
from leadfactory.d03_assessment.crawl import crawl
from leadfactory.d03_assessment.crawl_limits import CrawlLimits, limits
from leadfactory.d03_assessment.measurement import SiteMeasurement
from leadfactory.settings import Settings
from tests.unit.d00_gateway.conftest import policies_of
from tests.unit.d03_assessment.golden_sites import ADDRESS, GoldenServer, Host

NAME = "drill.example"
NOW = dt.datetime.now(dt.UTC)  # certificates are checked on the clock on the wall
GOOD = b"<!doctype html><html lang=en><head><title>Drill Grill in Springfield</title></head><body><h1>Grill</h1><p>We cook.</p></body></html>"
Crawls = Callable[..., Any]


class Moving(dict[str, str]):
    """Addresses that are public when asked for first and inside from then on."""

    asked = 0

    def get(self, name: str, default: Any = None) -> Any:
        self.asked += 1
        return ADDRESS if self.asked == 1 else "10.0.0.5"


@pytest.fixture
def crawled(database, tmp_path) -> Crawls:
    """Crawls a site of these resources; returns the measurement, the server and the seconds it took."""

    async def run(
        resources: dict[str, Any], *, tls: Any = None, base: str = f"http://{NAME}/", address: str | None = None,
        site: SiteLimits | None = None, bounds: CrawlLimits | None = None, files: dict[str, bytes] | None = None,
        addresses: dict[str, str] | None = None,
    ) -> tuple[SiteMeasurement, GoldenServer, float]:  # fmt: skip
        for file, content in (files or {}).items():
            (tmp_path / file).write_bytes(content)
        told = {path: {"path": path, **each} for path, each in resources.items()}
        server = GoldenServer({NAME: Host(NAME, tmp_path, {}, tls, "serves", base.startswith("https"), told)})
        server.addresses = {} if addresses is None else addresses
        if address is not None:
            server.addresses[NAME] = address
        async with server.running():
            ca_file = tmp_path / "ca.pem"
            ca_file.write_bytes(server.authority.pem())
            at = f"127.0.0.1:{server.port}"
            settings = Settings(
                env="test",
                website_resolver=at,
                website_gateway=at,
                website_ca_file=ca_file,
                public_url="https://lf.example",
            )
            retry = {"attempts": 2, "base_s": 0.01, "cap_s": 0.02}
            policies = policies_of("website", json_answers=False, caches=False, timeout_s=20, retry=retry)
            gateway = Gateway(database, clock=Clock(), settings=settings, policies=policies)
            async with gateway.running():
                began = time.monotonic()
                client = WebsiteClient(gateway, settings, site or SiteLimits(first_byte_s=3, total_s=10))
                found = await crawl(client, base, now=NOW, bounds=bounds)
                return found, server, time.monotonic() - began

    return run


async def test_a_site_of_300_megabytes_is_too_large_after_two_of_them(crawled):
    found, server, _ = await crawled({"/": {"fault": "flood"}})
    assert (found.reason, found.url) == ("too_large", None)
    assert server.sent < 40_000_000  # what fits into sockets' buffers beyond what was read


async def test_an_endless_redirect_ends_after_five_hops(crawled):
    found, server, _ = await crawled({"/": {"fault": "endless_redirect"}})
    assert (found.reason, found.facts["redirect_count"]) == ("too_many_redirects", 5)
    assert len([path for _, _, path in server.requests if path == "/"]) == 6


async def test_a_server_that_drips_ends_with_the_pages_time(crawled):
    found, _, seconds = await crawled({"/": {"fault": "drip"}}, site=SiteLimits(first_byte_s=2, total_s=0.6))
    assert found.reason == "timeout"
    assert seconds < 10


async def test_a_site_that_says_nothing_ends_with_the_first_bytes_time(crawled):
    found, _, _ = await crawled({"/": {"fault": "hang"}}, site=SiteLimits(first_byte_s=0.3, total_s=1))
    assert found.reason == "timeout"


@pytest.mark.parametrize("address", ["10.0.0.5", "127.0.0.1", "169.254.169.254", "192.168.1.1"])
async def test_a_private_address_behind_dns_is_never_connected_to(crawled, address):
    found, server, _ = await crawled({"/": {"text": "inside"}}, address=address)
    assert found.reason == "blocked_address"
    assert server.requests == []


async def test_a_robots_file_that_forbids_us_is_obeyed(crawled):
    robots = {"text": "User-agent: LeadFactoryBot\nDisallow: /\n\nUser-agent: *\nDisallow:\n"}
    found, server, _ = await crawled({"/": {"text": "hello"}, "/robots.txt": robots})
    assert (found.reason, found.facts["robots_block_home"]) == ("robots", False)
    assert {path for _, _, path in server.requests} == {"/robots.txt"}


async def test_an_invalid_certificate_is_a_measured_fault_and_the_site_is_read_all_the_same(crawled):
    page = {"file": "index.html"}
    found, _, _ = await crawled({"/": page}, tls={"valid": False}, base=f"https://{NAME}/", files={"index.html": GOOD})
    assert (found.reason, found.facts["tls_valid"], found.facts["h1_count"]) == (None, False, 1)
    assert "tls_days_left" not in found.facts


async def test_what_was_read_under_an_invalid_certificate_says_so_in_its_evidence(crawled):
    found, _, _ = await crawled({"/": {"text": "hello"}}, tls={"valid": False}, base=f"https://{NAME}/")
    assert found.evidence("has_title")["connection"].startswith("unverified, certificate: ")
    assert SiteMeasurement.of(found.plain()).unverified == found.unverified


async def test_what_was_read_under_a_valid_certificate_says_nothing_of_it(crawled):
    found, _, _ = await crawled({"/": {"text": "hello"}}, tls={"valid": True}, base=f"https://{NAME}/")
    assert found.unverified is None
    assert "connection" not in found.evidence("has_title")


async def test_the_unverified_connection_is_judged_anew(crawled):
    """A name that is public for the handshake and leads inside afterwards is not followed."""
    moving = Moving()
    found, server, _ = await crawled(
        {"/": {"text": "inside"}}, tls={"valid": False}, base=f"https://{NAME}/", addresses=moving
    )
    assert moving.asked >= 2
    assert found.reason == "blocked_address"
    assert server.requests == []


async def test_an_invalid_certificate_at_the_https_port_of_a_plain_site_is_not_connected_to_again(crawled):
    found, server, _ = await crawled({"/": {"text": "hello"}}, tls={"valid": False})
    assert (found.reason, found.unverified, found.facts["tls_valid"]) == (None, None, False)
    assert {origin for _, origin, _ in server.requests} == {f"http://{NAME}"}


async def test_a_certificates_days_are_counted_from_its_own_end(crawled):
    page = {"file": "index.html"}
    found, _, _ = await crawled(
        {"/": page}, tls={"valid": True, "days_left": 9}, base=f"https://{NAME}/", files={"index.html": GOOD}
    )
    assert (found.reason, found.facts["tls_valid"], found.facts["tls_days_left"]) == (None, True, 9)


async def test_a_page_in_latin_1_is_read_as_it_was_meant(crawled):
    page = GOOD.replace(b"Drill Grill in Springfield", "Café Zoë à la carte".encode("latin-1"))
    kind = "text/html; charset=iso-8859-1"
    found, _, _ = await crawled({"/": {"file": "l1.html", "content_type": kind}}, files={"l1.html": page})
    assert (found.reason, found.examples["title_length"]) == (None, ["Café Zoë à la carte"])


async def test_a_page_in_chinese_is_measured_like_any_other(crawled):
    page = "<!doctype html><html lang=zh><title>金龙餐厅，纽约最好的点心</title><body><h1>金龙餐厅</h1><p>欢迎光临。© 2026 金龙</p>".encode()
    found, _, _ = await crawled({"/": {"file": "zh.html"}}, files={"zh.html": page})
    assert (found.facts["title_length"], found.facts["h1_count"], found.facts["copyright_year"]) == (12, 1, 2026)
    assert (found.facts["phone_visible"], found.facts["has_lang"]) == (False, True)


async def test_five_megabytes_of_linked_data_are_too_large_a_page(crawled):
    data = json.dumps({"@type": "Restaurant", "name": "x" * 5_000_000})
    page = f'<html><head><script type="application/ld+json">{data}</script></head><body>Hi</body></html>'.encode()
    found, _, _ = await crawled({"/": {"file": "ld.html", "compressed": False}}, files={"ld.html": page})
    assert found.reason == "too_large"


async def test_linked_data_that_nests_without_end_is_none(crawled):
    deep = "[" * 100_000
    page = f'<html><head><title>Deep</title><script type="application/ld+json">{deep}</script></head><body>Hi</body></html>'.encode()
    found, _, _ = await crawled({"/": {"file": "deep.html"}}, files={"deep.html": page})
    assert (found.reason, found.facts["has_json_ld_business"]) == (None, False)


async def test_no_more_is_asked_than_a_visit_may_ask(crawled):
    links = "".join(f'<a href="/page-{n}">Page</a>' for n in range(40))
    page = GOOD.replace(b"<p>", links.encode() + b"<p>")
    bounds = limits().model_copy(update={"requests": 7})
    found, server, _ = await crawled({"/": {"file": "many.html"}}, files={"many.html": page}, bounds=bounds)
    assert found.requests == 7
    assert len(server.requests) <= 7
    assert "visit_limit" in found.absent.values()


async def test_a_key_page_elsewhere_is_not_followed(crawled):
    page = GOOD.replace(b"<p>", b'<a href="/book">Book now</a><p>')
    resources = {"/": {"file": "book.html"}, "/book": {"redirect": "https://stranger.example/book"}}
    found, server, _ = await crawled(resources, files={"book.html": page})
    assert [(each.role, each.reason) for each in found.key_pages] == [("action", "other_host")]
    assert server.strangers == set()


async def test_a_usual_site_takes_at_most_15_requests(crawled):
    body = b'<nav><a href="/contact">Contact</a> <a href="/about">About</a> <a href="/old">News</a></nav>' + b"".join(
        b'<img src="/img/%d.webp" alt="">' % n for n in range(4)
    )
    resources = {"/": {"file": "usual.html"}, "/contact": {"file": "usual.html"}, "/about": {"file": "usual.html"}}
    resources |= {f"/img/{n}.webp": {"bytes": 600_000 if n == 1 else 9_000} for n in range(4)}
    found, _, _ = await crawled(resources, files={"usual.html": GOOD.replace(b"<p>", body + b"<p>")})
    assert found.facts["heavy_image_count"] == found.facts["broken_link_count"] == 1
    assert found.examples["broken_link_count"] == [f"http://{NAME}/old"]
    assert found.requests <= 16  # 15 and the GET that follows a HEAD which was refused


async def test_two_crawls_of_one_site_say_the_same(crawled):
    resources = {"/": {"file": "index.html", "set_cookie": ["id=1"]}}
    first, _, _ = await crawled(resources, files={"index.html": GOOD})
    second, _, _ = await crawled(resources, files={"index.html": GOOD})
    assert first.plain() == second.plain()
    assert SiteMeasurement.of(first.plain(), first.technologies) == dataclasses.replace(first, requests=0, bytes=0)


async def test_each_fact_has_its_url_place_and_time(crawled):
    page = GOOD.replace(b"<p>", b'<img src="/a.jpg"><p>')
    found, _, _ = await crawled({"/": {"file": "index.html"}}, files={"index.html": page})
    assert found.evidence("images_without_alt") == {
        "url": f"http://{NAME}/", "where": "img:not([alt])", "at": NOW.isoformat(), "examples": ["/a.jpg"],
    }  # fmt: skip
