"""The website client against the sandbox's sites: every behaviour of a server ends in a page or in its reason."""

from __future__ import annotations

import httpx
import pytest

from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.pinned import SiteLimits


@pytest.fixture
def website(gateway, settings):
    return WebsiteClient(gateway, settings)


@pytest.mark.parametrize("behaviour", ["ok", "parked"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_page_that_is_there_is_read(website, hosts_that, behaviour, scheme):
    page = await website.fetch(f"{scheme}://{hosts_that(behaviour)[0]}/")
    assert (page.status, page.https, page.redirects) == (200, scheme == "https", ())
    assert "<html" in page.html.lower()


async def test_a_redirect_to_https_is_followed_and_told(website, hosts_that):
    host = hosts_that("redirect_https")[0]
    page = await website.fetch(f"http://{host}/")
    assert (page.final_url, page.https, page.redirects) == (f"https://{host}/", True, (f"http://{host}/",))


async def test_a_redirect_to_another_host_is_followed_and_told(website, hosts_that):
    host = hosts_that("redirect_other_host")[0]
    page = await website.fetch(f"http://{host}/")
    assert page.redirects == (f"http://{host}/",)
    assert httpx.URL(page.final_url).host != host


@pytest.mark.parametrize(
    ("behaviour", "scheme", "reason"),
    [
        ("dead_domain", "https", "dns_failure"), ("refused", "http", "connection_lost"),
        ("server_error", "http", "robots_unreachable"), ("redirect_loop", "http", "too_many_redirects"),
        ("not_html", "http", "not_html"), ("huge", "http", "too_large"),
        ("robots_disallow", "http", "robots"), ("private_address", "http", "blocked_address"),
    ],
)  # fmt: skip
async def test_a_site_that_cannot_be_read_has_its_reason(website, hosts_that, behaviour, scheme, reason):
    with pytest.raises(VendorError) as caught:
        await website.fetch(f"{scheme}://{hosts_that(behaviour)[0]}/")
    assert caught.value.reason == reason


async def test_a_site_that_hangs_times_out(gateway, settings, hosts_that):
    with pytest.raises(VendorError) as caught:
        await WebsiteClient(gateway, settings, SiteLimits(first_byte_s=0.2)).fetch(
            f"http://{hosts_that('timeout')[0]}/"
        )
    assert caught.value.reason == "timeout"


async def test_a_certificate_is_checked_though_another_hosts_connection_to_the_same_address_is_open(
    website, hosts_that
):
    good = await website.fetch(f"https://{hosts_that('ok')[0]}/")
    page = await website.fetch(f"https://{hosts_that('bad_certificate')[0]}/")
    assert (good.unverified, good.certificate is not None) == (None, True)
    assert (page.unverified.startswith("certificate: "), page.certificate) == (True, None)


async def test_a_page_under_a_good_certificate_is_verified_though_a_bad_one_was_met_before(website, hosts_that):
    await website.fetch(f"https://{hosts_that('bad_certificate')[0]}/")
    good = await website.fetch(f"https://{hosts_that('ok')[0]}/")
    assert (good.unverified, good.certificate is not None) == (None, True)


async def test_a_certificate_of_an_unknown_authority_does_not_verify(gateway, settings, hosts_that):
    stranger = settings.model_copy(update={"website_ca_file": None})
    page = await WebsiteClient(gateway, stranger).fetch(f"https://{hosts_that('ok')[0]}/")
    assert page.unverified.startswith("certificate: ")
