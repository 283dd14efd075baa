"""The four dashboards in a real Chromium, on a phone and on a desktop, light and dark: nothing empty, no rule of axe broken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from edge.app import create_app
from leadfactory import api_keys
from leadfactory.dashboards.panels import NAMES, dashboard
from leadfactory.database import Database
from tests.browser.conftest import CHROMIUM, NO_CHROMIUM, WIDTHS, Eyes, chromium, looking, serving  # noqa: F401
from tests.dashboards.conftest import Played

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
WAYS = [(width, scheme) for width in WIDTHS for scheme in ("light", "dark")]
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def address(played: Played, db: Database, unused_port: int) -> Iterator[str]:
    with serving(create_app(played.config, db=db), unused_port) as found:
        yield found


@pytest.fixture(scope="module")
def headers(played: Played, db: Database) -> dict[str, str]:
    now = played.config.clock.now()
    with db.begin() as tx:
        key = api_keys.create(tx, "eve", ["dashboards"], now + dt.timedelta(days=30), now)
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def eyes(played: Played, chromium: Browser, address: str, headers: dict[str, str]) -> Iterator[Eyes]:  # noqa: F811
    """A tab; the simulation comes first, for the browser leaves its event loop running in this thread."""
    with looking(chromium, address, WIDTHS[0], extra_http_headers=headers) as found:
        yield found


def look(eyes: Eyes, width: int, scheme: Any) -> None:
    eyes.page.set_viewport_size({"width": width, "height": 844})
    eyes.page.emulate_media(color_scheme=scheme)


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_is_there_to_see(eyes: Eyes, name: str) -> None:
    assert eyes.open(f"/dashboards/{name}") == 200
    for panel in dashboard(name).panels:
        shown = eyes.page.locator(f'section[aria-labelledby="p-{panel.name}"]')
        assert "Nothing on the chosen days" not in shown.inner_text()
        if panel.kind not in ("tiles", "table"):
            box = shown.locator("svg:visible").first.bounding_box()
            assert box is not None, panel.name
            assert min(box["width"], box["height"]) > 60, panel.name  # one bar is no higher on a phone


@pytest.mark.parametrize("name", NAMES)
def test_what_a_chart_says_can_be_read_on_a_phone(eyes: Eyes, name: str) -> None:
    look(eyes, WIDTHS[0], "light")
    assert eyes.open(f"/dashboards/{name}") == 200
    heights = eyes.page.eval_on_selector_all(
        "svg.narrow text", "all => all.map(each => each.getBoundingClientRect().height)"
    )
    assert min(heights) > 10


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_chart_is_seen_whole_and_once(eyes: Eyes, name: str, width: int) -> None:
    look(eyes, width, "light")
    assert eyes.open(f"/dashboards/{name}") == 200
    shown = eyes.page.eval_on_selector_all(
        ".scroll:has(> svg)",
        """all => all.map(each => [[...each.querySelectorAll('svg')].filter(one => one.getBoundingClientRect().width > 0).length,
                                   each.scrollWidth <= each.clientWidth])""",
    )
    assert shown == [[1, True]] * len([each for each in dashboard(name).panels if each.kind not in ("tiles", "table")])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_whatever_it_is_looked_at_with(eyes: Eyes, name: str) -> None:
    assert eyes.open(f"/dashboards/{name}") == 200
    wrong = {}
    for width, scheme in WAYS:
        look(eyes, width, scheme)
        wrong[width, scheme] = eyes.judge(f"dashboard-{name}-{scheme}")
    assert wrong == {each: [] for each in WAYS}


def test_the_dark_page_is_dark_and_the_light_one_light(eyes: Eyes) -> None:
    eyes.open("/dashboards/funnel")
    shades = {}
    for scheme in ("light", "dark"):
        look(eyes, WIDTHS[1], scheme)
        levels = [int(each) for each in eyes.page.evaluate(BACKGROUND).strip("rgba()").split(",")[:3]]
        shades[scheme] = sum(levels) / 3
    assert shades["dark"] < 80
    assert shades["light"] > 200
