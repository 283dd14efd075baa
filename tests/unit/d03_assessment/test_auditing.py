"""Auditing: paid once, every failure a row with its reason, findings in the transaction of their audit."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.campaign_days import campaign_days
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.auditing import audit
from leadfactory.d03_assessment.catalogue import catalogue, effort
from leadfactory.d03_assessment.tables import audit_findings, site_audits
from leadfactory.settings import Settings
from tests.leads import CLOCK, UNIT, FakePagespeed, Leads, lighthouse
from tests.unit.d00_gateway.conftest import policies_of
from tests.unit.d03_assessment.golden_sites import GoldenServer, Host


async def run(leads, answer):
    pagespeed = FakePagespeed(leads.settings, answer)
    report = await leads.audit(pagespeed)
    return report, pagespeed


async def test_an_audit_stores_its_measurements_and_findings(leads):
    business = leads.business()
    report, pagespeed = await run(leads, lambda url: lighthouse())
    (row,) = leads.rows(sa.select(site_audits))
    found = {each.kind: each for each in leads.rows(sa.select(audit_findings))}
    assert (row.status, row.performance, row.lcp_ms, row.total_bytes) == ("ok", 32, 6100, 5_200_000)
    assert (row.expires_at - row.fetched_at).days == catalogue().audit_valid_days
    assert float(found["slow_main_content"].measured) == 6.1
    assert found["images_without_text"].source == "page:images_without_alt"
    assert {each.business_id for each in found.values()} == {business.business_id}
    assert pagespeed.asked == ["https://shop1.example/"]
    assert report.rows_in == report.rows_out == 1
    assert report.counts["findings"] == len(found)


async def test_a_stored_audit_is_never_bought_again(leads):
    leads.business()
    await run(leads, lambda url: lighthouse())
    before = leads.rows(sa.select(site_audits))
    report, pagespeed = await run(leads, lambda url: lighthouse(largest_contentful_paint=1.0))
    assert pagespeed.asked == []
    assert report.rows_reused == 1
    assert leads.rows(sa.select(site_audits)) == before


async def test_a_page_that_neither_of_us_can_measure_is_failed_for_good(leads):
    leads.business(facts=None)

    def refuse(url):
        raise VendorRejected("pagespeed", "runPagespeed", "lighthouse_no_fcp", status=200)

    report, _ = await run(leads, refuse)
    (row,) = leads.rows(sa.select(site_audits))
    assert (row.status, row.reason, row.retryable, row.performance) == ("failed", "lighthouse_no_fcp", False, None)
    again, pagespeed = await run(leads, lambda url: lighthouse())
    assert pagespeed.asked == []
    assert report.rows_out == again.rows_out == 1


async def test_a_vendor_that_is_down_leaves_rows_open_and_is_asked_again(leads):
    for number in range(3):
        leads.business(number)

    def down(url):
        raise VendorUnavailable("pagespeed", "runPagespeed", "breaker_open", left_the_house=False)

    report, _ = await run(leads, down)
    assert (report.rows_in, report.rows_out, report.rows_open) == (3, 0, 3)
    assert {row.reason for row in leads.rows(sa.select(site_audits.c.reason))} == {"breaker_open"}
    report, pagespeed = await run(leads, lambda url: lighthouse())
    assert len(pagespeed.asked) == 3
    assert (report.rows_out, report.rows_open) == (3, 0)
    assert leads.rows(sa.select(sa.func.count()).select_from(audit_findings))[0][0] > 9


async def test_businesses_without_a_website_are_not_audited(leads):
    leads.business(status="no_website", reason="none_known", site_url=None)
    report, pagespeed = await run(leads, lambda url: lighthouse())
    assert pagespeed.asked == []
    assert report.rows_in == 0


async def test_a_result_that_breaks_a_row_rule_is_set_aside_with_the_rule(leads):
    leads.business()
    report, _ = await run(leads, lambda url: lighthouse() | {"lighthouseVersion": None})
    assert (report.rows_rejected, report.rows_out) == (1, 0)
    assert [row.status for row in leads.rows(sa.select(site_audits.c.status))] == ["unavailable"]


async def test_the_lake_is_told_in_the_same_transaction(leads):
    leads.business()
    await run(leads, lambda url: lighthouse())
    (row,) = leads.rows(sa.select(campaign_days.c.dirty))
    assert {"site_audits", "audit_findings"} <= set(row.dirty)


# -- our own crawl beside PageSpeed: each fails alone --------------------------------------------------------------------


PAGE = "<!doctype html><html lang=en><head><title>Shop one in Springfield</title></head><body><h1>Shop</h1><p>We sell.</p></body></html>"


async def crawled_run(leads, answer, tmp_path, *, unit=UNIT, page=PAGE, fault=None, desktop=None):
    """Audits with a real crawl of ``shop1.example`` over HTTP on this machine; the other vendor speaks through ``answer``."""
    resource = {"path": "/", "text": page} | ({"fault": fault} if fault else {})
    server = GoldenServer(
        {"shop1.example": Host("shop1.example", tmp_path, {}, None, "serves", False, {"/": resource})}
    )
    pagespeed = FakePagespeed(leads.settings, answer, desktop)
    async with server.running():
        at = f"127.0.0.1:{server.port}"
        settings = Settings(env="test", website_resolver=at, website_gateway=at, public_url="https://lf.example")
        policies = policies_of(
            "website", json_answers=False, caches=False, retry={"attempts": 1, "base_s": 0.01, "cap_s": 0.02}
        )
        gateway = Gateway(leads.db, clock=CLOCK, settings=settings, policies=policies)
        async with gateway.running():
            report = await audit(
                unit, db=leads.db, clock=CLOCK, pagespeed=pagespeed, website=WebsiteClient(gateway, settings)
            )
    return report, pagespeed, server


def no_paint(url):
    raise VendorRejected("pagespeed", "runPagespeed", "lighthouse_no_fcp", status=200)


def down(url):
    raise VendorUnavailable("pagespeed", "runPagespeed", "breaker_open", left_the_house=False)


async def test_a_page_that_the_lab_cannot_measure_keeps_the_findings_of_our_own_crawl(leads, tmp_path):
    leads.business(site_url="http://shop1.example/")
    report, _, _ = await crawled_run(leads, no_paint, tmp_path)
    (row,) = leads.rows(sa.select(site_audits))
    found = {each.kind: each for each in leads.rows(sa.select(audit_findings))}
    assert (row.status, row.pagespeed_reason, row.crawl_reason, row.performance) == (
        "ok",
        "lighthouse_no_fcp",
        None,
        None,
    )
    assert row.unmeasured["slow_main_content"] == "no_lighthouse"
    assert {"no_https", "no_phone", "no_hours"} <= set(found)
    assert report.counts["without a lab measurement"] == 1


async def test_a_site_that_does_not_let_us_in_keeps_the_findings_of_the_lab(leads, tmp_path):
    leads.business(site_url="http://shop1.example/")
    await crawled_run(leads, lambda url: lighthouse(), tmp_path, fault="reset")
    (row,) = leads.rows(sa.select(site_audits))
    found = {each.kind for each in leads.rows(sa.select(audit_findings))}
    assert (row.status, row.crawl_reason, row.performance) == ("ok", "unreachable", 32)
    assert row.unmeasured["no_hours"] == "unreachable"
    assert "slow_main_content" in found
    assert "no_hours" not in found


async def test_an_outage_of_the_lab_keeps_the_crawl_and_asks_only_the_lab_again(leads, tmp_path):
    leads.business(site_url="http://shop1.example/")
    report, _, _ = await crawled_run(leads, down, tmp_path)
    (row,) = leads.rows(sa.select(site_audits))
    assert (row.status, row.pagespeed_reason, row.measurement["facts"]["h1_count"]) == (
        "unavailable",
        "breaker_open",
        1,
    )
    assert report.rows_open == 1
    _, _, server = await crawled_run(leads, lambda url: lighthouse(), tmp_path)
    (row,) = leads.rows(sa.select(site_audits))
    assert server.requests == []
    assert (row.status, row.pagespeed_reason, row.performance, row.measurement["facts"]["h1_count"]) == (
        "ok",
        None,
        32,
        1,
    )


async def test_a_finding_carries_its_evidence_effort_and_weight(leads, tmp_path):
    leads.business(site_url="http://shop1.example/")
    await crawled_run(leads, lambda url: lighthouse(), tmp_path)
    found = {each.kind: each for each in leads.rows(sa.select(audit_findings))}
    page, lab = found["no_hours"], found["slow_main_content"]
    assert page.evidence | {"at": None} == {
        "hours_visible": False, "url": "http://shop1.example/", "where": "visible text", "at": None,
    }  # fmt: skip
    assert (page.effort_who, float(page.conversion_weight)) == (effort("no_hours").who, 0.45)
    assert lab.evidence["where"] == "audit largest-contentful-paint"
    assert {each.effort for each in found.values()} <= {"low", "medium", "high"}
    assert all(0 < each.conversion_weight <= 1 for each in found.values())


async def test_a_fresh_audit_of_the_same_website_serves_another_campaign_day_at_no_cost(leads, tmp_path):
    leads.business(site_url="http://shop1.example/")
    await crawled_run(leads, lambda url: lighthouse(), tmp_path)
    (first,) = leads.rows(sa.select(site_audits))
    tomorrow = CampaignDay("restaurant-boston", UNIT.day)
    other = Leads(leads.db, leads.settings, tomorrow)
    other.campaign()
    other.business(7, site_url="http://shop1.example/", site_host="shop1.example")
    report, pagespeed, server = await crawled_run(leads, lambda url: lighthouse(), tmp_path, unit=tomorrow)
    assert (pagespeed.asked, server.requests) == ([], [])
    (again,) = leads.rows(sa.select(site_audits).where(site_audits.c.campaign == tomorrow.campaign))
    assert (again.reused_audit_id, again.fetched_at, again.performance) == (first.audit_id, first.fetched_at, 32)
    kinds = [
        sorted(each.kind for each in leads.rows(sa.select(audit_findings).where(audit_findings.c.audit_id == audit_id)))
        for audit_id in (first.audit_id, again.audit_id)
    ]
    assert kinds[0] == kinds[1] != []
    assert report.counts["re-used from another campaign-day"] == 1


def aged(leads, days: int) -> None:
    """The audits as they were ``days`` ago."""
    with leads.db.begin() as tx:
        back = dt.timedelta(days=days)
        tx.execute(
            sa.update(site_audits).values(
                fetched_at=site_audits.c.fetched_at - back, expires_at=site_audits.c.expires_at - back
            )
        )


async def test_an_audit_that_serves_again_can_still_be_written_from(leads, tmp_path):
    leads.business(site_url="http://shop1.example/")
    await crawled_run(leads, lambda url: lighthouse(), tmp_path)
    aged(leads, 24)
    other = Leads(leads.db, leads.settings, CampaignDay("restaurant-boston", UNIT.day))
    other.campaign()
    other.business(7, site_url="http://shop1.example/", site_host="shop1.example")
    _, pagespeed, _ = await crawled_run(leads, lambda url: lighthouse(), tmp_path, unit=other.unit)
    (again,) = leads.rows(sa.select(site_audits).where(site_audits.c.campaign == "restaurant-boston"))
    assert pagespeed.asked == []
    assert again.expires_at >= CLOCK.now() + dt.timedelta(days=5)


@pytest.mark.parametrize(
    "days", [26, 31]
)  # no longer good for a letter that may wait five days; no longer fresh at all
async def test_an_audit_that_is_no_longer_fresh_is_made_anew(leads, tmp_path, days):
    leads.business(site_url="http://shop1.example/")
    await crawled_run(leads, lambda url: lighthouse(), tmp_path)
    aged(leads, days)
    other = Leads(leads.db, leads.settings, CampaignDay("restaurant-boston", UNIT.day))
    other.campaign()
    other.business(7, site_url="http://shop1.example/", site_host="shop1.example")
    _, pagespeed, _ = await crawled_run(leads, lambda url: lighthouse(), tmp_path, unit=other.unit)
    assert pagespeed.asked == ["http://shop1.example/"]


async def test_an_audit_judged_for_another_vertical_does_not_serve(leads, tmp_path):
    leads.business(site_url="http://shop1.example/")
    await crawled_run(leads, lambda url: lighthouse(), tmp_path)
    other = Leads(leads.db, leads.settings, CampaignDay("dental-boston", UNIT.day))
    other.campaign(vertical="dental")
    other.business(7, site_url="http://shop1.example/", site_host="shop1.example")
    _, pagespeed, _ = await crawled_run(leads, lambda url: lighthouse(), tmp_path, unit=other.unit)
    assert len(pagespeed.asked) == 1
    kinds = {
        each.kind for each in leads.rows(sa.select(audit_findings).where(audit_findings.c.campaign == "dental-boston"))
    }
    assert "no_booking" in kinds
    assert "no_online_ordering" not in kinds


async def test_a_campaign_may_want_its_websites_measured_as_a_computer_too(leads, tmp_path):
    with leads.db.begin() as tx:
        tx.execute(sa.update(campaigns).values(pagespeed_desktop=True))
    leads.business(site_url="http://shop1.example/")
    await crawled_run(
        leads, lambda url: lighthouse(), tmp_path, desktop=lambda url: lighthouse(largest_contentful_paint=900)
    )
    (row,) = leads.rows(sa.select(site_audits))
    assert (row.lcp_ms, row.desktop["lcp_ms"], row.desktop_reason) == (6100, 900, None)


async def test_a_desktop_run_that_fails_fails_alone(leads, tmp_path):
    with leads.db.begin() as tx:
        tx.execute(sa.update(campaigns).values(pagespeed_desktop=True))
    leads.business(site_url="http://shop1.example/")
    await crawled_run(leads, lambda url: lighthouse(), tmp_path, desktop=down)
    (row,) = leads.rows(sa.select(site_audits))
    assert (row.status, row.lcp_ms, row.desktop, row.desktop_reason) == ("ok", 6100, None, "breaker_open")


async def test_field_data_is_kept_apart_and_its_absence_is_told(leads, tmp_path):
    leads.business(site_url="http://shop1.example/")
    field = {"metrics": {"LARGEST_CONTENTFUL_PAINT_MS": {"percentile": 4200}}, "origin_fallback": True}
    with_field = FakePagespeed(leads.settings, lambda url: lighthouse(), field=field)
    await leads.audit(with_field)
    (row,) = leads.rows(sa.select(site_audits))
    found = {each.kind: each for each in leads.rows(sa.select(audit_findings))}
    assert row.field_data == {"percentiles": {"LARGEST_CONTENTFUL_PAINT_MS": 4200}, "origin_fallback": True}
    assert (row.has_field_data, row.lcp_ms, float(found["field_slow_main_content"].measured)) == (True, 6100, 4.2)


async def test_a_page_without_field_data_says_so(leads):
    leads.business()
    await run(leads, lambda url: lighthouse())
    (row,) = leads.rows(sa.select(site_audits))
    assert (row.has_field_data, row.field_data, row.unmeasured["field_slow_main_content"]) == (
        False,
        None,
        "no_field_data",
    )
