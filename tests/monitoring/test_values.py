"""Every metric that a rule or a dashboard uses is moved by the event that it counts: one factory, one event after another.

The events happen to real rows, files and processes, and the edge's own page is read before and after each.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory import audit_log
from leadfactory.backup import looks
from leadfactory.settings import ROOT
from tests.edge.conftest import World
from tests.edge.test_webhooks import PAID
from tests.leads import TUESDAY, UNIT
from tests.monitoring.conftest import Told
from tests.monitoring.faults import Faults, Webserver
from tests.monitoring.rows import ago, put, really_ago
from tests.states import superuser_url

DAY = {"campaign": UNIT.campaign, "cohort_on": UNIT.day}
SPACE = 1 << 30
USED = re.compile(r"leadfactory_([a-z_0-9]+)")
# (metric, labels) → (value before, value after); None is no sample.
Moves = dict[tuple[str, str], tuple[object, object]]
MORE = "more than before"  # this machine does other things besides
ONE_MORE = "one more"  # of what this process counts since its start
AWAY: Moves = {("database_up", ""): (1, 0)}
AROUND = 60.0  # seconds that a slow machine may lie between an event and its figure


class Stage:
    """One factory and what happens to it."""

    def __init__(self, world: World, faults: Faults, page: Callable[[], Told], maker: str) -> None:
        self.world, self.faults, self.db, self.home = world, faults, world.db, world.settings.home
        self.page, self._maker = page, maker
        self._held: list[object] = []

    def put(self, table: str, **values: object) -> Callable[[], object]:
        """A row, when it is called."""
        return lambda: put(self.db, table, **values)

    def audits(self) -> None:
        for status in ("ok", "failed"):
            put(self.db, "site_audits", status=status, fetched_at=ago(hours=3), **DAY)

    def night(self) -> None:
        """Two qualified leads, one with a draft, and the verdict on them."""
        for status in ("drafted", None):
            of = {"business_id": uuid.uuid4(), **DAY}
            put(self.db, "lead_scores", tier="A", qualified=True, version=1, **of)
            if status:
                put(self.db, "email_drafts", step=1, version=1, status=status, wording="rules", arms={}, facts={}, **of)
        put(self.db, "quality_verdicts", asset="email_drafts", passed=True, judged_at=ago(hours=1), **DAY)

    def mails(self) -> None:
        """Four mails of an hour less: two arrived, one of them was called spam, one bounced, of one nobody heard."""
        for number, what in enumerate(({"delivered_at": 30, "complained_at": 25}, {"delivered_at": 30}, {"bounced_at": 30}, {}), 1):  # fmt: skip
            send_id, lead = self.world.send(number, settled_at=ago(minutes=40))
            if what:
                moments = {name: ago(minutes=minutes) for name, minutes in what.items()}
                put(
                    self.db, "send_outcomes", send_id=send_id, business_id=lead.business_id, state="accepted", **moments
                )

    def paid_webhook(self) -> None:
        answer = self.world.pay(PAID)
        assert answer.status_code == 200, answer.text

    def forged_webhook(self) -> None:
        self.world.pay({"id": "evt_2", "type": "x"}, secret="whsec_wrong")

    def calls(self) -> None:
        for status in ("ok", "unavailable"):
            put(self.db, "vendor_calls", vendor="yelp", status=status, started_at=really_ago(minutes=1))

    def damage(self) -> None:
        """The published warehouse is no database any more, and the scheduled look comes by."""
        self.world.settings.warehouse.write_bytes(b"no warehouse" * 1000)
        looks.note(self.db, self.world.settings)

    def audit(self) -> None:
        """A row of the audit log is rewritten."""
        with self.db.begin() as tx:
            audit_log.record(tx, actor="operator ana", action="pause", subject="a", detail={}, now=TUESDAY)
        self.faults.audit_chain()

    def disk(self) -> None:
        """A file of 1 GiB."""
        with (self.home / "large").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, SPACE)

    def memory(self) -> None:
        """1 GiB is in use."""
        self._held.append(bytearray(b"\x01") * SPACE)

    def let_go(self) -> None:
        self._held.clear()
        (self.home / "large").unlink(missing_ok=True)

    def dagster(self) -> None:
        """A webserver answers, whose scheduler is dead and whose marts do not load."""
        (self.home / "dagster.url").write_text(Webserver().url)

    def over(self) -> None:
        """Every campaign is closed."""
        with self.db.begin() as tx:
            tx.execute(sa.text("UPDATE campaigns SET state = 'closed'"))

    def guess(self) -> None:
        self.world.client.get("/metrics", headers={"authorization": "Bearer lfk_guess"})

    @contextlib.contextmanager
    def database_away(self) -> Iterator[None]:
        """Nobody can connect to the database while the block runs."""
        with psycopg.connect(self._maker, autocommit=True) as maker:
            maker.execute("ALTER DATABASE leadfactory ALLOW_CONNECTIONS false")
            maker.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'leadfactory' AND usename = 'lf_app'")  # fmt: skip
            try:
                yield
            finally:
                maker.execute("ALTER DATABASE leadfactory ALLOW_CONNECTIONS true")


def about(seconds: float) -> object:
    """So old, as far as real time lets a test say."""
    return pytest.approx(seconds, abs=AROUND)


def events(stage: Stage) -> list[tuple[str, Callable[[], object], Moves]]:
    """What happens, in this order, and what it moves."""
    h1, h2, h4, d1 = 'window="1h"', 'window="2h"', 'window="4h"', 'window="24h"'
    stripe, yelp = 'source="stripe"', 'vendor="yelp"'
    get = 'route="landing.show"'
    return [
        ("a business is found", stage.put("unique_businesses", decided_at=ago(minutes=5), **DAY),
         {("businesses_processed", h2): (0, 1), ("businesses_processed", d1): (0, 1)}),
        ("two websites are audited, one fails", stage.audits,
         {("assessment_ratio", d1): (None, 0.5), ("assessment_sample", d1): (0, 2)}),
        ("a night ends", stage.night,
         {("draft_ratio", d1): (None, 0.5), ("draft_sample", d1): (0, 2), ("campaign_days_unfinished", ""): (1, 0)}),
        ("a campaign has no campaign-day", stage.put("campaigns", campaign="dental-60601", state="launched", starts_on=UNIT.day),
         {("campaigns_missing_today", ""): (0, 1)}),
        ("a check fails", stage.put("quality_verdicts", asset="lead_scores", passed=False, judged_at=ago(hours=1), **DAY),
         {("checks_failing", 'asset="lead_scores"'): (None, 1)}),
        ("four mails leave", stage.mails,
         {("bounce_ratio", h1): (None, pytest.approx(1 / 3)), ("bounce_sample", h1): (0, 3), ("delivery_ratio", h4): (None, 0.5),
          ("delivery_sample", h4): (0, 4), ("complaint_ratio", d1): (None, 0.5), ("complaint_sample", d1): (0, 2)}),
        ("of a mail nobody knows", lambda: stage.world.send(9, state="unknown", settled_at=ago(minutes=20)),
         {("unknown_sends_oldest_seconds", ""): (0, 1200)}),
        ("a sender is stopped", stage.put("halts", scope="sender", subject="a@b.example"), {("halts", 'scope="sender"'): (0, 1)}),
        ("Stripe posts", stage.paid_webhook, {("webhooks_received", stripe): (0, 1), ("inbox_waiting", stripe): (0, 1)}),
        ("an event waits", stage.put("webhook_inbox", source="stripe", received_at=ago(minutes=7)),
         {("inbox_lag_seconds", stripe): (0, 420)}),
        ("a forger posts", stage.forged_webhook,
         {("webhooks_refused", stripe): (0, 1), ("edge_requests_total", 'route="webhooks.stripe",status="401"'): (0, ONE_MORE)}),
        ("an event is not understood", stage.put("webhook_inbox", source="stripe", received_at=ago(minutes=9), outcome="quarantined", processed_at=ago(minutes=8)),
         {("webhooks_quarantined", stripe): (0, 1)}),
        ("a key is guessed", stage.guess, {("auth_failures", ""): (0, 1)}),
        ("a page is asked for", lambda: stage.world.client.get("/a/none"),
         {("edge_request_seconds_count", get): (0, ONE_MORE), ("edge_request_seconds_bucket", f'le="10.0",{get}'): (0, ONE_MORE)}),
        ("half of a vendor's calls fail", stage.calls,
         {("vendor_failure_ratio", yelp): (None, 0.5), ("vendor_failure_sample", yelp): (None, 2)}),
        ("a breaker opens", stage.put("vendor_breakers", vendor="yelp", state="open", opened_at=really_ago(minutes=20)),
         {("vendor_breaker", f'state="open",{yelp}'): (0, 1), ("vendor_breaker_open_seconds", yelp): (0, about(1200))}),
        ("a quota is used up", stage.put("vendor_quotas", vendor="yelp", rate="day", limit_units=10**9, used_units=10**9,
                                         window_started_at=really_ago(hours=1), resets_at=really_ago(hours=-9)),
         {("rate_used_ratio", f'rate="day",{yelp}'): (0, MORE)}),
        ("a budget is spent", stage.put("budgets", scope="campaign", key=UNIT.campaign, cap_microusd=100, spent_microusd=96, reserved_microusd=0),
         {("budget_used_ratio", f'key="{UNIT.campaign}",scope="campaign"'): (None, 0.96)}),
        ("a buyer waits", stage.put("purchases", state="paid", paid_at=ago(minutes=6), amount_cents=19_900),
         {("paid_undelivered_oldest_seconds", ""): (0, 360)}),
        ("somebody asks to be forgotten", stage.put("erasure_requests", source="recipient", requested_at=ago(days=3)),
         {("erasure_waiting_oldest_seconds", ""): (0, 3 * 86_400)}),
        ("a refund is refused", stage.faults.refund, {("refunds_not_given_oldest_seconds", ""): (0, 7200)}),
        ("the ledger is written past its rule", stage.faults.ledger, {("ledger_imbalance_cents", 'currency="usd"'): (None, 100)}),
        ("the audit log is rewritten", stage.audit, {("audit_chain_faults", ""): (0, 1)}),
        ("a backup succeeds", stage.put("backups", id="a", kind="full", ok=True, started_at=really_ago(hours=5), finished_at=really_ago(hours=5)),
         {("backup_age_seconds", ""): (math.inf, about(5 * 3600))}),
        ("a rehearsal fails", stage.put("restore_drills", ok=False, checks=[]), {("restore_drill_ok", ""): (None, 0)}),
        ("a key is made", stage.put("api_keys", name="grafana", scopes=["metrics"], created_at=ago(days=91), expires_at=ago(days=-9)),
         {("credential_age_seconds", 'credential="grafana"'): (None, 91 * 86_400)}),
        ("all is paused", stage.put("pauses", kind="all", key="", paused_at=ago(hours=3)),
         {("pauses", 'kind="all"'): (0, 1), ("pause_age_seconds", 'kind="all"'): (0, 3 * 3600)}),
        ("a run fails", stage.put("run_outcomes", run_id="r", job="lake", status="FAILURE", started_at=really_ago(minutes=3), ended_at=really_ago(minutes=1)),
         {("run_failed", 'campaign_day="",dagster_job="lake",run_id="r"'): (None, 1), ("run_seconds", 'dagster_job="lake"'): (None, about(120))}),
        ("marts are two days old", stage.faults.old_marts, {("marts_age_seconds", ""): (None, about(2 * 86_400))}),
        ("the warehouse is damaged", stage.damage, {("damaged_files", 'area="warehouse"'): (None, 1)}),
        ("Dagster is half dead", stage.dagster,
         {("dagster_webserver_up", ""): (0, 1), ("dagster_heartbeat_age_seconds", 'daemon="scheduler"'): (None, about(600)),
          ("dagster_location_loaded", 'location="marts"'): (None, 0)}),
        ("a large file is written", stage.disk, {("disk_used_ratio", 'place="home"'): (0, MORE)}),
        ("a program takes memory", stage.memory, {("memory_used_ratio", ""): (0, MORE)}),
        ("a table may not be read", stage.faults.figures, {("figures_failed", 'family="protection"'): (0, 1)}),
        ("every campaign is over", stage.over, {("night_seconds", ""): (13 * 3600, 0)}),
    ]  # fmt: skip


@pytest.fixture
def stage(world, scrape, owner_database, postgres) -> Iterator[Stage]:
    faults = Faults(world.db, owner_database, superuser_url(postgres, "leadfactory"), world.settings, "")
    made = Stage(world, faults, scrape, superuser_url(postgres, "postgres"))
    yield made
    made.let_go()
    faults.mend_figures()


def value(told: Told, metric: str, labels: str) -> float | None:
    """One sample; None when it is not told."""
    wanted = tuple(sorted(tuple(part.replace('"', "").split("=", 1)) for part in labels.split(",") if part))
    return told.get(f"leadfactory_{metric}", {}).get(wanted)  # type: ignore[arg-type]


def wrong(told: tuple[Told, Told], moves: Moves) -> Iterator[str]:
    """What did not move as it should have."""
    for (metric, labels), (first, then) in moves.items():
        before, after = (value(each, metric, labels) for each in told)
        if then == MORE:
            right = before is not None and after is not None and after > before
        elif then == ONE_MORE:
            right = after == (before or 0) + 1
        else:
            right = (before, after) == (first, then)
        if not right:
            yield f"{metric}{{{labels}}} went from {before} to {after} and not from {first} to {then}"


def test_every_event_moves_its_figures(stage: Stage) -> None:
    found, told = [], stage.page()
    for what, cause, moves in events(stage):
        cause()
        before, told = told, stage.page()
        found += [f"{what}: {why}" for why in wrong((before, told), moves)]
    with stage.database_away():
        found += wrong((told, stage.page()), AWAY)
    assert found == []


def test_every_metric_of_a_rule_or_dashboard_is_moved_by_an_event(stage: Stage) -> None:
    files = [ROOT / "monitoring" / "alerts.yaml", *sorted((ROOT / "monitoring" / "grafana").rglob("*.json"))]
    used = {name for path in files for name in USED.findall(path.read_text())}
    moved = {metric for _, _, moves in events(stage) for metric, _ in moves} | {metric for metric, _ in AWAY}
    assert len(files) > 4
    assert used - moved == set()
    assert all(first != then for _, _, moves in events(stage) for first, then in moves.values())


def test_a_figure_that_does_not_move_is_noticed(stage: Stage) -> None:
    still = stage.page()
    moves: Moves = {("halts", 'scope="sender"'): (0, 1), ("disk_used_ratio", 'place="home"'): (0, MORE), ("none", ""): (None, 1)}  # fmt: skip
    assert len(list(wrong((still, still), moves))) == 3
