"""Each alert with series under which it fires and series under which it does not; Prometheus' own rule tester judges them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Series = dict[str, float | str]  # a series' value, or Prometheus' notation of its values by minute

W1, W4, W24 = '{window="1h"}', '{window="4h"}', '{window="24h"}'
IDLE = 'businesses_processed{window="2h"}'
STRIPE = '{source="stripe"}'
BUSY = "edge_request_seconds"

# alert → (fires, does not fire, …)
CASES: dict[str, tuple[Series, ...]] = {
    "PipelineFailure": (
        {"campaign_days_unfinished": 2, "night_seconds": 9000, IDLE: 0},
        {"campaign_days_unfinished": 0, "night_seconds": 9000, IDLE: 0},  # all is done
        {"campaign_days_unfinished": 2, "night_seconds": 3600, IDLE: 0},  # two hours have not passed
        {"campaign_days_unfinished": 2, "night_seconds": 9000, IDLE: 1},
        {"campaign_days_unfinished": 2, "night_seconds": 9000, IDLE: 0, 'pauses{kind="all"}': 1},
    ),
    "HighBounceRate": (
        {f"bounce_ratio{W1}": 0.11, f"bounce_sample{W1}": 50},
        {f"bounce_ratio{W1}": 0.10, f"bounce_sample{W1}": 50},
        {f"bounce_ratio{W1}": 0.50, f"bounce_sample{W1}": 49},
    ),
    "PaymentFailure": (
        {f"webhooks_refused{STRIPE}": 3, f"webhooks_received{STRIPE}": 0},
        {f"webhooks_refused{STRIPE}": 3, f"webhooks_received{STRIPE}": 1},  # a forger beside good posts
        {f"inbox_lag_seconds{STRIPE}": 600},
        {'webhooks_quarantined{source="sendgrid"}': 5},
    ),
    "DatabaseDown": ({"database_up": 0}, {"database_up": 1}),
    "EdgeDown": ({'up{job="leadfactory"}': 0}, {'up{job="leadfactory"}': 1}, {'up{job="other"}': 0}),
    "WebserverDown": ({"dagster_webserver_up": 0}, {"dagster_webserver_up": 1}),
    "DaemonDown": (
        {'dagster_heartbeat_age_seconds{daemon="scheduler"}': 181},
        {'dagster_heartbeat_age_seconds{daemon="scheduler"}': 180},
        {"dagster_webserver_up": 0},  # nobody tells of it then: WebserverDown's
    ),
    "CodeLocationDown": ({'dagster_location_loaded{location="marts"}': 0}, {'dagster_location_loaded{location="marts"}': 1}),
    "DamagedFiles": ({'damaged_files{area="lake"}': 1}, {'damaged_files{area="lake"}': 0}),
    "PaidUndelivered": ({"paid_undelivered_oldest_seconds": 301}, {"paid_undelivered_oldest_seconds": 300}),
    "RefundNotGiven": ({"refunds_not_given_oldest_seconds": 3601}, {"refunds_not_given_oldest_seconds": 3600}),
    "ErasureOverdue": ({"erasure_waiting_oldest_seconds": 172801}, {"erasure_waiting_oldest_seconds": 172800}),
    "UnknownSends": ({"unknown_sends_oldest_seconds": 901}, {"unknown_sends_oldest_seconds": 900}),
    "LedgerOff": ({'ledger_imbalance_cents{currency="usd"}': 1}, {'ledger_imbalance_cents{currency="usd"}': 0}),
    "AuditChainBroken": ({"audit_chain_faults": 1}, {"audit_chain_faults": 0}),
    "BackupTooOld": ({"backup_age_seconds": 93601}, {"backup_age_seconds": 93600}),
    "RestoreDrillFailed": ({"restore_drill_ok": 0}, {"restore_drill_ok": 1}),
    "DiskFull": ({'disk_used_ratio{place="home"}': 0.91}, {'disk_used_ratio{place="home"}': 0.9}),
    "LowDeliveryRate": (
        {f"delivery_ratio{W4}": 0.89, f"delivery_sample{W4}": 50},
        {f"delivery_ratio{W4}": 0.90, f"delivery_sample{W4}": 50},
        {f"delivery_ratio{W4}": 0.10, f"delivery_sample{W4}": 49},
    ),
    "ApiRateLimits": (
        {'rate_used_ratio{rate="day",vendor="yelp"}': 0.81},
        {'rate_used_ratio{rate="day",vendor="yelp"}': 0.80},
        {'rate_used_ratio{rate="second",vendor="yelp"}': 1},
    ),
    "DiskSpace": ({'disk_used_ratio{place="home"}': 0.86}, {'disk_used_ratio{place="home"}': 0.85}),
    "MemoryHigh": ({"memory_used_ratio": 0.86}, {"memory_used_ratio": 0.85}),
    "SpendAtCap": ({'budget_used_ratio{scope="campaign",key="a"}': 0.95}, {'budget_used_ratio{scope="campaign",key="a"}': 0.94}),
    "MartsStale": ({"marts_age_seconds": 93601}, {"marts_age_seconds": 93600}),
    "CampaignMissingToday": ({"campaigns_missing_today": 1}, {"campaigns_missing_today": 0}),
    "InboxLag": (
        {'inbox_lag_seconds{source="sendgrid"}': 601},
        {'inbox_lag_seconds{source="sendgrid"}': 600},
        {f"inbox_lag_seconds{STRIPE}": 9999},  # PaymentFailure's
    ),
    "SenderHalted": ({'halts{scope="sender"}': 1}, {'halts{scope="sender"}': 0}),
    "BreakerOpen": ({'vendor_breaker_open_seconds{vendor="yelp"}': 901}, {'vendor_breaker_open_seconds{vendor="yelp"}': 900}),
    "VendorFailing": (
        {'vendor_failure_ratio{vendor="yelp"}': 0.51, 'vendor_failure_sample{vendor="yelp"}': 20},
        {'vendor_failure_ratio{vendor="yelp"}': 0.50, 'vendor_failure_sample{vendor="yelp"}': 20},
        {'vendor_failure_ratio{vendor="yelp"}': 1, 'vendor_failure_sample{vendor="yelp"}': 19},
    ),
    "RunFailed": ({'run_failed{run_id="r",dagster_job="lake",campaign_day=""}': 1}, {'runs_ended{dagster_job="lake",status="failure"}': 1}),
    "ChecksFailing": ({'checks_failing{asset="lead_scores"}': 1}, {'checks_failing{asset="lead_scores"}': 0}),
    "AuthFailures": ({"auth_failures": 21}, {"auth_failures": 20}),
    "WebhooksRefused": ({'webhooks_refused{source="sendgrid"}': 51}, {'webhooks_refused{source="sendgrid"}': 50}),
    "CredentialOld": ({'credential_age_seconds{credential="a"}': 7776001}, {'credential_age_seconds{credential="a"}': 7776000}),
    "PausedLong": ({'pause_age_seconds{kind="all"}': 86401}, {'pause_age_seconds{kind="all"}': 86400}),
    "FiguresFailed": ({'figures_failed{family="mail"}': 1}, {'figures_failed{family="mail"}': 0}),
    "BusinessesBelowTarget": (
        {f"businesses_processed{W24}": 999, "night_seconds": 21601},
        {f"businesses_processed{W24}": 1000, "night_seconds": 21601},
        {f"businesses_processed{W24}": 0, "night_seconds": 0},  # nothing was due
    ),
    "DraftRateBelowTarget": (
        {f"draft_ratio{W24}": 0.94, f"draft_sample{W24}": 20},
        {f"draft_ratio{W24}": 0.95, f"draft_sample{W24}": 20},
        {f"draft_ratio{W24}": 0.5, f"draft_sample{W24}": 19},
    ),
    "AssessmentRateBelowTarget": (
        {f"assessment_ratio{W24}": 0.89, f"assessment_sample{W24}": 20},
        {f"assessment_ratio{W24}": 0.90, f"assessment_sample{W24}": 20},
        {f"assessment_ratio{W24}": 0.5, f"assessment_sample{W24}": 19},
    ),
    "DeliveryBelowTarget": (
        {f"delivery_ratio{W24}": 0.94, f"delivery_sample{W24}": 100},
        {f"delivery_ratio{W24}": 0.95, f"delivery_sample{W24}": 100},
        {f"delivery_ratio{W24}": 0.5, f"delivery_sample{W24}": 99},
    ),
    "BounceAboveTarget": (
        {f"bounce_ratio{W24}": 0.06, f"bounce_sample{W24}": 100},
        {f"bounce_ratio{W24}": 0.05, f"bounce_sample{W24}": 100},
        {f"bounce_ratio{W24}": 0.5, f"bounce_sample{W24}": 99},
    ),
    "SpamAboveTarget": (
        {f"complaint_ratio{W24}": 0.004, f"complaint_sample{W24}": 300},
        {f"complaint_ratio{W24}": 0.003, f"complaint_sample{W24}": 300},
        {f"complaint_ratio{W24}": 0.5, f"complaint_sample{W24}": 299},
    ),
    "ApiSlow": (
        {
            f'{BUSY}_bucket{{route="landing.show",le="2.0"}}': "0+0x60",
            f'{BUSY}_bucket{{route="landing.show",le="5.0"}}': "0+10x60",
            f'{BUSY}_bucket{{route="landing.show",le="+Inf"}}': "0+10x60",
            f'{BUSY}_count{{route="landing.show"}}': "0+10x60",
        },
        {
            f'{BUSY}_bucket{{route="landing.show",le="2.0"}}': "0+10x60",
            f'{BUSY}_bucket{{route="landing.show",le="+Inf"}}': "0+10x60",
            f'{BUSY}_count{{route="landing.show"}}': "0+10x60",
        },
        {
            f'{BUSY}_bucket{{route="metrics.metrics",le="2.0"}}': "0+0x60",
            f'{BUSY}_bucket{{route="metrics.metrics",le="5.0"}}': "0+10x60",
            f'{BUSY}_bucket{{route="metrics.metrics",le="+Inf"}}': "0+10x60",
            f'{BUSY}_count{{route="metrics.metrics"}}': "0+10x60",
        },
    ),
}  # fmt: skip
# Other ways in which one alert fires.
ALSO: list[tuple[str, Series]] = [
    ("PaymentFailure", {f"inbox_lag_seconds{STRIPE}": 601}),
    ("PaymentFailure", {f"webhooks_quarantined{STRIPE}": 1}),
    ("PaymentFailure", {'edge_requests_total{route="webhooks.stripe",status="503"}': "0+2x60"}),
]


def suites(rules: str, folder: Path) -> dict[str, str]:
    """Alert → the file below ``folder`` that ``promtool test rules`` reads: its cases, over a copy of its rule out of the text ``rules``.

    The tester computes every rule it is given at every minute of every case, so each case is given the one rule that it is about.
    """
    written = {}
    for group in yaml.safe_load(rules)["groups"]:
        for rule in group["rules"]:
            alert = rule["alert"]
            alone = {"groups": [group | {"rules": [rule]}]}
            (folder / f"{alert}.rule.yaml").write_text(yaml.safe_dump(alone))
            fires, *quiet = CASES[alert]
            tests = [
                _test(alert, fires, fires=True),
                *(_test(alert, series, fires=False) for series in quiet),
                *(_test(alert, series, fires=True) for name, series in ALSO if name == alert),
            ]
            document = {"rule_files": [f"{alert}.rule.yaml"], "evaluation_interval": "1m", "tests": tests}
            (folder / f"{alert}.yaml").write_text(yaml.safe_dump(document))
            written[alert] = str(folder / f"{alert}.yaml")
    return written


def _test(alert: str, series: Series, *, fires: bool) -> dict[str, Any]:
    return {
        "interval": "1m",
        "name": f"{alert} {'fires' if fires else 'does not fire'} at {series}",
        "input_series": [{"series": _named(name), "values": _values(value)} for name, value in series.items()],
        "promql_expr_test": [
            {
                "expr": f'min(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": "40m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


def _named(series: str) -> str:
    return series if series.startswith("up{") else f"leadfactory_{series}"


def _values(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value}x60"
