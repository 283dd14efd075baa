"""What an operator has paused stands above the figures of the dashboards, as it does above every command."""

from __future__ import annotations

import datetime as dt

import pytest

from leadfactory import api_keys, pauses
from tests.leads import TUESDAY


@pytest.mark.parametrize("path", ["/d/funnel", "/dashboards/system"])
def test_a_dashboard_says_what_is_paused_by_whom_and_why(world, path: str) -> None:
    with world.db.begin() as tx:
        key = api_keys.create(tx, "ana", ["dashboards"], TUESDAY + dt.timedelta(days=9), TUESDAY)
    asked = {"Authorization": f"Bearer {key}"}
    assert "Paused:" not in world.client.get(path, headers=asked).text
    with world.db.begin() as tx:
        pauses.pause(tx, "all", "", reason="<b>the disk</b>", by="ben", now=TUESDAY)
    said = world.client.get(path, headers=asked).text
    assert "all is paused by ben" in said
    assert "&lt;b&gt;the disk" in said
