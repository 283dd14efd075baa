"""Audits and mail leave Postgres by whole campaign-days that the lake has; the lake stays what it was, and nobody works on them again."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from leadfactory import archives, campaign_days, stage
from leadfactory.backup import damage, purging
from leadfactory.backup.retention import rules
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d07_storefront.pages_config import config as pages
from leadfactory.d07_storefront.tables import purchases
from leadfactory.d09_delivery import folding
from leadfactory.d09_delivery.tables import email_sends, send_outcomes
from leadfactory.d10_analytics import lake_files, reconciling
from leadfactory.d10_analytics.export import export_lake
from leadfactory.d11_experiments import counting
from leadfactory.d11_experiments.tables import archived_responses, experiment_assignments
from leadfactory.database import Database
from leadfactory.inbox.tables import webhook_inbox
from leadfactory.quality import invariants
from leadfactory.settings import Settings
from leadfactory_assets.policies import NIGHT, cohort_asset, run_stage
from tests.dbt.cohorts import LA, NOON, NYC, Cohorts
from tests.postgres import settings_for_tests

GONE = [name for names in archives.TABLES.values() for name in names]
OPENED = (  # every letter of which nothing is known was opened
    """INSERT INTO email_events (campaign, cohort_on, event_id, send_id, business_id, kind, occurred_at, machine, received_at)
       SELECT campaign, cohort_on, 'open of ' || send_id, send_id, business_id, 'open', :at, false, :at FROM email_sends
       WHERE send_id NOT IN (SELECT send_id FROM send_outcomes)""",
    """INSERT INTO send_outcomes (campaign, cohort_on, send_id, business_id, state, opened_at, bot_opens, bot_clicks, events)
       SELECT campaign, cohort_on, send_id, business_id, 'opened', :at, 0, 0, 1 FROM email_sends ON CONFLICT DO NOTHING""",
)
Export = Callable[..., Any]


def later(config: Settings, days: int) -> Settings:
    """The same factory so many days after the campaign-day."""
    return settings_for_tests(config.home, LEADFACTORY_CLOCK=(NOON + dt.timedelta(days=days)).isoformat())


def purge(database: Database, config: Settings, days: int, *, dry_run: bool = False) -> dict[str, purging.Purged]:
    found = purging.purge(database, later(config, days), dry_run=dry_run)
    return {each.what.split()[0]: each for each in found if "campaign-days" in each.what}


def rows(database: Database, *names: str, unit: CampaignDay = NYC) -> dict[str, int]:
    with database.begin() as tx:
        of_day = {"c": unit.campaign, "d": unit.day}
        count = "SELECT count(*) FROM {} WHERE campaign = :c AND cohort_on = :d"
        return {name: tx.scalar(sa.text(count.format(name)), of_day) or 0 for name in names or GONE}


def content(config: Settings) -> dict[str, list[dict[str, Any]]]:
    """Every row of the lake's tables, in whatever file it lies now."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(config.lake).rglob("*.parquet")):
        name = path.relative_to(config.lake).parts[0]
        if name in GONE and "_schema" not in path.parts:
            found.setdefault(name, []).extend(pq.read_table(path, partitioning=None).to_pylist())
    return {name: sorted(of, key=repr) for name, of in found.items()}


@pytest.fixture
def day(cohorts: Cohorts, database: Database, export: Export) -> Cohorts:
    """A campaign-day of which nothing waits, in the lake."""
    cohorts.campaign(NYC)
    cohorts.day(NYC, listings=60)
    with database.begin() as tx:
        tx.execute(sa.update(email_sends).values(state="accepted", claimed_at=NOON, settled_at=NOON))
        for statement in OPENED:
            tx.execute(sa.text(statement), {"at": NOON + dt.timedelta(days=1)})
    export()
    return cohorts


@pytest.fixture
def bought(database: Database, day: Cohorts) -> set[uuid.UUID]:
    """Who bought on the campaign-day."""
    with database.begin() as tx:
        return set(tx.scalars(sa.select(purchases.c.business_id)))


@pytest.fixture
def archived(day: Cohorts, database: Database, config: Settings) -> Cohorts:
    """The campaign-day two hundred days later: audits and mail have left."""
    purge(database, config, 200)
    purge(database, config, 200)
    return day


def test_audits_go_after_ninety_days_and_mail_stays_until_the_hundred_and_eightieth(
    day: Cohorts, database: Database, config: Settings, bought: set[uuid.UUID]
) -> None:
    before = rows(database)
    assert purge(database, config, 89)["audits"].count == 0
    told = purge(database, config, 91, dry_run=True)["audits"]
    assert rows(database) == before
    assert purge(database, config, 91)["audits"] == told
    now = rows(database)
    assert sum(before.values()) - sum(now.values()) == told.count > 0
    assert {name: now[name] for name in archives.TABLES["mail"]} == {
        name: before[name] for name in archives.TABLES["mail"]
    }
    assert purge(database, config, 179)["mail"].count == 0
    assert purge(database, config, 181)["mail"].campaign_days == 1
    with database.begin() as tx:
        assert set(tx.scalars(sa.select(send_outcomes.c.business_id))) == bought
        assert tx.scalar(sa.text("SELECT state FROM campaign_days")) == "closed"


def test_leads_that_bought_keep_their_rows(
    archived: Cohorts, database: Database, bought: set[uuid.UUID], config: Settings
) -> None:
    assert bought
    with database.begin() as tx:
        assert set(tx.scalars(sa.select(site_audits.c.business_id))) == bought


def test_the_lake_says_the_same_before_and_after_whatever_is_exported_later(
    day: Cohorts, database: Database, config: Settings
) -> None:
    before = content(config)
    purge(database, config, 200)
    purge(database, config, 200)
    assert purge(database, config, 200)["mail"].campaign_days == 0
    with database.begin() as tx:
        campaign_days.mark_dirty(tx, NYC, *GONE)
    assert sum(rows(database).values()) < sum(map(len, before.values()))
    export_lake(db=database, clock=Clock(NOON), settings=config, units=[NYC])
    assert content(config) == before
    assert export_lake(db=database, clock=Clock(NOON + dt.timedelta(days=200)), settings=config).compacted > 0
    assert content(config) == before
    assert reconciling.differences(database, config) == (1, [])


def test_no_stage_makes_anything_of_an_archived_day(archived: Cohorts, database: Database, config: Settings) -> None:
    world = ("lead_scores", "email_sends", "unique_businesses", "enriched_businesses", "campaign_targets", *GONE)
    before = rows(database, *world), content(config)
    for name in stage.MAKES:
        told = stage.run(name, NYC, database, later(config, 200))
        assert f"audits archived on {NOON + dt.timedelta(days=200):%Y-%m-%d}, kept in the lake" in told.notes
        assert (told.calls, told.rows_out) == (0, told.rows_reused)
    export_lake(db=database, clock=Clock(NOON), settings=config)
    assert (rows(database, *world), content(config)) == before


def test_a_click_on_an_archived_day_runs_nothing_and_says_why(archived: Cohorts, database: Database) -> None:
    ran = []

    @cohort_asset("d03_assessment", "fill", kinds=set(), owner="audits")
    def site_audits(context) -> dg.MaterializeResult:  # type: ignore[no-untyped-def]  # Dagster reads no annotation as text
        return run_stage(context, database, NIGHT, lambda unit: ran.append(unit))  # type: ignore[func-returns-value,arg-type]

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("campaign", [NYC.campaign])
        done = dg.materialize([site_audits], instance=instance, partition_key=NYC.key)
    (made,) = done.asset_materializations_for_node(site_audits.op.name)
    assert (ran, "kept in the lake" in str(made.metadata["notes"].value)) == ([], True)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE email_sends SET state = 'planned' WHERE send_id = (SELECT min(send_id::text)::uuid FROM email_sends)",
        "UPDATE email_sends SET claimed_at = claimed_at + interval '60 days'",
        "UPDATE campaign_days SET dirty = '{site_audits}'",
        "UPDATE site_audits SET fetched_at = fetched_at + interval '60 days'",
    ],
    ids=["a send waits", "a mail left lately", "an export waits", "an audit is young"],
)
def test_a_day_that_is_not_over_stays(day: Cohorts, database: Database, config: Settings, change: str) -> None:
    with database.begin() as tx:
        tx.execute(sa.text(change))
    before = rows(database)
    assert purge(database, config, 100)["audits"].campaign_days == 0
    assert rows(database) == before


def test_a_day_of_which_the_lake_lost_a_row_stays_and_is_named(
    day: Cohorts, database: Database, config: Settings
) -> None:
    path = f"site_audits/date={NYC.day}/{NYC.campaign}.parquet"
    whole = pq.read_table(Path(config.lake) / path, partitioning=None)
    pq.write_table(whole.slice(1), Path(config.lake) / path)
    before = rows(database)
    (told,) = purge(database, config, 100)["audits"].left
    assert "is missing in the lake" in told
    assert rows(database) == before


def test_a_lost_file_of_an_archived_day_is_missed_and_nothing_is_written_in_its_place(
    archived: Cohorts, database: Database, config: Settings
) -> None:
    path = f"site_insights/date={NYC.day}/{NYC.campaign}.parquet"
    kept = lake_files.get(config.lake, path)
    assert kept is not None
    lake_files.remove(config.lake, path)
    lake_files.remove(config.lake, lake_files.MANIFEST)  # a lost lake is written anew as a whole
    assert export_lake(db=database, clock=Clock(NOON), settings=config).lost == 1
    assert lake_files.get(config.lake, path) is None
    with database.begin() as tx:
        (lake,) = damage.look(tx, config, ["lake"])
    assert [(each.path, each.what) for each in lake.broken] == [(path, "is gone")]


def test_a_lost_month_of_an_archived_day_is_still_listed(
    archived: Cohorts, database: Database, config: Settings
) -> None:
    clock = Clock(NOON + dt.timedelta(days=200))
    export_lake(db=database, clock=clock, settings=config)
    month = f"email_events/month={NYC.day:%Y-%m}/email_events.parquet"
    assert lake_files.get(config.lake, month) is not None
    lake_files.remove(config.lake, month)
    lake_files.remove(config.lake, lake_files.MANIFEST)
    assert export_lake(db=database, clock=clock, settings=config).lost == 1
    with database.begin() as tx:
        listed = tx.execute(
            sa.text("SELECT path, row_count FROM lake_manifest WHERE table_name = 'email_events'")
        ).one()
    assert (listed.path, listed.row_count > 0) == (month, True)


def test_a_late_complaint_is_honoured_named_in_the_inbox_and_folded_with_nothing(
    archived: Cohorts, database: Database, config: Settings, bought: set[uuid.UUID]
) -> None:
    s, at = email_sends.c, NOON + dt.timedelta(days=201)
    with database.begin() as tx:
        send = tx.execute(sa.select(s.send_id, s.business_id).where(s.business_id.not_in(bought)).limit(1)).one()
        tx.execute(
            sa.insert(webhook_inbox).values(
                source="sendgrid", event_id="late", kind="spamreport", send_id=send.send_id, occurred_at=at, received_at=at,
                stale=False, payload={},
            )
        )  # fmt: skip
    before = rows(database), content(config)
    folding.drain(db=database, clock=Clock(at))
    with database.begin() as tx:
        told = tx.execute(sa.select(webhook_inbox.c.outcome, webhook_inbox.c.reason)).one()
        stopped = tx.scalar(
            sa.text("SELECT reason FROM sequence_stops WHERE business_id = :business"), {"business": send.business_id}
        )
    assert (told.outcome, stopped) == ("kept", "complaint")
    assert told.reason == f"{folding.LATE}: mail archived on {NOON + dt.timedelta(days=200):%Y-%m-%d}, kept in the lake"
    assert (rows(database), content(config)) == before


def test_invariants_hold_of_an_archived_day(day: Cohorts, database: Database, config: Settings) -> None:
    names = {"drafts_of_mails_passed", "letters_cite_findings", "findings_have_audits", "events_have_sends"}

    def broken() -> dict[str, int]:
        with database.begin() as tx:
            found = invariants.verify(tx, now=NOON + dt.timedelta(days=200), cooldown_days=90)
        return {each.name: each.broken for each in found if each.name in names}

    before = broken()
    purge(database, config, 100)
    after_audits = broken()
    purge(database, config, 200)
    assert all(after_audits[name] <= before[name] for name in names)
    assert all(count <= before[name] for name, count in broken().items())


def test_a_read_out_counts_what_was_archived(day: Cohorts, database: Database, config: Settings) -> None:
    with database.begin() as tx:
        some = tx.execute(sa.select(email_sends.c.business_id).distinct()).scalars().all()
        tx.execute(
            sa.insert(experiment_assignments),
            [
                {
                    "campaign": NYC.campaign, "cohort_on": NYC.day, "business_id": business, "experiment": "subject", "version": 1,
                    "arm": "ab"[number % 2], "bucket": number, "exposed_at": NOON, "assigned_at": NOON,
                }
                for number, business in enumerate(some)
            ],
        )  # fmt: skip
        campaign_days.mark_dirty(tx, NYC, "experiment_assignments")
        opened = tx.scalar(sa.select(sa.func.count(send_outcomes.c.opened_at)))
        before = counting.by_day(tx, "subject", 1, NOON + dt.timedelta(days=400))
    export_lake(db=database, clock=Clock(NOON), settings=config)
    assert purge(database, config, 200)["mail"].campaign_days == 1
    with database.begin() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(archived_responses))
        assert tx.scalar(sa.select(sa.func.count(send_outcomes.c.opened_at))) < (opened or 0)
        assert counting.by_day(tx, "subject", 1, NOON + dt.timedelta(days=400)) == before


def test_a_letters_page_is_closed_before_its_audit_can_leave() -> None:
    assert pages().landing.valid_days <= rules().archive["audits"]


def test_a_months_file_is_found_whole_and_a_row_that_it_lost_is_missed(
    archived: Cohorts, database: Database, config: Settings
) -> None:
    archived.campaign(LA)
    archived.day(LA)
    archived.calls(LA)
    export_lake(db=database, clock=Clock(NOON + dt.timedelta(days=200)), settings=config)
    with database.begin() as tx:
        (lake,) = damage.look(tx, config, ["lake"])
    assert lake.broken == []
    month = f"email_events/month={NYC.day:%Y-%m}/email_events.parquet"
    whole = pq.read_table(Path(config.lake) / month, partitioning=None)
    pq.write_table(whole.slice(1), Path(config.lake) / month)
    with database.begin() as tx:
        (lake,) = damage.look(tx, config, ["lake"])
    assert [(each.path, each.what) for each in lake.broken] == [(month, "is not what was written")]
