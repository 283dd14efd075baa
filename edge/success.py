"""Where Stripe's page leads whoever has paid: the purchase is made here if the webhook has not made it, and the report is shown."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.pages import page
from leadfactory.d00_gateway.errors import VendorError, VendorRejected
from leadfactory.d06_reports import links, sealing
from leadfactory.d06_reports.links import Link
from leadfactory.d06_reports.store import NothingToReport
from leadfactory.d07_storefront.fulfilment import Bought, fulfil
from leadfactory.d07_storefront.purchase_states import ENTITLED, REVOKED

if TYPE_CHECKING:
    from edge.app import Desk

log = logging.getLogger(__name__)
_SESSION = re.compile(r"cs_[A-Za-z0-9_]{1,197}")


async def show(request: Request) -> Response:
    """The links of what this session paid for; loading it again shows the same."""
    desk: Desk = request.app.state.desk
    session_id = request.query_params.get("session_id", "")
    if not _SESSION.fullmatch(session_id):  # nobody has us ask Stripe for nonsense
        return page("not_found", status=404)
    try:
        bought = await fulfil(session_id, db=desk.db, stripe=desk.stripe, clock=desk.clock, settings=desk.settings)
    except VendorRejected:
        return page("not_found", status=404)
    except VendorError as error:
        log.warning("the payment cannot be confirmed now: %s", error.reason)
        return page("success", state="unconfirmed", links=[], status=503)
    if bought is None:
        return page("not_found", status=404)
    if bought.state in REVOKED:
        return page("report_closed", status=410)
    if bought.state not in ENTITLED:
        return page("success", state=bought.state, links=[])
    return page("success", state="paid", links=await run_in_threadpool(_sealed, desk, bought))


def _sealed(desk: Desk, bought: Bought) -> list[Link]:
    """The purchase's links, its report made first; none while it cannot be made: the run that follows makes and mails it."""
    try:
        sealing.seal(bought.purchase_id, db=desk.db, clock=desk.clock, settings=desk.settings)
    except (NothingToReport, OSError) as error:
        log.error("purchase %s is paid and has no report yet: %s", bought.purchase_id, type(error).__name__)
    except Exception:  # whoever has just paid is told so, whatever the report breaks by
        log.exception("purchase %s is paid and its report cannot be made", bought.purchase_id)
    with desk.db.begin() as tx:
        return links.of_purchase(tx, bought.purchase_id, desk.tokens, desk.public_url)
