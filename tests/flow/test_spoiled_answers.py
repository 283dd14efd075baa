"""A campaign-day whose vendors answer 200 with things nobody described: it ends, and says of each lead what happened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from leadfactory import stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.campaigns import PlaceSpec
from leadfactory.database import Database
from leadfactory.settings import Settings, settings
from sandbox.process import SandboxProcess
from tests.flow.mangling import mangled
from tests.flow.test_hostile_vendors import UNLISTED, rows, sent_by_truth

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [2, 6])
def test_spoiled_answers_stop_no_campaign_day_and_every_lead_has_its_reason(
    seed: int, database: Database, config: Settings, sandbox: SandboxProcess, launched: Callable[..., CampaignDay]
) -> None:
    unit = launched("dental-chicago", "dental", PlaceSpec("city", "Chicago, IL"), 60)
    address = sandbox.base_url.split("://")[1]
    with mangled(sandbox.base_url, share=0.2, seed=seed) as (mangler, url):
        os.environ |= {"LEADFACTORY_SANDBOX_URL": url, "WEBSITE_RESOLVER": address, "WEBSITE_GATEWAY": address}
        settings.cache_clear()
        for name in (*stage.NIGHT, "sending"):
            stage.run(name, unit, database, settings())
    assert sum(mangler.made.values()) > 10
    assert {vendor for vendor, _ in mangler.made} >= {"pagespeed", "openai", "places"}

    assert rows(database, UNLISTED, unit) == []
    with database.begin() as tx:
        open_calls = tx.execute(sa.text("SELECT count(*) FROM vendor_calls WHERE status = 'started'")).scalar_one()
        unexplained = tx.execute(
            sa.text("SELECT count(*) FROM vendor_calls WHERE status NOT IN ('ok', 'started') AND reason IS NULL")
        ).scalar_one()
    assert (open_calls, unexplained) == (0, 0)
    twice = {send: n for send, n in Counter(sent_by_truth(sandbox)).items() if n > 1}
    assert twice == {}
