"""A person is gone from everywhere but the list of whom we never write to, however often and wherever the work is cut off."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import uuid
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from leadfactory import blobs, campaign_days
from leadfactory.d00_gateway.tables import vendor_content
from leadfactory.d02_sourcing.tables import import_files, imported_businesses
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d06_reports.tables import audit_reports
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery import suppression
from leadfactory.d09_delivery.tables import suppressions
from leadfactory.d10_analytics.export import export_lake
from leadfactory.d11_experiments.tables import experiments
from leadfactory.database import Database
from leadfactory.erasure import erasing, remains, requests
from leadfactory.erasure.tables import erasure_requests
from leadfactory.inbox.tables import webhook_inbox
from leadfactory.settings import Settings
from leadfactory_assets.upkeep import erasures
from tests.leads import CLOCK, TUESDAY, Leads
from tests.postgres import settings_for_tests

EMAIL = "info@shop1.example"
OTHER = "info@shop2.example"


@pytest.fixture
def leads(database: Database, tmp_path: Path) -> Leads:
    """Two businesses with audits and drafts, exported to the lake; an import, vendors' content and events that name the first."""
    made = Leads(database, settings_for_tests(tmp_path))
    made.campaign()
    made.business(1, contact_email_url="https://shop1.example/contact", own_phone="+12125550143")
    made.business(2)
    asyncio.run(made.through("draft"))
    file_id = uuid.uuid4()
    with made.db.begin() as tx:
        suppression.establish_key(tx, made.hashes, TUESDAY)
        tx.execute(
            sa.insert(import_files).values(
                file_id=file_id, campaign=made.unit.campaign, file_name="x.csv", sha256="0", consent_basis="consented", columns={},
                rows_read=1, rows_new=1, rows_changed=0, rows_unchanged=0, rows_rejected=0, imported_by="ana", imported_at=TUESDAY,
            )
        )  # fmt: skip
        tx.execute(
            sa.insert(imported_businesses).values(
                import_id=uuid.uuid4(), campaign=made.unit.campaign, record_key=b"1", version=1, file_id=file_id, row_number=2,
                content_hash=b"1", fields={"email": "Info+list@Shop1.example", "name": "Ana"}, imported_at=TUESDAY,
            )
        )  # fmt: skip
        tx.execute(
            sa.insert(webhook_inbox).values(
                source="sendgrid", event_id="e1", kind="open", address_hmac=made.hashes.address(EMAIL), received_at=TUESDAY,
                stale=False, payload={"event": "open"}, ip="192.0.2.1", user_agent="Mail",
            )
        )  # fmt: skip
    export_lake(db=made.db, clock=CLOCK, settings=made.settings)
    return made


def erase(leads: Leads, email: str = EMAIL, **more) -> erasing.Proof:
    return erasing.erase(
        email, db=leads.db, clock=CLOCK, settings=leads.settings, marts=more.pop("marts", None), **more
    )


def one(leads: Leads, table: sa.Table, host: str = "shop1.example"):
    business = uuid.uuid5(uuid.NAMESPACE_OID, f"{leads.unit.key}:{host[4]}")
    (row,) = leads.rows(sa.select(table).where(table.c.business_id == business))
    return row


def everything(leads: Leads) -> dict[str, list]:
    from leadfactory.tables import metadata

    return {table.name: leads.rows(sa.select(table)) for table in metadata.sorted_tables}


def test_nothing_that_names_the_person_is_left(leads: Leads) -> None:
    proof = erase(leads)
    with leads.db.begin() as tx:
        wanted = {leads.hashes.address(EMAIL), leads.hashes.address_plus_stripped(EMAIL)}
        assert remains.look(tx, leads.hashes, wanted, leads.settings)[1] == []
    assert proof.left == []
    row = one(leads, enriched_businesses)
    assert (row.contact_email, row.own_name, row.own_phone, row.site_host) == (None, None, None, None)
    assert one(leads, email_drafts).body_html is None


def test_the_look_afterwards_would_find_what_is_left(leads: Leads) -> None:
    wanted = {leads.hashes.address(EMAIL)}
    with leads.db.begin() as tx:
        left = remains.look(tx, leads.hashes, wanted, leads.settings)[1]
    assert {"enriched_businesses.contact_email", "imported_businesses.fields"} <= set(left)


def test_the_address_inside_an_imported_list_goes_in_whatever_form(leads: Leads) -> None:
    erase(leads)
    assert [row.fields for row in leads.rows(sa.select(imported_businesses))] == [None]


def test_where_and_with_what_the_mail_was_opened_goes(leads: Leads) -> None:
    erase(leads)
    (row,) = leads.rows(sa.select(webhook_inbox))
    assert (row.ip, row.user_agent, row.payload) == (None, None, {})


def test_what_a_vendor_lent_us_about_the_person_goes(leads: Leads) -> None:
    with leads.db.begin() as tx:
        row = {"vendor": "website", "fetched_at": TUESDAY, "expires_at": TUESDAY}
        tx.execute(
            sa.insert(vendor_content),
            [row | {"content_key": b"1", "content": {"html": f"mail {EMAIL}"}}, row | {"content_key": b"2", "content": {"html": OTHER}}],
        )  # fmt: skip
    erase(leads)
    assert [bytes(row.content_key) for row in leads.rows(sa.select(vendor_content))] == [b"2"]


def test_nobody_else_is_touched(leads: Leads) -> None:
    before = one(leads, enriched_businesses, "shop2.example"), one(leads, email_drafts, "shop2.example")
    erase(leads)
    assert (one(leads, enriched_businesses, "shop2.example"), one(leads, email_drafts, "shop2.example")) == before


def test_the_person_is_never_written_to_again(leads: Leads) -> None:
    erase(leads)
    with leads.db.begin() as tx:
        assert suppression.is_suppressed(tx, leads.hashes, address=EMAIL)
    assert {row.reason for row in leads.rows(sa.select(suppressions))} == {"erased"}


def test_the_proof_is_stored_with_counts_and_without_a_value(leads: Leads) -> None:
    proof = erase(leads)
    (row,) = leads.rows(sa.select(erasure_requests))
    assert row.completed_at == TUESDAY
    assert row.proof["places"] == proof.places
    assert row.proof["places"]["enriched_businesses"] == 1
    assert "@" not in str(row.proof)


def test_the_lake_is_written_anew_without_the_name(leads: Leads) -> None:
    files = list((leads.settings.home / "lake").rglob("*enriched*/**/*.parquet")) or list(
        (leads.settings.home / "lake").rglob("*.parquet")
    )
    import pyarrow.parquet as pq

    def names() -> str:
        return " ".join(str(pq.read_table(path).to_pylist()) for path in files if path.is_file())

    assert "Shop 1" in names()
    assert erase(leads).lake_files > 0
    assert "Shop 1" not in names()
    assert "Shop 2" in names()


def test_the_file_of_an_old_month_is_written_anew_without_the_name(leads: Leads) -> None:
    later = type(CLOCK)(start=CLOCK.now() + dt.timedelta(days=120))
    export_lake(db=leads.db, clock=later, settings=leads.settings)

    def names() -> str:
        months = (Path(leads.settings.home) / "lake").rglob("month=*/*.parquet")
        return " ".join(str(pq.read_table(path, partitioning=None).to_pylist()) for path in months)

    assert "Shop 1" in names()
    erasing.erase(EMAIL, db=leads.db, clock=later, settings=leads.settings, marts=None)
    assert "Shop 1" not in names()
    assert "Shop 2" in names()


def test_a_lake_in_an_object_store_is_written_anew_and_searched_too(leads: Leads) -> None:
    lake = f"memory://lake-{uuid.uuid4()}"
    stored = leads.settings.model_copy(update={"lake_url": lake})
    with leads.db.begin() as tx:
        campaign_days.mark_dirty(tx, leads.unit, "enriched_businesses", "site_audits")
    export_lake(db=leads.db, clock=CLOCK, settings=stored)
    files = [
        path for path in fsspec.filesystem("memory").find(lake.removeprefix("memory:/")) if path.endswith(".parquet")
    ]

    def names() -> str:
        return " ".join(str(pq.read_table(fsspec.filesystem("memory").open(path)).to_pylist()) for path in files)

    assert "Shop 1" in names()
    proof = erasing.erase(EMAIL, db=leads.db, clock=CLOCK, settings=stored, marts=None)
    assert proof.looked_at["lake_files"] >= len(files)
    assert "Shop 1" not in names()


def test_an_address_in_an_object_store_is_found(leads: Leads) -> None:
    lake = f"memory://lake-{uuid.uuid4()}"
    with fsspec.open(f"{lake}/x/date=2026-10-06/c.parquet", "wb") as file:
        pq.write_table(pa.table({"note": [f"ask {EMAIL}"]}), file)
    with leads.db.begin() as tx:
        found = remains.look(
            tx, leads.hashes, {leads.hashes.address(EMAIL)}, leads.settings.model_copy(update={"lake_url": lake})
        )
    assert "lake x/date=2026-10-06/c.parquet" in found[1]


def test_blobs_that_no_row_names_go_and_the_sold_stay(leads: Leads) -> None:
    root = leads.settings.blobs
    orphan, sold, young = (blobs.put(root, each) for each in (b"never sealed", b"sold", b"being sealed"))
    for digest in (orphan, sold):
        os.utime(Path(root) / digest[:2] / digest, (0, 0))
    with leads.db.begin() as tx:
        row = {"campaign": leads.unit.campaign, "cohort_on": leads.unit.day, "report_id": uuid.uuid4(), "purchase_id": uuid.uuid4(),
               "business_id": uuid.uuid4(), "version": 1, "report_on": leads.unit.day, "measured_at": TUESDAY, "html_sha256": sold,
               "evidence_sha256": sold, "template_version": "1", "sealed_at": TUESDAY}  # fmt: skip
        tx.execute(sa.insert(audit_reports).values(row))
    proof = erase(leads)
    assert (proof.blobs_removed, proof.blobs_kept) == (1, 2)
    assert [blobs.get(root, each) for each in (sold, young)] == [b"sold", b"being sealed"]
    with pytest.raises(FileNotFoundError):
        blobs.get(root, orphan)


def test_a_dry_run_counts_and_keeps_everything(leads: Leads) -> None:
    before = everything(leads)
    proof = erase(leads, dry_run=True)
    assert proof.places["enriched_businesses"] == 1
    assert everything(leads) == before


def test_again_changes_nothing_more(leads: Leads) -> None:
    erase(leads)
    before = leads.rows(sa.select(enriched_businesses).order_by(enriched_businesses.c.business_id))
    assert sum(erase(leads).places.values()) == 0
    assert leads.rows(sa.select(enriched_businesses).order_by(enriched_businesses.c.business_id)) == before


def test_cut_off_before_its_end_the_request_waits_and_the_next_call_ends_it(leads: Leads) -> None:
    leads.settings.warehouse.touch()

    def dies(settings) -> None:
        settings.warehouse.unlink()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        erase(leads, marts=dies)
    with leads.db.begin() as tx:
        (pair,) = erasing.waiting(tx)
    erasing.complete(*pair, db=leads.db, clock=CLOCK, settings=leads.settings, marts=None)
    assert [row.completed_at for row in leads.rows(sa.select(erasure_requests))] == [TUESDAY]


def test_a_request_of_a_recipient_needs_no_address(leads: Leads) -> None:
    with leads.db.begin() as tx:
        pair = leads.hashes.address(EMAIL), leads.hashes.address_plus_stripped(EMAIL)
        assert requests.store(tx, *pair, "recipient", TUESDAY)
        assert erasing.waiting(tx) == [pair]
    proof = erasing.complete(*pair, db=leads.db, clock=CLOCK, settings=leads.settings, marts=None)
    assert proof.places["enriched_businesses"] == 1
    with leads.db.begin() as tx:
        assert erasing.waiting(tx) == []


def test_all_who_asked_are_forgotten_with_one_build_of_the_marts_and_one_who_is_not_keeps_nobody_waiting(
    leads: Leads,
) -> None:
    leads.settings.warehouse.touch()
    builds = []

    def build(settings: Settings) -> None:
        builds.append(1)
        settings.warehouse.unlink()

    with leads.db.begin() as tx:
        for email in (EMAIL, OTHER):
            requests.store(
                tx, leads.hashes.address(email), leads.hashes.address_plus_stripped(email), "recipient", TUESDAY
            )
        row = {"experiment": "x", "version": 1, "state": "draft", "salt": OTHER, "arms": {}, "loaded_at": TUESDAY}
        tx.execute(sa.insert(experiments).values(row))  # a place that nothing empties
    proofs, left = erasing.complete_all(db=leads.db, clock=CLOCK, settings=leads.settings, marts=build)
    assert ([proof.places["enriched_businesses"] for proof in proofs], len(builds)) == ([1], 1)
    assert ["experiments" in each for each in left] == [True]
    with leads.db.begin() as tx:
        assert erasing.waiting(tx) == [(leads.hashes.address(OTHER), leads.hashes.address_plus_stripped(OTHER))]


def test_the_nightly_job_forgets_who_pressed_delete(leads: Leads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadfactory.settings.settings", lambda: leads.settings)
    with leads.db.begin() as tx:
        requests.store(tx, leads.hashes.address(EMAIL), leads.hashes.address_plus_stripped(EMAIL), "recipient", TUESDAY)
    erasures.execute_in_process(resources={"db": leads.db, "clock": CLOCK})
    assert [row.completed_at for row in leads.rows(sa.select(erasure_requests))] == [TUESDAY]


def test_a_campaign_day_is_dirty_until_the_lake_is_written(leads: Leads) -> None:
    erase(leads)
    with leads.db.begin() as tx:
        assert not campaign_days.dirty_days(tx)


def test_somebody_unknown_is_suppressed_and_the_proof_says_nothing_was_stored(leads: Leads) -> None:
    proof = erase(leads, "nobody@nowhere.example")
    assert sum(proof.places.values()) == 0
    with leads.db.begin() as tx:
        assert suppression.is_suppressed(tx, leads.hashes, address="nobody@nowhere.example")


def test_what_is_no_address_is_refused(leads: Leads) -> None:
    with pytest.raises(ValueError, match="e-mail address without"):
        erase(leads, "nobody")
