"""The factory's asset jobs: which assets run together, and in which executor."""

from __future__ import annotations

import dagster as dg

from leadfactory_assets.partitions import CAMPAIGN_DAY
from leadfactory_assets.policies import key

NIGHTLY = (
    "campaign_targets",
    "sourced_businesses",
    "unique_businesses",
    "enriched_businesses",
    "site_audits",
    "site_insights",
    "lead_scores",
    "experiment_assignments",
    "email_drafts",
)
_nightly_assets = dg.AssetSelection.assets(*(key(name) for name in NIGHTLY))

campaign_day = dg.define_asset_job(
    "campaign_day",
    selection=_nightly_assets.without_checks()
    | dg.AssetSelection.checks(*(dg.AssetCheckKey(key(name), f"{name}_expectations") for name in NIGHTLY)),
    partitions_def=CAMPAIGN_DAY,
    executor_def=dg.in_process_executor,  # stages are I/O-bound and async inside; a step process costs 5 s
    tags={"dagster/priority": "1", "leadfactory/lane": "night"},  # before clicks and backfills, which have none
    description="One campaign-day from target to draft. It mails nothing: 02:00 UTC is nobody's business hours.",
)
lake = dg.define_asset_job(
    "lake",
    selection=dg.AssetSelection.assets(key("experiment_readouts"), key("lake_export")),
    executor_def=dg.in_process_executor,
    description="Reads the experiments out and exports the campaign-days that changed; the marts' build follows in the second code location.",
)
standing_checks = dg.define_asset_job(
    "standing_checks",
    selection=dg.AssetSelection.checks(
        *(
            dg.AssetCheckKey(key(asset), name)
            for asset, name in (
                ("campaign_targets", "d01_targeting_standing"),
                ("campaign_targets", "every_active_campaign_has_today"),
                ("unique_businesses", "d02_sourcing_standing"),
                ("enriched_businesses", "d04_enrichment_standing"),
                ("site_insights", "d03_assessment_standing"),
                ("lead_scores", "d05_scoring_standing"),
                ("experiment_assignments", "d11_experiments_standing"),
                ("email_drafts", "d08_personalization_standing"),
                ("email_sends", "d09_delivery_standing"),
                ("purchases", "d07_storefront_standing"),
                ("audit_reports", "d06_reports_standing"),
            )
        )
    ),
    executor_def=dg.in_process_executor,
    description="Every room's standing check: red while an open campaign-day has a failing or missing verdict.",
)
drain_webhooks = dg.define_asset_job(
    "drain_webhooks",
    selection=dg.AssetSelection.assets(key("webhook_drain"), key("paid_reports")),
    executor_def=dg.in_process_executor,
    tags={"dagster/priority": "4", "leadfactory/lane": "drain"},  # before nights; people wait for what they paid for
    description="Folds all events that wait in the inbox, over all campaign-days, and does what payments ask for, in one run.",
)
reconcile_payments = dg.define_asset_job(
    "reconcile_payments",
    selection=dg.AssetSelection.assets(key("payment_poll")),
    executor_def=dg.in_process_executor,
    description="Asks Stripe for what a webhook lost and holds Stripe, purchases and delivered reports against each other.",
)
poll_suppressions = dg.define_asset_job(
    "poll_suppressions",
    selection=dg.AssetSelection.assets(key("suppression_poll")),
    executor_def=dg.in_process_executor,
    description="Asks SendGrid for its suppression lists, takes over what a push lost, and holds both sides against each other.",
)
JOBS = [campaign_day, lake, standing_checks, drain_webhooks, reconcile_payments, poll_suppressions]
