"""Auditing: paid once, every failure a row with its reason, findings in the transaction of their audit."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.campaign_days import campaign_days
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d03_assessment.auditing import audit
from leadfactory.d03_assessment.tables import audit_findings, site_audits
from tests.leads import CLOCK, UNIT, FakePagespeed, lighthouse


async def run(leads, answer):
    pagespeed = FakePagespeed(leads.settings, answer)
    report = await audit(UNIT, db=leads.db, clock=CLOCK, pagespeed=pagespeed)
    return report, pagespeed


async def test_an_audit_stores_its_measurements_and_findings(leads):
    business = leads.business()
    report, pagespeed = await run(leads, lambda url: lighthouse())
    (row,) = leads.rows(sa.select(site_audits))
    found = {each.kind: each for each in leads.rows(sa.select(audit_findings))}
    assert (row.status, row.performance, row.lcp_ms, row.total_bytes) == ("ok", 32, 6100, 5_200_000)
    assert (row.expires_at - row.fetched_at).days == 14
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


async def test_a_page_that_cannot_be_measured_is_failed_for_good(leads):
    leads.business()

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
    assert leads.rows(sa.select(site_audits)) == []


async def test_the_lake_is_told_in_the_same_transaction(leads):
    leads.business()
    await run(leads, lambda url: lighthouse())
    (row,) = leads.rows(sa.select(campaign_days.c.dirty))
    assert {"site_audits", "audit_findings"} <= set(row.dirty)
