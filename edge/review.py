"""The operators' desk: letters that wait for a person, each as its reader would see it, with what it rests on and what may be said of it.

Looking changes nothing. What is said is a POST with the holder's proof, passes `desk` as the commands do, and is stored with the name.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from edge import desk_access, forms
from edge.desk_access import Stranger, Visitor
from edge.headers import policy
from edge.pages import page
from leadfactory import pauses
from leadfactory.d08_personalization import desk as drafts
from leadfactory.d08_personalization import listing, reviews
from leadfactory.d08_personalization.desk import Case, Edit, EditRefused
from leadfactory.d08_personalization.reviews import ReviewRefused

if TYPE_CHECKING:
    from edge.app import Desk

PAGE = 50
FORM_BYTES = 32_768  # a letter in any script, as browsers write it
STATES = (*reviews.STATES, "refused")
ACTIONS = ("approve", "edit", "reject")
DONE = {"approved": "Approved", "edited": "Your wording is stored and may leave", "rejected": "Rejected for good"}


@dataclasses.dataclass(frozen=True)
class Said:
    """What a form said that could not be done, to be shown again with why."""

    action: str
    status: int
    why: str
    problems: tuple[Any, ...] = ()
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)


async def show_list(request: Request) -> Response:
    """The newest version of each letter, those that wait first; by campaign and state."""
    try:
        who = await run_in_threadpool(desk_access.visitor, request)
    except Stranger as stranger:
        return desk_access.refused(stranger)
    return await run_in_threadpool(_list, request.app.state.desk, who, dict(request.query_params))


async def show(request: Request) -> Response:
    """One letter."""
    try:
        who = await run_in_threadpool(desk_access.visitor, request)
    except Stranger as stranger:
        return desk_access.refused(stranger)
    done = request.query_params.get("done", "")
    return await run_in_threadpool(_show, request.app.state.desk, who, request.path_params["draft_id"], None, done)


async def letter(request: Request) -> Response:
    """The letter's own HTML, for the frame in which it is shown: its styles hold there, and nothing else of it acts."""
    try:
        await run_in_threadpool(desk_access.visitor, request)
    except Stranger as stranger:
        return desk_access.refused(stranger)
    return await run_in_threadpool(_letter, request.app.state.desk, request.path_params["draft_id"])


async def decide(request: Request) -> Response:
    """Approves, words otherwise or rejects; leads to the next letter that waits, or shows again what could not be done."""
    try:
        who = await run_in_threadpool(desk_access.visitor, request)
    except Stranger as stranger:
        return desk_access.refused(stranger)
    desk: Desk = request.app.state.desk
    fields = await forms.read(request, desk.public_url, most=FORM_BYTES)
    desk_access.check(request, who, fields)
    action = request.url.path.rsplit("/", 1)[1]
    return await run_in_threadpool(_decide, desk, who, request.path_params["draft_id"], action, fields)


async def leave(request: Request) -> Response:
    """Ends the visit in this browser; the link itself ends by its time."""
    await forms.read(request, request.app.state.desk.public_url)
    return desk_access.leave()


ROUTES = [
    Route("/review", show_list, methods=["GET"]),
    Route("/review/as/{token}", desk_access.enter, methods=["GET"]),
    Route("/review/leave", leave, methods=["POST"]),
    Route("/review/{draft_id:uuid}", show, methods=["GET"]),
    Route("/review/{draft_id:uuid}/letter", letter, methods=["GET"]),
    *(Route(f"/review/{{draft_id:uuid}}/{action}", decide, methods=["POST"], name=action) for action in ACTIONS),
]


def _list(desk: Desk, who: Visitor, asked: Mapping[str, str]) -> Response:
    state = asked.get("state", "")
    state = state if state in STATES else ""
    campaign = asked.get("campaign", "").strip()[:100]
    wanted = asked.get("page", "")
    number = max(int(wanted), 1) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 6 else 1
    with desk.db.begin() as tx:
        paused = pauses.banner(tx)
        rows = listing.listed(
            tx, campaign=campaign or None, state=state or None, limit=PAGE + 1, skip=(number - 1) * PAGE
        )
    return page(
        "review_list", who=who, paused=paused, rows=rows[:PAGE], more=len(rows) > PAGE, page=number, states=STATES,
        state=state, campaign=campaign, said=DONE.get(asked.get("done", "")),
    )  # fmt: skip


def _show(desk: Desk, who: Visitor, draft_id: uuid.UUID, said: Said | None, done: str = "") -> Response:
    with desk.db.begin() as tx:
        try:
            row = drafts.row_of(tx, draft_id)
        except ReviewRefused:
            return page("not_found", status=404)
        case, missing = _case(desk, tx, draft_id)
        paused = pauses.banner(tx)
        over, history = drafts.settled(tx, row), reviews.history(tx, row)
    return page(
        "review_draft", status=said.status if said else 200, who=who, paused=paused, row=row, case=case, missing=missing, over=over,
        history=history, problems=case.problems() if case else [], numbers=_numbers(case) if case else [], said=said,
        done=DONE.get(done), headers={"Content-Security-Policy": policy(frames="'self'")},
    )  # fmt: skip


def _case(desk: Desk, tx: sa.Connection, draft_id: uuid.UUID) -> tuple[Case | None, str | None]:
    """The draft with what its guard asks, or why that cannot be had."""
    try:
        return drafts.case_of(tx, draft_id, desk.tokens, desk.public_url, desk.clock.now()), None
    except ReviewRefused as refused:
        return None, str(refused)


def _letter(desk: Desk, draft_id: uuid.UUID) -> Response:
    with desk.db.begin() as tx:
        try:
            row = drafts.row_of(tx, draft_id)
        except ReviewRefused:
            return page("not_found", status=404)
    headers = {"Content-Security-Policy": policy(styles="'unsafe-inline'", framed_by="'self'") + "; sandbox"}
    return HTMLResponse(row.body_html, headers=headers)


def _decide(desk: Desk, who: Visitor, draft_id: uuid.UUID, action: str, fields: Mapping[str, str]) -> Response:
    now = desk.clock.now()
    try:
        with desk.db.begin() as tx:
            row = drafts.row_of(tx, draft_id)
            if action == "reject":
                drafts.reject(tx, row, who.name, fields.get("reason", ""), now)
                done, at = "rejected", None
            else:
                case = drafts.case_of(tx, draft_id, desk.tokens, desk.public_url, now)
                if action == "approve":
                    drafts.approve(tx, case, who.name, now)
                    done, at = "approved", None
                else:
                    change = Edit(fields.get("subject"), fields.get("preview"), fields.get("text"))
                    done, at = "edited", drafts.edit(tx, case, change, who.name, now)
            if at is None:
                waits = listing.listed(tx, campaign=row.campaign, state="waiting", limit=1)
                at = waits[0]["draft_id"] if waits else None
    except EditRefused as refused:
        why = "The guard does not let this wording pass. Nothing was stored."
        return _show(desk, who, draft_id, Said(action, 422, why, refused.problems, fields))
    except ReviewRefused as refused:
        return _show(desk, who, draft_id, Said(action, 409, f"{refused}", (), fields))
    return RedirectResponse(f"/review/{at}?done={done}#main" if at else f"/review?done={done}#main", status_code=303)


def _numbers(case: Case) -> list[tuple[str, str]]:
    """Each number of the letter with what it rests on, in words."""
    told = {str(fact.finding_id): fact.says for fact in case.facts}
    return [(number, told.get(source, source)) for number, source in case.row.facts.items()]
