"""Hostile names and redirects: nothing is connected to that was not judged."""

from __future__ import annotations

import pytest

from leadfactory.d00_gateway.errors import VendorRejected
from leadfactory.d00_gateway.website.resolver import resolve
from tests.unit.d00_gateway.website.asking import HERE, HTML, fetch, refused


@pytest.mark.parametrize("address", ["10.0.0.5", "127.0.0.1", "169.254.169.254"])
async def test_a_name_that_resolves_inside_is_blocked_before_a_connection(site, names, vendor, address, ledger_of):
    names.answers["joes.example"] = [[HERE, address]]
    assert await refused(site()) == "blocked_address"
    assert vendor.requests == []
    assert [(row.status, row.reason) for row in ledger_of()] == [("rejected", "blocked_address")]


async def test_production_blocks_the_sandboxes_addresses(site, vendor):
    assert await refused(site(env="production")) == "blocked_address"
    assert vendor.requests == []


async def test_a_connection_goes_to_the_address_that_was_judged_though_the_name_changes(site, names, pages):
    names.answers["joes.example"] = [[HERE], ["127.0.0.1"]]  # the second look-up would lead inside
    pages["/"] = (200, HTML, b"<html>public</html>")
    assert (await fetch(site())).html == "<html>public</html>"
    assert names.asked == ["joes.example"]


async def test_a_name_that_turns_private_between_connections_is_judged_again(site, names, pages):
    names.answers["joes.example"] = [[HERE], ["127.0.0.1"]]
    pages["/"] = (200, HTML, b"<html></html>")
    client = site()
    await fetch(client)
    assert await refused(client) == "blocked_address"


@pytest.mark.parametrize(
    ("answers", "reason"), [(None, "dns_failure"), ([[]], "dns_failure"), ([["servfail"]], "dns_unavailable")]
)
async def test_a_dead_name_is_not_a_dns_server_that_does_not_answer(site, names, answers, reason):
    del names.answers["joes.example"]
    if answers is not None:
        names.answers["joes.example"] = answers
    assert await refused(site()) == reason


@pytest.mark.parametrize("server", ["", "127.0.0.1:9"])
async def test_a_label_that_is_too_long_is_a_name_that_does_not_exist(server):
    with pytest.raises(VendorRejected, match="dns_failure"):
        await resolve("a" * 64 + ".example", server)


async def test_the_systems_resolver_gives_every_address():
    assert "127.0.0.1" in await resolve("localhost", "")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/admin", "blocked_address"), ("http://169.254.169.254/latest", "blocked_address"),
        ("http://inside.example/", "blocked_address"), ("//[::1]/", "blocked_address"), ("file:///etc/passwd", "blocked_address"),
        ("http://joes.example:6379/", "blocked_address"), ("http://a:b@joes.example/", "blocked_address"),
        ("http://gone.example/", "dns_failure"), ("http://[::1", "invalid_url"), ("/", "too_many_redirects"), ("", "http_error"),
    ],
)  # fmt: skip
async def test_each_redirect_is_judged_anew(site, names, pages, location, reason):
    names.answers["inside.example"] = [["10.0.0.1"]]
    pages["/"] = (302, {"location": location}, b"")
    assert await refused(site()) == reason


async def test_redirects_that_lead_somewhere_are_listed_in_order(site, names, pages):
    names.answers["www.joes.example"] = [[HERE]]
    pages["/"] = (301, {"location": "http://www.joes.example/de"}, b"")
    pages["/de"] = (302, {"location": "start?x=1#top"}, b"")
    pages["/start?x=1"] = (200, HTML, b"<html></html>")
    page = await fetch(site())
    assert page.redirects == ("http://joes.example/", "http://www.joes.example/de")
    assert (page.requested_url, page.final_url) == ("http://joes.example/", "http://www.joes.example/start?x=1")


async def test_six_redirects_are_too_many_and_the_sixth_target_is_not_asked(site, vendor, pages):
    for hop in range(8):
        pages[f"/{hop}"] = (302, {"location": f"/{hop + 1}"}, b"")
    assert await refused(site(), "http://joes.example/0") == "too_many_redirects"
    assert not any(b"GET /6 " in request for request in vendor.requests)


async def test_a_url_that_is_blocked_by_its_looks_takes_no_permit(site, names, ledger_of):
    assert await refused(site(), "http://169.254.169.254/latest") == "blocked_address"
    assert ledger_of() == []
    assert names.asked == []
