"""Sold reports by their signed links: every opening is counted, and a link is closed when the money went back."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from edge.headers import policy
from edge.pages import page
from leadfactory import blobs
from leadfactory.d06_reports import links
from leadfactory.d06_reports.links import Opened
from leadfactory.inbox.rules import rules
from leadfactory.tokens import TokenError

if TYPE_CHECKING:
    from edge.app import Desk

_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)


async def html(request: Request) -> Response:
    """The report as it was sold."""
    found = await run_in_threadpool(_open, request, "html")
    if isinstance(found, Response):
        return found
    text = (await run_in_threadpool(_read, request, found.html_sha256)).decode()
    hashes = (base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in _STYLE.findall(text))
    answer = HTMLResponse(text)
    answer.headers["Content-Security-Policy"] = policy(styles=" ".join(f"'sha256-{each}'" for each in hashes))
    return answer


async def pdf(request: Request) -> Response:
    """The same as a PDF."""
    found = await run_in_threadpool(_open, request, "pdf")
    if isinstance(found, Response):
        return found
    if found.pdf_sha256 is None:
        return page("not_found", status=404)
    content = await run_in_threadpool(_read, request, found.pdf_sha256)
    name = re.sub(r"[^a-z0-9.-]", "-", f"website-report-{found.domain}-{found.report_on}.pdf".lower())
    return Response(
        content, media_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'}
    )


def _open(request: Request, kind: str) -> Opened | Response:
    """The report behind a link, its opening counted; a page where there is none or it is closed."""
    desk: Desk = request.app.state.desk
    try:
        report_id = desk.tokens.read("report", request.path_params["token"])
    except TokenError:
        return page("not_found", status=404)
    machine = rules().bots.is_machine(request.headers.get("user-agent"))
    with desk.db.begin() as tx:
        found = links.opened(tx, report_id)
        if found is None:
            return page("not_found", status=404)
        links.note_access(tx, report_id, kind, desk.clock.now(), given=found.open, machine=machine)
    return found if found.open else page("report_closed", status=410)


def _read(request: Request, digest: str) -> bytes:
    desk: Desk = request.app.state.desk
    return blobs.get(desk.settings.blobs, digest)
