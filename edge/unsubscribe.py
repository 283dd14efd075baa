"""One click stops all mail (RFC 8058): POST acts at once; GET and HEAD show a page and never act, for scanners open every link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.pages import page
from leadfactory.d09_delivery import opt_outs
from leadfactory.d09_delivery.opt_outs import Recipient
from leadfactory.inbox import audit
from leadfactory.tokens import TokenError

if TYPE_CHECKING:
    from edge.app import Desk


async def show(request: Request) -> Response:
    """The page with one button, and why the letter came. Reads only."""
    person = await run_in_threadpool(_find, request.app.state.desk, request.path_params["token"])
    if person is None:
        return page("not_found", status=404)
    return page("unsubscribe", person=person, token=request.path_params["token"])


async def act(request: Request) -> Response:
    """Stops all mail to the address. Neither body, cookie nor confirmation is asked for."""
    return await run_in_threadpool(_stop, request.app.state.desk, request.path_params["token"], business=False)


async def not_me(request: Request) -> Response:
    """Stops all mail to the address, and all mail about the business."""
    return await run_in_threadpool(_stop, request.app.state.desk, request.path_params["token"], business=True)


def _find(desk: Desk, token: str) -> Recipient | None:
    try:
        send_id = desk.tokens.read("unsubscribe", token)
    except TokenError:
        return None
    with desk.db.begin() as tx:
        return opt_outs.recipient(tx, send_id)


def _stop(desk: Desk, token: str, *, business: bool) -> Response:
    person = _find(desk, token)
    if person is None:
        return page("not_found", status=404)
    subjects = person.address_subjects
    if business:
        subjects = (*subjects, ("business", person.business_id.bytes))
    action, now = ("not_the_right_person" if business else "unsubscribe"), desk.clock.now()
    with desk.db.begin() as tx:
        new, ended = opt_outs.stop(tx, subjects, reason=action, source="edge", now=now)
        audit.note(
            tx, "recipient", action, now, send_id=person.send_id, new_suppressions=new, planned_sends_ended=ended
        )
    return page("stopped", business=business)
