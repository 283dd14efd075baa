"""Lost links: they go to the paying address by mail, and the page says the same whoever asks. It tells nobody who has bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge import forms
from edge.pages import page
from leadfactory.d06_reports import delivering
from leadfactory.keyed_hashes import KeyedHashes

if TYPE_CHECKING:
    from edge.app import Desk

_LONGEST = 254  # letters of an address


async def ask(request: Request) -> Response:
    """The form."""
    return page("lost", asked=False, fault=None)


async def act(request: Request) -> Response:
    """Plans the mail where the address has paid for something; the answer is one for all."""
    fields = await forms.read(request, request.app.state.desk.public_url)
    return await run_in_threadpool(_plan, request.app.state.desk, fields.get("email", "").strip())


def _plan(desk: Desk, email: str) -> Response:
    try:
        if len(email) > _LONGEST:
            raise ValueError
        hmac = KeyedHashes(desk.settings.suppression_key.get_secret_value()).address(email)
    except ValueError:
        return page("lost", asked=False, fault="That is no e-mail address. Write it as name@example.com.", status=400)
    with desk.db.begin() as tx:
        delivering.plan_lost(tx, hmac, desk.clock.now())
    return page("lost", asked=True, fault=None)
