"""A campaign-day against vendors that fail: 5 % server errors, 5 % limits, 2 % answers lost after acceptance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from leadfactory import stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.campaigns import PlaceSpec
from leadfactory.database import Database
from leadfactory.settings import Settings
from sandbox.process import SandboxProcess

pytestmark = pytest.mark.slow
FAULTS = (
    {"vendor": "*", "kind": "5xx", "rate": 0.05},
    {"vendor": "*", "kind": "429", "rate": 0.05, "seed": 2},
    {"vendor": "*", "kind": "lost", "rate": 0.02, "seed": 3},
    {"vendor": "sendgrid", "kind": "lost", "rate": 0.1, "seed": 4},
)

# Leads that are neither drafted for nor listed with a reason.
UNLISTED = """
    SELECT u.business_id FROM unique_businesses u
    LEFT JOIN enriched_businesses e USING (campaign, cohort_on, business_id)
    LEFT JOIN site_audits a USING (campaign, cohort_on, business_id)
    LEFT JOIN LATERAL (SELECT qualified, reason FROM lead_scores s WHERE s.business_id = u.business_id
                       AND s.campaign = u.campaign AND s.cohort_on = u.cohort_on ORDER BY version DESC LIMIT 1) l ON true
    LEFT JOIN email_drafts d ON d.campaign = u.campaign AND d.cohort_on = u.cohort_on AND d.business_id = u.business_id
    WHERE u.campaign = :campaign AND u.cohort_on = :cohort_on AND u.duplicate_of IS NULL AND u.excluded_reason IS NULL
      AND NOT ((l.qualified AND d.draft_id IS NOT NULL) OR l.reason IS NOT NULL)"""


def rows(database: Database, query: str, unit: CampaignDay) -> list[dict[str, object]]:
    with database.begin() as tx:
        return [
            dict(row)
            for row in tx.execute(sa.text(query), {"campaign": unit.campaign, "cohort_on": unit.day}).mappings()
        ]


def sent_by_truth(sandbox: SandboxProcess) -> Counter[str]:
    """Our send id → how often the sandbox's SendGrid accepted it."""
    entries = httpx.get(f"{sandbox.base_url}/_truth/sendgrid", params={"kind": "mail"}).json()
    return Counter(entry["custom_args"]["send_id"] for entry in entries)


@pytest.fixture
def ran(
    database: Database, config: Settings, sandbox: SandboxProcess, launched: Callable[..., CampaignDay]
) -> CampaignDay:
    """A campaign-day of 120 businesses that ran from target to send while the vendors failed."""
    for fault in FAULTS:
        httpx.post(f"{sandbox.base_url}/_admin/faults", json=fault).raise_for_status()
    unit = launched("dental-chicago", "dental", PlaceSpec("city", "Chicago, IL"), 120)
    for name in (*stage.NIGHT, "sending"):
        stage.run(name, unit, database, config)
    return unit


def test_every_lead_is_through_or_listed_and_nothing_is_sent_twice(
    ran: CampaignDay, database: Database, config: Settings, sandbox: SandboxProcess
) -> None:
    # one run, several facts: the campaign-day takes half a minute
    sourced = rows(
        database,
        "SELECT count(*) AS n FROM sourced_businesses WHERE campaign = :campaign AND cohort_on = :cohort_on",
        ran,
    )
    assert sourced[0]["n"] == 120

    assert rows(database, UNLISTED, ran) == []
    unexplained = """SELECT business_id FROM enriched_businesses WHERE campaign = :campaign AND cohort_on = :cohort_on
                     AND status <> 'ok' AND reason IS NULL"""
    assert rows(database, unexplained, ran) == []

    sends = rows(
        database,
        "SELECT send_id::text, state, reason FROM email_sends WHERE campaign = :campaign AND cohort_on = :cohort_on",
        ran,
    )
    truth = sent_by_truth(sandbox)
    ours = {row["send_id"] for row in sends if row["state"] in {"accepted", "unknown"}}
    assert truth, "the sandbox accepted no mail: the faults stopped everything, and the test shows nothing"
    assert set(truth) <= ours
    assert {send: n for send, n in truth.items() if n > 1} == {}
    accepted = {row["send_id"] for row in sends if row["state"] == "accepted"}
    assert accepted <= set(truth)
    assert [row for row in sends if row["state"] == "unknown" and not row["reason"]] == []

    stage.run("sending", ran, database, config)
    assert {send: n for send, n in sent_by_truth(sandbox).items() if n > 1} == {}


def test_a_second_run_buys_nothing_that_is_stored(
    database: Database, config: Settings, sandbox: SandboxProcess, launched: Callable[..., CampaignDay]
) -> None:
    unit = launched("dental-chicago", "dental", PlaceSpec("zip", "60601"), 40)
    for name in (*stage.NIGHT, "sending"):
        stage.run(name, unit, database, config)
    before = httpx.get(f"{sandbox.base_url}/_truth").json()
    reports = {name: stage.run(name, unit, database, config) for name in (*stage.NIGHT, "sending")}
    after = httpx.get(f"{sandbox.base_url}/_truth").json()
    paid = {
        kind: (before.get(kind, 0), n)
        for kind, n in after.items()
        if n != before.get(kind, 0) and kind != "sendgrid/event"
    }
    retried = sum(report.rows_open for report in reports.values())
    assert paid == {} or retried > 0
    assert before["sendgrid/mail"] == after["sendgrid/mail"]
