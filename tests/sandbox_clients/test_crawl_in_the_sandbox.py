"""Our own crawl over the sandbox's websites: every behaviour of a server ends in facts or in its reason, at few requests."""

from __future__ import annotations

import pytest

from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.limits import SiteLimits
from leadfactory.d03_assessment.crawl import crawl


@pytest.fixture
def crawled(gateway, settings):
    client = WebsiteClient(gateway, settings, SiteLimits(first_byte_s=2, total_s=5))

    async def run(url):
        return await crawl(client, url, now=settings.clock.now())

    return run


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_usual_sites_take_at_most_15_requests_and_tell_most_facts(crawled, hosts_that, scheme):
    for host in hosts_that("ok")[:6]:
        found = await crawled(f"{scheme}://{host}/")
        assert found.reason is None
        assert found.requests <= 15
        assert len(found.facts) > 55
        assert (found.facts["https"], found.facts["tls_valid"]) == (scheme == "https", True)


@pytest.mark.parametrize(
    ("behaviour", "scheme", "reason"),
    [
        ("dead_domain", "https", "unreachable"), ("refused", "http", "robots"), ("server_error", "http", "robots"),
        ("redirect_loop", "http", "too_many_redirects"), ("not_html", "http", "not_html"),
        ("huge", "http", "too_large"), ("robots_disallow", "http", "robots"), ("private_address", "http", "blocked_address"),
    ],
)  # fmt: skip
async def test_a_site_that_cannot_be_read_has_its_reason(crawled, hosts_that, behaviour, scheme, reason):
    found = await crawled(f"{scheme}://{hosts_that(behaviour)[0]}/")
    assert (found.reason, found.url) == (reason, None)
    assert found.absent["has_title"] == reason
    assert found.requests <= 15


async def test_a_site_with_a_bad_certificate_is_measured_with_that_fault(crawled, hosts_that):
    found = await crawled(f"https://{hosts_that('bad_certificate')[0]}/")
    assert (found.reason, found.facts["tls_valid"], found.facts["home_is_error"]) == (None, False, False)
    assert len(found.facts) > 50
    assert found.requests <= 15


async def test_a_redirect_to_https_is_told_without_another_question(crawled, hosts_that):
    found = await crawled(f"http://{hosts_that('redirect_https')[0]}/")
    assert (found.facts["redirect_count"], found.facts["http_forwarded"], found.facts["https"]) == (1, True, True)
