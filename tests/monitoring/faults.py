"""Faults, put into the rows that a factory in trouble would have: one function per alert, each as small as its threshold allows."""

from __future__ import annotations

import http.server
import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import sqlalchemy as sa

from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens
from tests.leads import TUESDAY, UNIT
from tests.monitoring.rows import ago, put, really_ago

DAY = {"campaign": UNIT.campaign, "cohort_on": UNIT.day}
CAMPAIGN = {"state": "launched", "starts_on": UNIT.day, "vertical": "restaurant", "daily_quota": 100}
# Mails of two hours ago that count for 4 h and 24 h, and of 20 minutes ago that count for the last hour too.
MAILS = """
WITH made AS (
  INSERT INTO email_sends (campaign, cohort_on, send_id, business_id, step, draft_id, address_hmac, address_plus_hmac, sender_email,
                           state, due_at, expires_at, planned_at, settled_at)
  SELECT :campaign, :cohort_on, gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), decode(lpad(to_hex(n), 8, '0'), 'hex'), decode(lpad(to_hex(n), 8, '0'), 'hex'), 'a@b.example',
         'accepted', :at, :at, :at, :at FROM generate_series(1, 600) AS n RETURNING send_id, business_id)
INSERT INTO send_outcomes (campaign, cohort_on, send_id, business_id, state, bot_opens, bot_clicks, events, delivered_at, bounced_at, complained_at)
SELECT :campaign, :cohort_on, send_id, business_id, 'accepted', 0, 0, 1, CASE WHEN n > 150 THEN CAST(:at AS timestamptz) END,
       CASE WHEN n <= 150 THEN CAST(:at AS timestamptz) END, CASE WHEN n > 595 THEN CAST(:at AS timestamptz) END
FROM (SELECT *, row_number() OVER () AS n FROM made) AS numbered"""


class Webserver:
    """Answers as Dagster's webserver does while the scheduler is dead and the marts' code location does not answer."""

    def __init__(self) -> None:
        daemons = [{"daemonType": "SCHEDULER", "required": True, "lastHeartbeatTime": time.time() - 600}]
        entries = [{"name": "marts", "loadStatus": "LOADED", "locationOrLoadError": {"__typename": "PythonError"}}]
        said = {
            "instance": {"daemonHealth": {"allDaemonStatuses": daemons}},
            "workspaceOrError": {"locationEntries": entries},
        }
        body = json.dumps({"data": said}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def die(self) -> None:
        """It does not answer any more."""
        self._server.shutdown()
        self._server.server_close()


class Faults:
    """What breaks a factory, over its database and its edge's address."""

    def __init__(self, db: Database, owner: Database, superuser: str, settings: Settings, edge: str) -> None:
        self.db, self.owner, self.superuser, self.settings, self.edge = db, owner, superuser, settings, edge

    def rows(self) -> dict[str, Callable[[], object]]:
        """Alert → what causes it."""
        return {
            "PipelineFailure": self.pipeline, "BusinessesBelowTarget": lambda: None, "CampaignMissingToday": lambda: None,
            "HighBounceRate": self.mails, "LowDeliveryRate": lambda: None, "DeliveryBelowTarget": lambda: None,
            "BounceAboveTarget": lambda: None, "SpamAboveTarget": lambda: None,
            "PaymentFailure": self.forged_payments, "WebhooksRefused": self.forged_events,
            "PaidUndelivered": lambda: put(self.db, "purchases", state="paid", paid_at=ago(minutes=6), amount_cents=19_900),
            "RefundNotGiven": self.refund,
            "ErasureOverdue": lambda: put(self.db, "erasure_requests", source="recipient", requested_at=ago(days=3)),
            "UnknownSends": lambda: put(self.db, "email_sends", state="unknown", settled_at=ago(minutes=20)),
            "InboxLag": lambda: put(self.db, "webhook_inbox", source="sendgrid", received_at=ago(minutes=20)),
            "SenderHalted": lambda: put(self.db, "halts", scope="sender"),
            "LedgerOff": self.ledger, "AuditChainBroken": self.audit_chain, "AuthFailures": self.guesses,
            "BreakerOpen": lambda: put(self.db, "vendor_breakers", vendor="yelp", state="open", opened_at=really_ago(minutes=20)),
            "VendorFailing": self.calls,
            "ApiRateLimits": lambda: put(self.db, "vendor_quotas", vendor="yelp", rate="day", limit_units=10**9, used_units=10**9,
                                         window_started_at=really_ago(hours=1), resets_at=really_ago(hours=-9)),
            "SpendAtCap": lambda: put(self.db, "budgets", scope="campaign", key=UNIT.campaign, cap_microusd=100, spent_microusd=96,
                                      reserved_microusd=0),
            "BackupTooOld": lambda: None,  # there is none
            "RestoreDrillFailed": lambda: put(self.db, "restore_drills", ok=False, checks=[]),
            "PausedLong": lambda: put(self.db, "pauses", kind="vendor", key="yelp", paused_at=ago(hours=25)),
            "MartsStale": self.old_marts,
            "DaemonDown": lambda: None, "CodeLocationDown": lambda: None,  # Webserver tells of both from the start
            "DamagedFiles": lambda: put(self.db, "file_looks", area="lake", broken=1, samples=[]),
            "RunFailed": lambda: put(self.db, "run_outcomes", run_id="r-1", job="campaign_day", partition_key=UNIT.key,
                                     status="FAILURE", ended_at=really_ago(minutes=1)),
            "ChecksFailing": lambda: put(self.db, "quality_verdicts", asset="lead_scores", passed=False, judged_at=ago(hours=1), **DAY),
            "CredentialOld": lambda: put(self.db, "api_keys", name="old", scopes=["metrics"], created_at=ago(days=91), expires_at=ago(days=-9)),
            "AssessmentRateBelowTarget": self.audits, "DraftRateBelowTarget": self.drafts, "ApiSlow": self.slow_pages,
        }  # fmt: skip

    def refund(self) -> None:
        """One that Stripe refused."""
        sold = put(self.db, "purchases", state="paid", paid_at=ago(days=1), amount_cents=19_900)
        put(self.db, "report_deliveries", kind="sold", state="accepted", purchase_id=sold["purchase_id"])
        put(
            self.db,
            "refund_requests",
            purchase_id=sold["purchase_id"],
            amount_cents=19_900,
            state="rejected",
            requested_at=ago(hours=2),
        )

    def pipeline(self) -> None:
        """Two active campaigns, one of them without a campaign-day, and nothing processed."""
        put(self.db, "campaigns", **CAMPAIGN)
        put(self.db, "campaigns", **CAMPAIGN | {"campaign": "dental-60601"})
        put(self.db, "campaign_days", opened_at=ago(hours=12), **DAY)

    def mails(self) -> None:
        """600 mails: a quarter bounced, five complained."""
        with self.db.begin() as tx:
            tx.execute(sa.text(MAILS), {**DAY, "at": ago(minutes=20)})

    def audits(self) -> None:
        """Before the last two hours, so that the pipeline stands still."""
        for _ in range(20):
            put(self.db, "site_audits", status="failed", fetched_at=ago(hours=3), **DAY)

    def drafts(self) -> None:
        """Qualified leads without a draft in a campaign-day of yesterday that was judged."""
        of = {"campaign": "dental-60601", "cohort_on": ago(days=1).date()}
        put(self.db, "quality_verdicts", asset="email_drafts", passed=True, judged_at=ago(hours=3), **of)
        for _ in range(20):
            put(self.db, "lead_scores", tier="A", qualified=True, version=1, **of)

    def calls(self) -> None:
        """Twenty calls, most failed."""
        for number in range(20):
            put(
                self.db,
                "vendor_calls",
                vendor="places",
                status="ok" if number < 5 else "unavailable",
                started_at=really_ago(minutes=5),
            )

    def forged_payments(self) -> None:
        """Posts with a signature that is not Stripe's."""
        for _ in range(4):
            httpx.post(f"{self.edge}/webhooks/stripe", content=b"{}", headers={"stripe-signature": "t=1,v1=00"})

    def forged_events(self) -> None:
        """More than fifty posts without a signature."""
        with httpx.Client() as client:
            for _ in range(52):
                client.post(f"{self.edge}/webhooks/sendgrid", content=b"[]")

    def guesses(self) -> None:
        """Keys that do not exist."""
        with httpx.Client() as client:
            for _ in range(22):
                client.get(f"{self.edge}/metrics", headers={"authorization": "Bearer lfk_guess", "via": "1.1 proxy"})

    def old_marts(self) -> None:
        """A warehouse that was published two days ago."""
        file: Path = self.settings.warehouse
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (time.time() - 2 * 86_400,) * 2)

    def ledger(self) -> None:
        """One posting past the rule that postings balance."""
        row = {"posting_id": uuid.uuid4(), "purchase": uuid.uuid4(), "at": TUESDAY}
        with psycopg.connect(self.superuser, autocommit=True, options="-csearch_path=leadfactory") as admin:
            admin.execute("SET session_replication_role = replica")
            admin.execute(
                "INSERT INTO money_entries (posting_id, kind, account, amount_cents, currency, purchase_id, occurred_at, recorded_at)"
                " VALUES (%(posting_id)s, 'sale', 'stripe', 100, 'usd', %(purchase)s, %(at)s, %(at)s)", row,
            )  # fmt: skip

    def audit_chain(self) -> None:
        """A row that was rewritten by the tables' owner."""
        put(self.db, "audit_log", actor="operator", action="pause", subject="a")
        put(self.db, "audit_log", actor="operator", action="pause", subject="b")
        with self.owner.begin() as tx:
            tx.execute(
                sa.text("UPDATE audit_log SET subject = 'c' WHERE audit_id = (SELECT max(audit_id) FROM audit_log)")
            )

    def slow_pages(self) -> None:
        """Thirty people wait behind a lock for six seconds."""
        link = Tokens(self.settings.signing_keys.get_secret_value()).sign("unsubscribe", uuid.uuid4())
        with self.owner.begin() as tx, ThreadPoolExecutor(30) as people:
            tx.execute(sa.text("LOCK TABLE email_sends IN ACCESS EXCLUSIVE MODE"))
            asked = [people.submit(httpx.get, f"{self.edge}/u/{link}", timeout=30) for _ in range(30)]
            time.sleep(6)
            tx.rollback()
            for each in asked:
                each.result()

    def figures(self) -> None:
        """The application may not read what a family counts."""
        with self.owner.begin() as tx:
            tx.execute(sa.text("REVOKE SELECT ON audit_chain FROM lf_app"))

    def mend_figures(self) -> None:
        """It may again."""
        with self.owner.begin() as tx:
            tx.execute(sa.text("GRANT SELECT ON audit_chain TO lf_app"))
