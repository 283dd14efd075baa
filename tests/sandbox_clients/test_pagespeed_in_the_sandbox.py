"""The PageSpeed client against the sandbox: measurements, pages that cannot be measured, keys and faults."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.pagespeed import PagespeedClient


@pytest.fixture
def pagespeed(gateway, settings):
    return PagespeedClient(gateway, settings)


async def test_a_run_measures_all_four_categories(pagespeed, hosts_that):
    answer = await pagespeed.run(f"https://{hosts_that('ok')[0]}/")
    assert set(answer.lighthouse["categories"]) >= {"performance", "accessibility", "best-practices", "seo"}
    assert answer.lighthouse["audits"]["largest-contentful-paint"]["numericValue"] > 0
    assert len(answer.raw_sha256) == 32


async def test_a_computer_is_another_strategy(pagespeed, hosts_that):
    answer = await pagespeed.run(f"https://{hosts_that('ok')[1]}/", strategy="desktop")
    assert answer.lighthouse["configSettings"]["formFactor"] == "desktop"


async def test_the_same_page_is_measured_anew_each_time(pagespeed, hosts_that, truth):
    url = f"https://{hosts_that('ok')[2]}/"
    for _ in range(2):
        await pagespeed.run(url)
    assert sum(url in str(entry) for entry in truth("pagespeed", kind="run")) == 2


async def test_a_dead_domain_is_the_pages_fault(pagespeed):
    with pytest.raises(VendorRejected) as caught:
        await pagespeed.run("https://no-such-host-at-all.example/")
    assert caught.value.reason.startswith("lighthouse_")


async def test_a_wrong_key_is_ours_to_mend(gateway, settings):
    client = PagespeedClient(gateway, settings.model_copy(update={"google_api_key": SecretStr("wrong")}))
    with pytest.raises(VendorUnavailable) as caught:
        await client.ping()
    assert caught.value.reason == "invalid_key"


async def test_a_spent_day_is_not_tried_again(gateway, settings, ledger):
    client = PagespeedClient(gateway, settings.model_copy(update={"google_api_key": SecretStr("exhausted-key")}))
    with pytest.raises(VendorUnavailable) as caught:
        await client.run("https://joes.example/")
    assert caught.value.reason == "daily_limit"


async def test_a_single_fault_is_survived(pagespeed, fault, hosts_that):
    fault(vendor="pagespeed", kind="5xx", count=1)
    assert (await pagespeed.run(f"https://{hosts_that('ok')[3]}/")).final_url


async def test_the_ping_measures_nothing(pagespeed, truth):
    before = len(truth("pagespeed"))
    assert await pagespeed.ping() == "ok"
    assert len(truth("pagespeed")) == before
