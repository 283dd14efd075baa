"""The operator's own list: what a file may be, what each row must be, and that a second time adds nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns
from leadfactory.d01_targeting.tables import campaign_targets
from leadfactory.d02_sourcing import importing, sourced_imports
from leadfactory.d02_sourcing.import_reading import FileRefused
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.tables import import_files, imported_businesses, sourced_businesses, unique_businesses
from leadfactory.d02_sourcing.uniqueness import unify
from leadfactory.quality.tables import rejected_rows
from tests.unit.d02_sourcing.conftest import NOW, FakeYelp, business

HEADING = "Company,Street,City,State,Zip,Phone,Website,Email"
JOES = "Joe's Pizza,12 W 30th St,New York,NY,10001,(212) 555-0101,www.joes.example,info@joes.example"
NANDU = "Ñandú Café,14 Elm St,New York,NY,10001,212-555-0102,,"


@pytest.fixture
def campaign(database) -> str:
    with database.begin() as tx:
        specs = [campaigns.PlaceSpec("zip", "10001")]
        campaigns.seed(tx, vertical="retail", places=specs, quota=20, name="shops", now=NOW)
    return "shops"


@pytest.fixture
def load(database, campaign, tmp_path):
    """Imports a file made of text, bytes or a path."""

    def once(content, *, name="list.csv", now=NOW, basis="consented", mapping=None, **more):
        path = content if isinstance(content, Path) else tmp_path / name
        if not isinstance(content, Path):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with database.begin() as tx:
            return importing.import_file(
                tx, path, campaign=campaign, consent_basis=basis, mapping=mapping or {}, now=now, by="ana", **more
            )

    return once


@pytest.fixture
def versions(database):
    def read() -> list[sa.Row]:
        i = imported_businesses.c
        with database.begin() as tx:
            return list(tx.execute(sa.select(imported_businesses).order_by(i.imported_at, i.row_number)))

    return read


def lines(*rows: str) -> str:
    return "\n".join((HEADING, *rows)) + "\n"


def test_a_row_is_stored_with_file_digest_line_author_and_time(load, versions, database):
    found = load(lines(JOES, NANDU))
    assert (found.new, found.rejected, found.errors) == (2, 0, [])
    first = versions()[0]
    assert first.fields["phone"] == "+12125550101"
    assert first.fields["website"] == "https://www.joes.example"
    assert (first.row_number, first.version, first.imported_at) == (2, 1, NOW)
    with database.begin() as tx:
        (file,) = tx.execute(sa.select(import_files)).all()
    assert (file.file_name, file.sha256, file.imported_by, file.rows_new) == ("list.csv", found.source.sha256, "ana", 2)


def test_the_same_file_twice_adds_nothing(load, versions):
    load(lines(JOES, NANDU))
    before = versions()
    again = load(lines(JOES, NANDU))
    assert (again.before, again.new, again.changed, again.unchanged) == (True, 0, 0, 2)
    assert versions() == before


def test_a_row_that_a_later_file_changes_is_a_new_version(load, versions):
    load(lines(JOES, NANDU))
    later = load(lines(JOES.replace("0101", "0199"), NANDU), name="later.csv", now=NOW + dt.timedelta(days=1))
    assert (later.new, later.changed, later.unchanged) == (0, 1, 1)
    old, _, new = versions()
    assert (old.version, new.version) == (1, 2)
    assert old.record_key == new.record_key
    assert old.file_id != new.file_id


@pytest.mark.parametrize(
    "content",
    [
        ("﻿" + lines(NANDU)).encode(),
        lines(NANDU).replace(",", ";").encode(),
        lines(NANDU).replace(",", "\t").encode(),
        lines(NANDU).encode("utf-16"),
        lines(NANDU).replace("\n", "\r\n").encode(),
        ("\n\n" + lines(NANDU)).encode(),
    ],
    ids=["byte order mark", "semicolons", "tabs", "UTF-16", "Windows line ends", "blank lines first"],
)
def test_files_as_spreadsheets_write_them_are_read(load, versions, content):
    assert load(content).new == 1
    assert versions()[0].fields["name"] == "Ñandú Café"


def test_an_encoding_that_is_not_utf_8_is_named_and_can_be_said(load, versions):
    with pytest.raises(FileRefused, match=r"not UTF-8.*--encoding cp1252"):
        load(lines(NANDU).encode("cp1252"))
    assert load(lines(NANDU).encode("cp1252"), encoding="cp1252").new == 1
    assert versions()[0].fields["name"] == "Ñandú Café"


def test_parquet_is_read_with_its_types(load, versions, tmp_path):
    path = tmp_path / "list.parquet"
    pq.write_table(
        pa.table({"company": ["Joe's Pizza", "Old Mill"], "zip": [2134.0, None], "phone": [2125550101, 6175550102]}),
        path,
    )
    assert load(path).new == 2
    assert [row.fields["zip"] for row in versions()] == ["02134", None]


def test_a_row_with_a_zero_byte_is_refused_alone(load):
    found = load(lines(JOES, NANDU.replace("Elm", "El\x00m")))
    assert (found.new, found.rejected) == (1, 1)
    assert found.errors == ["line 3: the row holds a zero byte in its street: write that cell again"]


@pytest.mark.parametrize("days", [0, 10**11])
def test_days_to_keep_that_no_calendar_holds_are_refused(load, days):
    with pytest.raises(ValueError, match=f"--keep-days={days} is out of range: choose 1 to 36500"):
        load(lines(JOES), keep_days=days)


def test_a_folder_is_not_a_file(load, tmp_path):
    with pytest.raises(FileRefused, match="is a folder"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "mapping", "message"),
    [
        ("", {}, "is empty"),
        (HEADING + "\n", {}, "no rows"),
        ("\n\n", {}, "no heading"),
        ("a,b\n1,2\n", {}, "--map name=COLUMN"),
        ("Name,Name\nx,y\n", {}, "more than once"),
        ("Firm,Tel\nx,2125550101\n", {"name": "Company"}, "no column 'Company'"),
        ("Firm,Tel\nx,2125550101\n", {"nome": "Firm"}, "'nome' is no field"),
        (b"PAR1 is not parquet at all", {}, "cannot be read"),
        (b"\x00\x01\x02,\x00\n", {}, "zero bytes"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused_by_name(load, versions, content, mapping, message):
    with pytest.raises(FileRefused, match=message):
        load(content, mapping=mapping)
    assert versions() == []


def test_a_mapping_says_which_column_is_which(load, versions):
    load("Firm,Tel,Note\nJoe's Pizza,2125550101,good\n", mapping={"name": "Firm", "phone": "Tel"})
    assert versions()[0].fields["phone"] == "+12125550101"


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (",12 W 30th St,New York,NY,10001,,,", "name_present"),
        ("Joe,,,,,,,", "findable"),
        ("Joe,,,,99999,2125550101,,", "zip_known"),
        ("Joe,,,CA,10001,2125550101,,", "state_fits_zip"),
        ("Joe,,,,,call us,,", "phone_possible"),
        ("Joe,,,,,,not a site,", "website_is_url"),
        ("Joe,,,,,,,joe at home", "email_valid"),
        ("Joe,1 Elm St,New York", "row_shape"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_rule_and_line(load, database, row, rule):
    found = load(lines(row, NANDU))
    assert (found.new, found.rejected) == (1, 1)
    assert found.errors[0].startswith("line 2: ")
    with database.begin() as tx:
        rejected = tx.execute(sa.select(rejected_rows.c.asset, rejected_rows.c.rule, rejected_rows.c.row_key)).one()
    assert rejected == ("imported_businesses", rule, f"{found.source.sha256[:12]}:2")


def test_a_record_twice_in_a_file_counts_once_and_a_contradiction_is_refused(load):
    found = load(lines(JOES, JOES, JOES.replace("0101", "0199")))
    assert (found.new, found.unchanged, found.rejected) == (1, 1, 1)
    assert "line 2 is the same record" in found.errors[0]


def test_the_campaign_rests_on_one_consent_basis(load, database, campaign):
    assert load(lines(JOES), basis="consented").basis_set
    with pytest.raises(ValueError, match="rests on consented"):
        load(lines(NANDU), basis="transactional")
    with pytest.raises(ValueError, match="is not one of"):
        load(lines(NANDU), basis="bought")
    with database.begin() as tx:
        assert campaigns.get(tx, campaign)["consent_basis"] == "consented"


def test_thousands_of_rows_are_imported_in_batches(load, versions):
    found = load(lines(*(f"Shop {n},{n} Elm St,New York,NY,10001,,," for n in range(1, 2_501))))
    assert found.new == len(versions()) == 2_500


@pytest.fixture
def day(database, settings):
    """Sources and unifies a day with the given Yelp listings, none by default."""

    def once(listed=(), *, on=None, key=True):
        clock = on or Clock(start=NOW)
        unit = CampaignDay("shops", clock.today())
        from leadfactory.d01_targeting import planning

        planning.plan_day(unit, db=database, clock=clock)
        config = settings if key else settings.model_copy(update={"yelp_api_key": type(settings.yelp_api_key)("")})
        report = asyncio.run(source(unit, db=database, clock=clock, settings=config, yelp=FakeYelp(list(listed))))
        unify(unit, db=database, clock=clock, settings=config)
        return report

    return once


def test_imported_rows_are_sourced_once_before_yelp_is_asked(load, day, database):
    load(lines(JOES, NANDU))
    report = day([business(n) for n in range(100)])
    assert report.counts["imported"] == 2
    assert report.rows_out == 20
    day([], on=Clock(start=NOW + dt.timedelta(days=1)))
    with database.begin() as tx:
        assert tx.scalar(sa.select(sa.func.count()).where(sourced_businesses.c.source == "import")) == 2


def test_without_a_yelp_key_imports_alone_are_sourced_and_nothing_is_asked(load, day):
    load(lines(JOES))
    report = day([business(1)], key=False)
    assert (report.rows_out, report.rows_open, report.calls) == (1, 0, 0)
    assert "no YELP_API_KEY" in " ".join(report.notes)


def test_what_was_planned_is_searched_for_beside_the_own_list(load, day, database):
    """Imported rows take their part of the day when it is planned, and nothing of what targets were given."""
    load(lines(*(f"Shop {n} Unlike {n * 7919},{n} Elm St,New York,NY,10001,,," for n in range(1, 11))))
    report = day([business(n) for n in range(100)])
    with database.begin() as tx:
        planned = tx.scalar(sa.select(sa.func.sum(campaign_targets.c.businesses_planned)))
    assert (planned, report.counts["imported"], report.rows_out) == (10, 10, 20)


def test_more_rows_than_the_daily_quota_wait_for_the_next_days(load, day):
    load(lines(*(f"Shop {n} Unlike {n * 7919},{n} Elm St,New York,NY,10001,,," for n in range(1, 31))))
    assert "10 imported rows wait" in " ".join(day().notes)
    assert day(on=Clock(start=NOW + dt.timedelta(days=1))).counts["imported"] == 10


def test_an_imported_row_and_a_listing_of_yelps_are_one_business(load, day, database):
    load(lines("Shop 3 Unlike 23757,3 Elm Street,New York,NY,10001,212-200-0003,,"))
    day([business(3), business(4)])
    with database.begin() as tx:
        merged = tx.scalars(sa.select(unique_businesses.c.merged_sourced_ids)).all()
    assert sorted(len(each) for each in merged) == [0, 1]


def test_rows_are_forgotten_when_the_operators_time_is_over(load, versions, database):
    load(lines(JOES), keep_days=30)
    with database.begin() as tx:
        assert sourced_imports.forget_expired(tx, NOW + dt.timedelta(days=29)) == 0
        assert sourced_imports.forget_expired(tx, NOW + dt.timedelta(days=30)) == 1
    assert versions()[0].fields is None
