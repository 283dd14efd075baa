"""Manners: who the fetcher says it is, what it asks leave for, and how often it knocks."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from leadfactory.d00_gateway.website.pinned import SiteLimits
from tests.unit.d00_gateway.website.asking import HERE, HTML, fetch, refused


async def test_the_fetcher_says_who_it_is_and_keeps_the_hosts_name(site, vendor, pages):
    pages["/"] = (200, HTML, b"<html></html>")
    await fetch(site())
    for request in vendor.requests:
        assert b"user-agent: LeadFactoryBot/0.1 (+https://lf.example/bot)" in request.lower().replace(
            b"leadfactorybot", b"LeadFactoryBot"
        )
        assert b"\r\nhost: joes.example\r\n" in request.lower()


@pytest.mark.parametrize(
    ("robots", "allowed"),
    [
        ((200, {"content-type": "text/plain"}, b"User-agent: *\nDisallow: /"), False),
        ((200, {"content-type": "text/plain"}, b"User-agent: LeadFactoryBot\nDisallow: /"), False),
        ((200, {"content-type": "text/plain"}, b"\xef\xbb\xbfUser-agent: *\nDisallow: /"), False),
        ((200, {"content-type": "text/plain"}, b"User-agent: Other\nDisallow: /"), True),
        ((200, {"content-type": "text/plain"}, b"\xff\xfe\x00 no rules"), True),
        ((200, HTML, b"<html>User-agent: *\nDisallow: /</html>"), True),
        ((404, {}, b""), True),
        ((403, {}, b""), True),
        ((302, {"location": "http://[::1"}, b""), True),
    ],
)
async def test_robots_txt_is_honoured(site, vendor, pages, robots, allowed):
    pages["/robots.txt"], pages["/"] = robots, (200, HTML, b"<html></html>")
    if allowed:
        assert (await fetch(site())).status == 200
    else:
        assert await refused(site()) == "robots"
        assert not any(b"GET / " in request for request in vendor.requests)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_robots_txt_that_cannot_be_read_forbids_for_now(site, vendor, pages, status):
    pages["/robots.txt"] = (status, {}, b"")
    assert await refused(site()) == "robots_unreachable"
    assert len(vendor.requests) == 1


async def test_robots_txt_behind_a_redirect_counts(site, pages):
    pages["/robots.txt"] = (301, {"location": "/rules"}, b"")
    pages["/rules"] = (200, {"content-type": "text/plain"}, b"User-agent: *\nDisallow: /")
    assert await refused(site()) == "robots"


async def test_a_redirect_of_robots_txt_to_the_inside_is_blocked(site, pages):
    pages["/robots.txt"] = (301, {"location": "http://169.254.169.254/robots.txt"}, b"")
    assert await refused(site()) == "blocked_address"


async def test_a_huge_robots_txt_is_cut_and_its_beginning_counts(site, pages):
    rules = b"User-agent: *\nDisallow: /\n" + b"# x\n" * 1_000_000
    pages["/robots.txt"] = (200, {"content-type": "text/plain"}, rules)
    assert await refused(site()) == "robots"


async def test_robots_txt_is_read_once_a_host_and_both_calls_are_in_the_ledger(site, vendor, pages, ledger_of):
    pages["/"] = pages["/menu"] = (200, HTML, b"<html></html>")
    client = site()
    async with client.gateway.running():
        await client.fetch("http://joes.example/")
        await client.fetch("http://joes.example/menu")
    assert [row.endpoint for row in ledger_of()] == ["robots", "page", "page"]
    assert {row.vendor for row in ledger_of()} == {"website"}


async def test_robots_txt_is_read_again_when_its_time_is_over(site, vendor, pages):
    pages["/"] = (200, HTML, b"<html></html>")
    client = site(SiteLimits(robots_s=0))
    async with client.gateway.running():
        await client.fetch("http://joes.example/")
        await client.fetch("http://joes.example/")
    assert sum(b"/robots.txt" in request for request in vendor.requests) == 2


async def test_a_host_is_asked_one_thing_at_a_time_and_others_meanwhile(site, names, vendor, pages):
    names.answers["anns.example"] = [[HERE]]
    for path in "abc":
        pages[f"/{path}"] = (200, HTML, b"<html></html>")
    busy: dict[str, int] = {"now": 0, "most": 0}
    both = asyncio.Event()

    async def counting():
        busy["now"] += 1
        busy["most"] = max(busy["most"], busy["now"])
        if busy["now"] == 2:
            both.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(both.wait(), 0.2)
        busy["now"] -= 1

    vendor.before = counting
    client = site()
    async with client.gateway.running():
        await asyncio.gather(*(client.fetch(f"http://joes.example/{path}") for path in "abc"))
        assert busy["most"] == 1
        await asyncio.gather(client.fetch("http://joes.example/a"), client.fetch("http://anns.example/a"))
    assert busy["most"] == 2
