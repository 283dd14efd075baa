"""Who may see what is not public: an API key in a header, or the session that `/login` opened with one. Refusals are counted and told.

A handler asks ``operator(request, scope)`` in its thread; a form that changes something also asks ``check_form``.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge import clients
from edge.pages import page
from leadfactory import api_keys, audit_log, auth_failures
from leadfactory.api_keys import SCOPES, Operator

if TYPE_CHECKING:
    from edge.app import Desk

__all__ = ["SCOPES", "Operator", "Refused", "check_form", "cookie_name", "operator", "refused"]

log = logging.getLogger("leadfactory.security")
STATUS = {"no_credential": 401, "bad_key": 401, "bad_session": 401, "no_scope": 403, "bad_form": 403, "too_many": 429}
SAID = {
    "no_credential": "sign in, or send an API key as Authorization: Bearer",
    "bad_key": "this API key is not known, or its time is over",
    "bad_session": "the session is over",
    "no_scope": "this API key may not see this",
    "bad_form": "the form was not shown in this session",
    "too_many": "too many attempts; wait five minutes",
}
_LONGEST = 200


class Refused(Exception):
    """The request is not let in; ``reason`` is one word, ``status`` the answer's."""

    def __init__(self, reason: str) -> None:
        super().__init__(SAID[reason])
        self.reason, self.status = reason, STATUS[reason]


def operator(request: Request, scope: str) -> Operator:
    """Who asks, if he may: noted in the audit log. A scrape of the metrics from this very machine needs no key.

    Raises:
        Refused: 401 without a good credential, 403 without the scope, 429 after too many guesses.
    """
    if scope not in SCOPES:
        raise ValueError(f"scope={scope!r} is none of {', '.join(SCOPES)}")
    desk: Desk = request.app.state.desk
    now = desk.clock.now()
    if scope == "metrics" and clients.is_this_machine(request):
        return Operator("loopback", ("metrics",), now, "loopback")
    who = client(request)
    with desk.db.begin() as tx:
        found = _credential(request, desk, tx, who)
        if isinstance(found, Operator) and not found.may(scope):
            found = "no_scope"
        if isinstance(found, str):
            auth_failures.note(tx, who, found, now)
        else:
            audit_log.record(
                tx, actor=f"operator {found.name}", action="request", subject=where(request),
                detail={"scope": scope, "via": found.via, "key_id": found.key_id}, now=now,
            )  # fmt: skip
    if isinstance(found, str):
        tell(request, found)
        raise Refused(found)
    return found


def sign_in(request: Request, presented: str) -> tuple[str, int]:
    """Exchanges a key for a session: the cookie's value and its seconds.

    Raises:
        Refused: 401 for a key that is not good, 429 after too many guesses.
    """
    desk: Desk = request.app.state.desk
    now, who = desk.clock.now(), client(request)
    with desk.db.begin() as tx:
        found = _by_key(desk, tx, who, presented)
        if isinstance(found, str):
            auth_failures.note(tx, who, found, now)
        else:
            value, until = api_keys.open_session(tx, found, now)
            audit_log.record(
                tx, actor=f"operator {found.name}", action="sign_in", subject="", detail={"key_id": found.key_id}, now=now
            )  # fmt: skip
    if isinstance(found, str):
        tell(request, found)
        raise Refused(found)
    return value, int((until - now).total_seconds())


def sign_out(request: Request, fields: Mapping[str, str]) -> None:
    """Ends the session of the request's cookie; without one there is nothing to end.

    Raises:
        Refused: the form was not shown in this session.
    """
    desk: Desk = request.app.state.desk
    value = request.cookies.get(cookie_name(desk.public_url), "")
    with desk.db.begin() as tx:
        found = api_keys.by_session(tx, value, desk.clock.now())
    if found is None:
        return
    check_form(found, fields)
    with desk.db.begin() as tx:
        now = desk.clock.now()
        api_keys.close_session(tx, value, now)
        audit_log.record(tx, actor=f"operator {found.name}", action="sign_out", subject="", detail={}, now=now)


def signed_in(request: Request) -> Operator | None:
    """Whose session the request's cookie is; nobody is refused for asking."""
    desk: Desk = request.app.state.desk
    value = request.cookies.get(cookie_name(desk.public_url), "")
    if not value:
        return None
    with desk.db.begin() as tx:
        return api_keys.by_session(tx, value, desk.clock.now())


def check_form(who: Operator, fields: Mapping[str, str]) -> None:
    """Holds a form's field ``proof`` against the session that it was shown in. A key in a header needs none: no browser adds it.

    Raises:
        Refused: another page made this form.
    """
    if who.via == "session" and not hmac.compare_digest(who.proof.encode(), fields.get("proof", "").encode()):
        log.warning("AUTH_FAILED bad_form actor=%s", who.name)
        raise Refused("bad_form")


async def refused(request: Request, error: Exception) -> Response:
    """The answer to who is not let in: a page for people, JSON for programs."""
    assert isinstance(error, Refused)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "300"}}.get(error.status, {})
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": str(error)}, status_code=error.status, headers=headers)
    answer = page("denied", status=error.status, said=str(error), sign_in=f"/login?next={quote(request.url.path)}")
    answer.headers.update(headers)
    return answer


def cookie_name(public_url: str) -> str:
    """The session's cookie; over TLS its name binds it to this very host."""
    return "__Host-lf_session" if urlsplit(public_url).scheme == "https" else "lf_session"


def client(request: Request) -> bytes:
    """The keyed hash of the client's address."""
    desk: Desk = request.app.state.desk
    found = clients.address(request, desk.settings.trusted_proxies)
    return auth_failures.client_hmac(found, desk.settings.signing_keys.get_secret_value())


def where(request: Request) -> str:
    """Method and route: never the path itself, which may hold a token."""
    route = getattr(request.scope.get("route"), "path", "")
    return f"{request.method} {route}"


def tell(request: Request, reason: str) -> None:
    """One line in the security log. No credential, no path of a request."""
    who = clients.address(request, request.app.state.desk.settings.trusted_proxies)
    log.warning("AUTH_FAILED %s client=%s at=%s", reason, who, where(request))


def _credential(request: Request, desk: Desk, tx: sa.Connection, who: bytes) -> Operator | str:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    key = value.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key", "").strip()
    if key:
        return _by_key(desk, tx, who, key)
    session = request.cookies.get(cookie_name(desk.public_url), "")
    if not session:
        return "no_credential"
    return api_keys.by_session(tx, session, desk.clock.now()) or "bad_session"


def _by_key(desk: Desk, tx: sa.Connection, who: bytes, presented: str) -> Operator | str:
    now = desk.clock.now()
    if auth_failures.too_many(tx, who, now):
        return "too_many"
    if len(presented) > _LONGEST or not presented.startswith(api_keys.PREFIX):
        return "bad_key"
    return api_keys.by_key(tx, presented, now) or "bad_key"
