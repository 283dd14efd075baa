"""What a recipient may see and decide without an account: why the letter came, delete everything, not my website, preferences.

GET only reads; a decision is a POST of our own form and holds from its answer on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge import forms
from edge.pages import page
from leadfactory.d07_storefront import refunds
from leadfactory.d09_delivery import opt_outs, sequences
from leadfactory.d09_delivery.opt_outs import Recipient
from leadfactory.erasure import knowledge, requests
from leadfactory.inbox import audit
from leadfactory.tokens import TokenError

if TYPE_CHECKING:
    from edge.app import Desk

PURPOSES = ("recipient", "landing", "unsubscribe")  # a letter's links name the same person
REASONS = {"not_mine": refunds.NOT_THEIRS, "wrong_person": "not_the_right_person"}


async def why(request: Request) -> Response:
    """Where and when the address was found, and all that is stored."""
    return await run_in_threadpool(_why, request.app.state.desk, request.path_params["token"])


async def delete(request: Request) -> Response:
    """Suppresses at once and stores the request to be forgotten."""
    await forms.read(request, request.app.state.desk.public_url)
    return await run_in_threadpool(_delete, request.app.state.desk, request.path_params["token"])


async def not_mine(request: Request) -> Response:
    """The form: not my website, or not the right person."""
    return await run_in_threadpool(_ask_not_mine, request.app.state.desk, request.path_params["token"])


async def act_not_mine(request: Request) -> Response:
    """Stops all mail to the address and about the business."""
    fields = await forms.read(request, request.app.state.desk.public_url)
    reason = REASONS.get(fields.get("reason", ""), REASONS["not_mine"])
    return await run_in_threadpool(_stop_business, request.app.state.desk, request.path_params["token"], reason)


async def preferences(request: Request) -> Response:
    """What we may still send."""
    return await run_in_threadpool(_preferences, request.app.state.desk, request.path_params["token"])


async def choose(request: Request) -> Response:
    """No reminders of this letter, or no mail at all. Whoever chooses nothing changes nothing."""
    fields = await forms.read(request, request.app.state.desk.public_url)
    return await run_in_threadpool(_choose, request.app.state.desk, request.path_params["token"], fields.get("choice"))


def find(desk: Desk, token: str) -> Recipient | None:
    """Whose link it is; None for one that is cut, forged or for something else."""
    for purpose in PURPOSES:
        try:
            send_id = desk.tokens.read(purpose, token)
        except TokenError:
            continue
        with desk.db.begin() as tx:
            return opt_outs.recipient(tx, send_id)
    return None


def _not_found() -> Response:
    return page("not_found", status=404)


def _why(desk: Desk, token: str) -> Response:
    person = find(desk, token)
    if person is None:
        return _not_found()
    with desk.db.begin() as tx:
        erased = requests.is_erased(tx, person.address_hmac)
        known = knowledge.known(tx, person)
    return page("why", token=token, person=person, known=known, erased=erased)


def _delete(desk: Desk, token: str) -> Response:
    person = find(desk, token)
    if person is None:
        return _not_found()
    with desk.db.begin() as tx:
        requests.ask(tx, person, desk.clock.now())
    return page("deleted", token=token)


def _ask_not_mine(desk: Desk, token: str) -> Response:
    person = find(desk, token)
    return _not_found() if person is None else page("not_mine", token=token, person=person)


def _stop_business(desk: Desk, token: str, reason: str) -> Response:
    person = find(desk, token)
    if person is None:
        return _not_found()
    subjects, now = (*person.address_subjects, ("business", person.business_id.bytes)), desk.clock.now()
    with desk.db.begin() as tx:
        new, ended = opt_outs.stop(tx, subjects, reason=reason, source="edge", now=now)
        ended += sequences.stop(tx, person.send_id, "not_me", now)
        if reason == REASONS["not_mine"]:
            refunds.refund_and_stop(tx, person.send_id, reason=reason, now=now)  # what was bought of it is paid back
        audit.note(
            tx, "recipient", reason, now, send_id=person.send_id, new_suppressions=new, planned_sends_ended=ended
        )
    return page("stopped", business=True)


def _preferences(desk: Desk, token: str) -> Response:
    person = find(desk, token)
    return _not_found() if person is None else page("preferences", token=token, person=person, done=None)


def _choose(desk: Desk, token: str, choice: str | None) -> Response:
    person, now = find(desk, token), desk.clock.now()
    if person is None:
        return _not_found()
    if choice == "none":
        with desk.db.begin() as tx:
            new, ended = opt_outs.stop(tx, person.address_subjects, reason="unsubscribe", source="edge", now=now)
            ended += sequences.stop(tx, person.send_id, "unsubscribe", now)
            audit.note(
                tx, "recipient", "unsubscribe", now, send_id=person.send_id, new_suppressions=new, planned_sends_ended=ended
            )  # fmt: skip
        return page("stopped", business=False)
    if choice == "no_reminders":
        with desk.db.begin() as tx:
            ended = sequences.stop(tx, person.send_id, "unsubscribe", now)
            audit.note(tx, "recipient", "no_reminders", now, send_id=person.send_id, planned_sends_ended=ended)
    return page("preferences", token=token, person=person, done=choice if choice == "no_reminders" else "nothing")
