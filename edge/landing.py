"""The page behind a letter's link: what was measured, three findings in full, the price. Reads only; a checkout begins by POST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge import samples
from edge.pages import page
from leadfactory.d07_storefront.offers import Closed, Offer, offer
from leadfactory.d07_storefront.pages_config import config
from leadfactory.tokens import TokenError

if TYPE_CHECKING:
    from edge.app import Desk


async def show(request: Request) -> Response:
    """The offer; a link that is cut or forged is 404, one whose offer is over is 410 and says why."""
    desk: Desk = request.app.state.desk
    return await run_in_threadpool(_show, desk, request.path_params["token"])


def _show(desk: Desk, token: str) -> Response:
    found = _find(desk, token)
    if found == "unknown":
        return page("not_found", status=404)
    if not isinstance(found, Offer):
        return page("offer_closed", status=410, why=found, **_links(desk, token))
    return page(
        "landing",
        offer=found,
        teaser=found.teaser,
        token=token,
        rules=config().landing,
        samples=samples,
        **_links(desk, token),
    )


def _find(desk: Desk, token: str) -> Offer | Closed:
    try:
        send_id = desk.tokens.read("landing", token)
    except TokenError:
        return "unknown"
    with desk.db.begin() as tx:
        return offer(tx, send_id, desk.clock.now())


def _links(desk: Desk, token: str) -> dict[str, Any]:
    """The links of a recipient's own pages; each bears a token of its own purpose."""
    send_id = desk.tokens.read("landing", token)
    mine = desk.tokens.sign("recipient", send_id)
    return {
        "why_link": f"/why/{mine}",
        "not_mine_link": f"/not-my-site/{mine}",
        "preferences_link": f"/preferences/{mine}",
        "stop_link": f"/u/{desk.tokens.sign('unsubscribe', send_id)}",
    }
