"""`email_sends` materialized alone, past the checks of its parents: the claim asks for the verdict itself."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from leadfactory.d09_delivery.tables import email_sends as sends
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory_assets.d09_delivery import SendConfig, email_sends
from tests.leads import CLOCK, UNIT, FakeSendGrid, Leads
from tests.postgres import settings_for_tests

FAILING = """INSERT INTO quality_verdicts
      (asset, campaign, cohort_on, subject_id, suite, suite_version, input_hash, passed, evaluated, judged_at)
    SELECT asset, campaign, cohort_on, subject_id, suite, '99', input_hash, FALSE, evaluated, judged_at + interval '1 s'
    FROM quality_verdicts WHERE asset = 'email_drafts'"""


@pytest.fixture
async def drafted(database: Database, tmp_path: Path) -> Leads:
    made = Leads(database, settings_for_tests(tmp_path))
    made.campaign()
    made.business(0)
    await made.through("draft")
    return made


@pytest.fixture
def here(drafted: Leads, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The asset's own settings are those of the test's home."""
    monkeypatch.setattr("leadfactory_assets.d09_delivery.settings", lambda: drafted.settings)
    return drafted.settings


def sent(drafted: Leads) -> tuple[FakeSendGrid, list[tuple[str, str | None]]]:
    mailer = FakeSendGrid(drafted.settings, lambda mail: f"id-{mail.send_id}")
    context = dg.build_asset_context(partition_key=UNIT.key)
    email_sends(context, config=SendConfig(dry_run=False), db=drafted.db, clock=CLOCK, mailer=mailer)
    return mailer, [(row.state, row.reason) for row in drafted.rows(sa.select(sends))]


def test_a_draft_whose_check_failed_is_refused(drafted: Leads, here: Settings) -> None:
    with drafted.db.begin() as tx:
        tx.execute(sa.text(FAILING))
    mailer, rows = sent(drafted)
    assert mailer.asked == []
    assert [state for state, _ in rows] == ["planned"]


def test_a_draft_whose_check_passed_leaves(drafted: Leads, here: Settings) -> None:
    mailer, rows = sent(drafted)
    assert len(mailer.asked) == 1
    assert [state for state, _ in rows] == ["accepted"]
