"""Who may review letters: whoever holds a signed link, or an API key with the scope ``review`` (as a header, or by `/login`).

The link becomes a cookie that is sent to no other path and read by no script; no form is heard without the proof that only its
holder's page carries.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge import auth
from edge.forms import FormRefused
from edge.pages import page
from leadfactory.api_keys import Operator
from leadfactory.operator_links import LIVES, OperatorLinkError, OperatorLinks

if TYPE_CHECKING:
    from edge.app import Desk

COOKIE = "lf_desk"
PATH = "/review"


class Stranger(Exception):
    """Nobody whom we know; the message says what was wrong with what they brought."""


@dataclasses.dataclass(frozen=True)
class Visitor:
    """An operator at the desk, and the proof that forms shown to them carry. ``link`` is the token of a link, None of a key."""

    name: str
    proof: str
    link: str | None
    operator: Operator | None = None

    @property
    def signed_in(self) -> bool:
        """Whether `/logout` ends the visit."""
        return self.operator is not None and self.operator.via == "session"


def visitor(request: Request) -> Visitor:
    """Who asks; what a key or its session asks is noted in the audit log.

    Raises:
        Stranger: neither a link of ours that still holds nor a key.
        auth.Refused: a key that is not good, or has not the scope.
    """
    desk, links = _of(request)
    token = request.cookies.get(COOKIE, "")
    why = "These pages open by a link of your own."
    if token:
        try:
            found = links.read(token, desk.clock.now())
        except OperatorLinkError as error:
            why = f"Your link does not hold: {error}."
        else:
            return Visitor(found.name, links.form_proof(token), token)
    if not _has_key(request, desk):
        raise Stranger(why)
    who = auth.operator(request, "review")
    return Visitor(who.name, who.proof, None, who)


def check(request: Request, who: Visitor, fields: Mapping[str, str]) -> None:
    """That a form was shown to the one who sends it.

    Raises:
        FormRefused: 403, another page made it.
        auth.Refused: the same, of a session.
    """
    if who.operator is not None:
        auth.check_form(who.operator, fields)
    elif not _of(request)[1].proves(who.link or "", fields.get("proof", "")):
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


def _has_key(request: Request, desk: Desk) -> bool:
    kind = request.headers.get("authorization", "").partition(" ")[0]
    session = request.cookies.get(auth.cookie_name(desk.public_url), "")
    return kind.lower() == "bearer" or bool(request.headers.get("x-api-key") or session)


def _of(request: Request) -> tuple[Desk, OperatorLinks]:
    desk: Desk = request.app.state.desk
    return desk, OperatorLinks(desk.settings.signing_keys.get_secret_value())
