"""Two reports are sold, one of them is paid back: through the edge that faces the world and the job that folds what it heard.

What that leaves (the vendors' posts, sealed reports as pages and PDFs, mails with their links, the book of money) is searched
like everything else.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import dagster as dg
import httpx
from pydantic import SecretStr
from starlette.testclient import TestClient

from edge.app import create_app
from leadfactory.campaign_day import CampaignDay
from leadfactory.settings import settings
from tests.careless.world import World
from tests.edge.conftest import Signer
from tests.edge.conftest import World as Facing
from tests.edge.shops import Shop
from tests.times.stores import printed

SECRET = "whsec_new"
LETTERS = """SELECT s.send_id, e.contact_email, e.site_host FROM email_sends s
    JOIN enriched_businesses e USING (campaign, cohort_on, business_id)
    WHERE s.campaign = :c AND s.state = 'accepted' ORDER BY s.send_id LIMIT 2"""
HEARD = ("processed", "delivered", "open", "click")


@dataclasses.dataclass(frozen=True)
class Sold:
    """What became of the sale, as tables and blobs have it."""

    purchases: list[str]
    reports: int
    deliveries: list[str]
    posts: dict[str, int]
    hosts: set[str]
    printed: str


def sell(world: World, instance: dg.DagsterInstance, unit: CampaignDay) -> Sold:
    """Sells to the first two who got a letter of ``unit``; the second has the money back."""
    from leadfactory_assets.definitions import defs

    letters, signer = world.rows(LETTERS, c=unit.campaign), Signer()
    keys = {"stripe_webhook_secret": SecretStr(SECRET), "sendgrid_webhook_public_key": signer.public}
    config = settings().model_copy(update=keys)
    edge = Facing(world.db, config, unit)
    edge.signer = signer
    with (
        TestClient(create_app(config, db=world.db)) as edge.client,
        httpx.Client(base_url=world.sandbox.base_url, timeout=30) as vendor,
    ):
        shop = Shop(edge, vendor)
        events = [
            edge.event(kind, row.send_id, at, email=row.contact_email)
            for row in letters
            for at, kind in enumerate(HEARD)
        ]
        assert edge.post(events).status_code == 200
        sessions = [shop.buy(row.send_id, email=row.contact_email) for row in letters]
        for session in sessions:
            assert shop.client.get("/success", params={"session_id": session}).status_code == 200
        shop.refund(sessions[1])
        for event in shop.events():
            assert edge.pay(event).status_code == 200
    assert defs.resolve_job_def("drain_webhooks").execute_in_process(instance=instance).success
    return Sold(
        purchases=[row.state for row in world.rows("SELECT state FROM purchases ORDER BY state")],
        reports=world.rows("SELECT count(*) FROM audit_reports")[0][0],
        deliveries=[row.state for row in world.rows("SELECT state FROM report_deliveries ORDER BY state")],
        posts=dict(map(tuple, world.rows("SELECT source, count(*) FROM webhook_inbox GROUP BY 1"))),
        hosts={row.site_host.removeprefix("www.") for row in letters},
        printed="\n".join(printed(path) for path in (Path(config.home) / "blobs").rglob("*") if path.is_file()),
    )
