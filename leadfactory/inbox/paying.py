"""What payments ask for, done in one run for as long as buyers go on paying: a run more would have to start first."""

from __future__ import annotations

from typing import Any

from leadfactory.clock import Clock
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d06_reports import paid_work
from leadfactory.d07_storefront import reporting
from leadfactory.d09_delivery.mailer import Mailer
from leadfactory.database import Database
from leadfactory.inbox import waiting
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

MOST_ROUNDS = 20


async def serve(
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    stripe: StripeClient,
    mailer: Mailer,
    pagespeed: PagespeedClient,
    website: WebsiteClient,
) -> tuple[dict[str, Any], list[StageReport]]:
    """Refunds, reports and mails, and again while somebody paid meanwhile; figures of all rounds, and reports of what changed."""
    done: dict[str, Any] = {}
    reports: list[StageReport] = []
    for _ in range(MOST_ROUNDS):
        figures, changed = await paid_work.work(
            db=db, clock=clock, settings=settings, stripe=stripe, mailer=mailer, pagespeed=pagespeed, website=website
        )
        for name, figure in figures.items():
            still = name.startswith("not ") or name.endswith("waiting")  # how it stands, not what was done
            done[name] = figure if still else done.get(name, 0) + figure
        reports += changed
        with db.begin() as tx:
            if not waiting.payments(tx):
                break
        reports += reporting.drain(db=db, clock=clock, settings=settings)[1]
    return done, reports
