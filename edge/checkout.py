"""The way to the payment page and back: a POST opens a checkout, so that no scanner's visit does; cancelling leads back."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge import forms
from edge.pages import page
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d06_reports import sealing
from leadfactory.d07_storefront.checkout import AlreadySold, NotForSale, open_checkout
from leadfactory.tokens import TokenError

if TYPE_CHECKING:
    from edge.app import Desk

log = logging.getLogger(__name__)


async def start(request: Request) -> Response:
    """Opens the one checkout of the letter's business, or finds it open, and leads there."""
    desk: Desk = request.app.state.desk
    fields = await forms.read(request, desk.public_url)
    try:
        send_id = desk.tokens.read("landing", request.path_params["token"])
        if fields.get("immediate_delivery") != "yes":  # browsers ask for the tick; without it nothing is sold
            return page("consent_missing", status=400, token=request.path_params["token"])
        url = await open_checkout(send_id, db=desk.db, stripe=desk.stripe, clock=desk.clock, settings=desk.settings)
    except (TokenError, NotForSale):
        return page("not_found", status=404)
    except AlreadySold:
        return page("sold", status=410)
    except VendorError as error:
        log.warning("no checkout was opened: %s", error.reason)
        answer = page("checkout_unavailable", status=503, token=request.path_params["token"])
        answer.headers["Retry-After"] = "60"
        return answer
    return RedirectResponse(url, status_code=303, background=_preparation(request, desk, send_id))


def _preparation(request: Request, desk: Desk, send_id: uuid.UUID) -> BackgroundTask | None:
    """While the buyer is at Stripe's page the report is printed, so that it is there when the buyer is back."""
    if not request.app.state.prepares:
        return None
    return BackgroundTask(sealing.prepare, send_id, db=desk.db, clock=desk.clock)


async def cancelled(request: Request) -> Response:
    """Where Stripe's page leads whoever does not pay. Nothing was taken, nothing changes."""
    desk: Desk = request.app.state.desk
    try:
        desk.tokens.read("landing", request.path_params["token"])
    except TokenError:
        return page("not_found", status=404)
    return page("cancelled", token=request.path_params["token"])
