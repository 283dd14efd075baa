"""What a report says is what is stored."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d03_assessment.tables import audit_findings, site_audits, site_insights
from leadfactory.d06_reports import store
from leadfactory.d06_reports.rendering import render_html
from tests.leads import TUESDAY, UNIT, Leads
from tests.unit.d06_reports.numbers_of import allowed, text_of, tokens

ON = dt.date(2026, 10, 8)


def read(leads: Leads, business: str) -> Any:
    with leads.db.begin() as tx:
        unit, business_id = store.audited(tx, business)
        return store.read(tx, unit, business_id, on=ON)


def an_audit_row(number: int, day: dt.date = UNIT.day, **changes: Any) -> dict[str, Any]:
    business_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{UNIT.key}:{number}")
    return {
        "campaign": UNIT.campaign, "cohort_on": day, "business_id": business_id, "audit_id": uuid.uuid4(), "status": "ok",
        "performance": number % 100, "lcp_ms": 1000 + 100 * number, "fetched_at": TUESDAY, "expires_at": TUESDAY,
    } | changes  # fmt: skip


async def audited(leads: Leads, **changes: Any) -> Any:
    seed = leads.business(1, **changes)
    await leads.through("audit")
    return seed


async def test_it_reads_the_rows_of_the_business_and_its_findings(leads: Leads) -> None:
    seed = await audited(leads, platform="wordpress")
    given = read(leads, str(seed.business_id))
    assert (given.campaign, given.cohort_on, given.report_on) == (UNIT.campaign, UNIT.day, ON)
    assert (given.site.domain, given.site.own_name, given.site.platform) == ("shop1.example", "Shop 1", "wordpress")
    assert given.audit.scores["performance"] == 32
    stored = {row.kind: row.measured for row in leads.rows(sa.select(audit_findings.c.kind, audit_findings.c.measured))}
    assert {each.kind: each.measured for each in given.findings} == stored
    assert "missing" not in stored and len(stored) > 5  # noqa: PT018


async def test_every_number_of_a_report_on_stored_rows_is_stored(leads: Leads) -> None:
    seed = await audited(leads)
    given = read(leads, str(seed.business_id))
    assert tokens(text_of(render_html(given)[0])) - allowed(given) == set()


@pytest.mark.parametrize("name", ["shop1.example", "www.shop1.example", "https://shop1.example/menu", "SHOP1.example"])
async def test_a_business_is_found_by_the_domain_of_its_website(leads: Leads, name: str) -> None:
    seed = await audited(leads)
    assert read(leads, name).business_id == str(seed.business_id)


async def test_the_same_rows_and_date_give_the_same_input(leads: Leads) -> None:
    await audited(leads)
    assert read(leads, "shop1.example").evidence_sha256 == read(leads, "shop1.example").evidence_sha256


async def test_the_newest_audit_counts(leads: Leads) -> None:
    await audited(leads)
    later = CampaignDay("dental-nyc", UNIT.day + dt.timedelta(days=3))
    other = Leads(leads.db, leads.settings, later)
    other.campaign()
    other.business(1, site_host="shop1.example")
    row = an_audit_row(9, campaign=later.campaign, cohort_on=later.day, fetched_at=TUESDAY + dt.timedelta(days=3))
    row["business_id"] = uuid.uuid5(uuid.NAMESPACE_OID, f"{later.key}:1")
    with leads.db.begin() as tx:
        tx.execute(sa.insert(site_audits).values(row))
    assert read(leads, "shop1.example").campaign == "dental-nyc"


async def test_an_insight_on_other_measurements_is_left_out(leads: Leads) -> None:
    seed = await audited(leads)
    audit_id = leads.rows(sa.select(site_audits.c.audit_id))[0].audit_id
    row = {"campaign": UNIT.campaign, "cohort_on": UNIT.day, "business_id": seed.business_id, "status": "ok", "source": "rules",
           "headline": "Slow.", "explanations": {}, "prompt_version": "1", "fetched_at": TUESDAY}  # fmt: skip
    with leads.db.begin() as tx:
        tx.execute(sa.insert(site_insights).values(**row, audit_id=audit_id))
    assert read(leads, "shop1.example").headline == "Slow."
    with leads.db.begin() as tx:
        tx.execute(sa.update(site_insights).values(audit_id=uuid.uuid4()))
    assert read(leads, "shop1.example").headline is None


@pytest.mark.parametrize(("others", "rows"), [(19, 0), (20, 2)])
async def test_a_comparison_begins_at_twenty_other_sites(leads: Leads, others: int, rows: int) -> None:
    await audited(leads)
    with leads.db.begin() as tx:
        tx.execute(sa.insert(site_audits), [an_audit_row(100 + n) for n in range(others)])
    given = read(leads, "shop1.example")
    assert len([each for each in given.compared if each.column in ("performance", "lcp_ms")]) == rows


async def test_percentiles_are_measurements_of_the_newest_audit_of_each_site(leads: Leads) -> None:
    await audited(leads)
    before = UNIT.day - dt.timedelta(days=1)
    after = UNIT.day + dt.timedelta(days=1)
    with leads.db.begin() as tx:
        tx.execute(sa.insert(site_audits), [an_audit_row(100 + n, performance=n) for n in range(1, 41)])
        tx.execute(sa.insert(site_audits), [an_audit_row(100 + n, before, performance=99) for n in range(1, 41)])
        tx.execute(sa.insert(site_audits), [an_audit_row(300 + n, after, performance=99) for n in range(1, 41)])
    (spread,) = (each for each in read(leads, "shop1.example").compared if each.column == "performance")
    assert (spread.sites, spread.p25, spread.p50, spread.p75, spread.mine, spread.better_than) == (
        40,
        10,
        20,
        30,
        32,
        31,
    )


def test_a_percentile_is_one_of_the_values() -> None:
    values = [decimal.Decimal(each) for each in (1, 2, 3, 10)]
    assert [store.nearest_rank(values, share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1, 1, 2, 3, 10]


@pytest.mark.parametrize("unknown", ["nowhere.example", str(uuid.uuid4())])
def test_an_unknown_business_is_named(leads: Leads, unknown: str) -> None:
    with pytest.raises(store.NothingToReport, match=f"{unknown}.* is unknown"):
        read(leads, unknown)


def test_an_empty_name_is_refused(leads: Leads) -> None:
    with pytest.raises(store.NothingToReport, match="BUSINESS is empty"):
        read(leads, " ")


def test_a_business_that_was_never_audited_is_told_with_the_reason(leads: Leads) -> None:
    leads.business(1, status="unreachable", reason="no_dns")
    with pytest.raises(store.NothingToReport, match=r"never audited with success \(no_dns\)"):
        read(leads, "shop1.example")
