"""Who may see the operators' pages of the edge: whoever holds a signed link. The link becomes a cookie of these pages alone.

The cookie is sent to no other path, read by no script, and no form is heard without the proof that only its holder's page carries.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.forms import FormRefused
from edge.pages import page
from leadfactory.operator_links import LIVES, OperatorLinkError, OperatorLinks

if TYPE_CHECKING:
    from edge.app import Desk

COOKIE = "lf_desk"
PATH = "/review"


class Stranger(Exception):
    """Nobody whom we know; the message says what was wrong with what they brought."""


@dataclasses.dataclass(frozen=True)
class Visitor:
    """An operator at the desk, and the proof that forms shown to them carry."""

    name: str
    proof: str


def visitor(request: Request) -> Visitor:
    """Who asks.

    Raises:
        Stranger: no link of ours, or one whose time is over.
    """
    token = request.cookies.get(COOKIE, "")
    if not token:
        raise Stranger("These pages open by a link of your own.")
    desk, links = _of(request)
    try:
        found = links.read(token, desk.clock.now())
    except OperatorLinkError as error:
        raise Stranger(f"Your link does not hold: {error}.") from None
    return Visitor(found.name, links.form_proof(token))


def check(request: Request, proof: str) -> None:
    """That a form was shown to the one who sends it.

    Raises:
        FormRefused: 403, another page made it.
    """
    if not _of(request)[1].proves(request.cookies.get(COOKIE, ""), proof):
        raise FormRefused(403, "the form was not shown to this operator")


async def enter(request: Request) -> Response:
    """Takes the link's token into a cookie and leads to the list, so that no address on the way shows it."""
    desk, links = _of(request)
    token = request.path_params["token"]
    try:
        links.read(token, desk.clock.now())
    except OperatorLinkError as error:
        return refused(Stranger(f"Your link does not hold: {error}."))
    answer = RedirectResponse(PATH, status_code=303)
    answer.set_cookie(
        COOKIE, token, max_age=int(LIVES.total_seconds()), path=PATH, httponly=True, samesite="lax",
        secure=desk.public_url.startswith("https://"),
    )  # fmt: skip
    return answer


def leave() -> Response:
    """Forgets the visitor."""
    answer = refused(Stranger("You have left the desk."))
    answer.delete_cookie(COOKIE, path=PATH)
    return answer


def refused(stranger: Stranger) -> Response:
    """The page that says how to come in."""
    return page("review_closed", status=401, why=str(stranger))


def _of(request: Request) -> tuple[Desk, OperatorLinks]:
    desk: Desk = request.app.state.desk
    return desk, OperatorLinks(desk.settings.signing_keys.get_secret_value())
