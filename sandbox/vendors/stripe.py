"""Stripe's API: checkout sessions, refunds, payments, events, balance, its errors, idempotency and hosted page.

Limit: ``options['stripe_per_second']`` (100).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.vendors import stripe_pay_page as page_of
from sandbox.vendors.stripe_books import Books
from sandbox.vendors.stripe_errors import error
from sandbox.vendors.stripe_lists import listed
from sandbox.vendors.stripe_objects import API_VERSION, page
from sandbox.vendors.stripe_replays import Replays
from sandbox.vendors.stripe_request import (
    REFUND_FIELDS,
    BadRequest,
    checked_session,
    integer,
    key_of,
    metadata,
    refuse_unknown,
    unbracketed,
)
from sandbox.vendors.wire import Json, Window, alphanumeric, answer, epoch, key_is_valid, option, utc_now

_VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")
_EXPANDABLE = {"line_items", "payment_intent", "latest_charge", "charge"}
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def rate_limited(kind: str = "") -> Response:
    """429; Stripe has one kind only."""
    message = "Request rate limit exceeded. Learn more about rate limits here: https://stripe.com/docs/rate-limits."
    response = error(429, "invalid_request_error", message, "rate_limit")
    response.headers["Stripe-Rate-Limited-Reason"] = "global-rate"
    return response


def server_error(status: int = 500) -> Response:
    """5xx as Stripe words it."""
    return error(status, "api_error", "An unknown error occurred.")


def fault_response(status: int, kind: str = "") -> Response:
    """The answer to an injected fault, in Stripe's own envelope."""
    if status == 429:
        return rate_limited(kind)
    if status == 409:
        message = "There is currently another in-progress request using this Idempotent Key."
        return error(409, "idempotency_error", message, "idempotency_key_in_use")
    return server_error(status)


Handler = Callable[[Request, Json, Json], Json]  # request, parameters, what events say of it -> body


class Api:
    """The endpoints over one sandbox."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self.books = Books(sandbox)
        self._second = Window(1)
        self._served = 0
        self._replays = Replays()

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """The handler behind key, rate limit, version and idempotency, its answer with Stripe's headers."""

        async def guard(request: Request) -> Response:
            self._served += 1
            request_id = f"req_{alphanumeric('stripe-request', self._sandbox.world.seed, self._served, length=14)}"
            raw = await request.body()
            response = self._refused(request) or self._answer(request, raw, handler, request_id)
            response.headers["Request-Id"] = request_id
            response.headers["Stripe-Version"] = request.headers.get("stripe-version", API_VERSION)
            return response

        return guard

    def _refused(self, request: Request) -> Response | None:
        key = key_of(request)
        if key is None:
            return error(401, "invalid_request_error", "You did not provide an API key. You need to provide your API key in the "
                                                       "Authorization header, using Bearer auth.")  # fmt: skip
        if not key_is_valid(self._sandbox, "stripe", key):
            return error(401, "invalid_request_error", f"Invalid API Key provided: {key[:7]}****{key[-4:]}")
        if self._second.take("all", int(option(self._sandbox, "stripe_per_second", 100))) < 0:
            return rate_limited()
        version = request.headers.get("stripe-version", API_VERSION)
        if not _VERSION.match(version):
            return error(400, "invalid_request_error", f"Invalid Stripe API version: {version}")
        return None

    def _answer(self, request: Request, raw: bytes, handler: Handler, request_id: str) -> Response:
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        origin = {"id": request_id, "idempotency_key": key}
        fingerprint = f"{request.method} {request.scope['path']} {sorted(parse_qsl(raw.decode('utf-8', 'replace')))}"
        if key is not None:
            replay = self._replays.of(key, fingerprint)
            if replay:
                return replay
        try:
            pairs = parse_qsl(raw.decode() if request.method == "POST" else request.url.query, keep_blank_values=True)
            given = unbracketed(pairs)
            body = handler(request, {k: v for k, v in given.items() if k != "expand"}, origin)
            response = answer(self._expanded(body, given.get("expand", [])))
        except BadRequest as bad:
            response = error(bad.status, bad.kind, str(bad), bad.code, bad.param, **bad.more)
        except UnicodeDecodeError:
            response = error(400, "invalid_request_error", "Invalid request: the body is not UTF-8.")
        if key is not None:
            self._replays.keep(key, fingerprint, response, request_id)
            response.headers["Idempotency-Key"] = key
        return response

    def _expanded(self, body: Json, wanted: Any) -> Json:
        """The body with the asked-for ids replaced by their objects; raises BadRequest for what cannot be expanded."""
        if not wanted:
            return body
        body = copy.deepcopy(body)
        for path in wanted if isinstance(wanted, list) else [wanted]:
            self._expand(body, str(path).split("."), str(path))
        return body

    def _expand(self, at: Any, path: list[str], whole: str) -> None:
        if at is None:
            return
        if isinstance(at, list):
            for one in at:
                self._expand(one, path, whole)
            return
        head, rest = path[0], path[1:]
        if head != "data" and head not in _EXPANDABLE:
            raise BadRequest(f"This property cannot be expanded ({whole}).", "expand")
        if head == "line_items" and at.get("object") == "checkout.session":
            items = self.books.items[at["id"]]
            at["line_items"] = page(items, f"/v1/checkout/sessions/{at['id']}/line_items", False)
        elif isinstance(at.get(head), str):
            at[head] = copy.deepcopy({**self.books.intents, **self.books.charges}.get(at[head], at[head]))
        if rest:
            self._expand(at.get(head), rest, whole)

    def create_session(self, request: Request, given: Json, origin: Json) -> Json:
        """POST /v1/checkout/sessions."""
        base = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
        return self.books.open_session(checked_session(given, epoch(self._sandbox)), base)

    def sessions(self, request: Request, given: Json, origin: Json) -> Json:
        """GET /v1/checkout/sessions."""
        for session_id in list(self.books.sessions):
            self.books.session(session_id)  # what has run out is expired before it is listed
        return listed(list(self.books.sessions.values()), given, "/v1/checkout/sessions", ("payment_intent", "status"))

    def one_session(self, request: Request, given: Json, origin: Json) -> Json:
        """GET /v1/checkout/sessions/{id}."""
        return self.books.session(request.path_params["session"])

    def expire_session(self, request: Request, given: Json, origin: Json) -> Json:
        """POST /v1/checkout/sessions/{id}/expire."""
        refuse_unknown(given, frozenset())
        return self.books.expire(request.path_params["session"], origin)

    def session_items(self, request: Request, given: Json, origin: Json) -> Json:
        """GET /v1/checkout/sessions/{id}/line_items."""
        session_id = self.books.session(request.path_params["session"])["id"]
        items = self.books.items[session_id][::-1]  # listed() turns newest first; items keep their order
        return listed(items, given, f"/v1/checkout/sessions/{session_id}/line_items", ())

    def create_refund(self, request: Request, given: Json, origin: Json) -> Json:
        """POST /v1/refunds."""
        refuse_unknown(given, REFUND_FIELDS)
        intent, charge = given.get("payment_intent"), given.get("charge")
        if not intent and not charge:
            raise BadRequest("One of the following params should be provided for this request: payment_intent or charge.",
                             None, "parameter_missing")  # fmt: skip
        reason = given.get("reason")
        if reason is not None and reason not in _REASONS:
            raise BadRequest(f"Invalid reason: must be one of {', '.join(_REASONS)}", "reason")
        amount = integer(given, "amount", 1, 99_999_999)
        return self.books.refund(intent, charge, amount, reason, metadata(given, "metadata"), origin)

    def refunds(self, request: Request, given: Json, origin: Json) -> Json:
        """GET /v1/refunds."""
        return listed(list(self.books.refunds.values()), given, "/v1/refunds", ("payment_intent", "charge"))

    def close_dispute(self, request: Request, given: Json, origin: Json) -> Json:
        """POST /v1/disputes/{id}/close: the shop gives in."""
        return self.books.close_dispute(request.path_params["id"], "lost", origin)

    def answer_dispute(self, request: Request, given: Json, origin: Json) -> Json:
        """POST /v1/disputes/{id}: evidence; Stripe's two test words decide at once."""
        words = str((given.get("evidence") or {}).get("uncategorized_text", ""))
        status = {"winning_evidence": "won", "losing_evidence": "lost"}.get(words)
        if status is None:
            raise BadRequest(
                "The sandbox knows winning_evidence and losing_evidence only.", "evidence[uncategorized_text]"
            )
        return self.books.close_dispute(request.path_params["id"], status, origin)

    def disputes(self, request: Request, given: Json, origin: Json) -> Json:
        """GET /v1/disputes."""
        return listed(list(self.books.disputes.values()), given, "/v1/disputes", ("payment_intent", "charge"))

    def one_of(self, shelf: str, kind: str) -> Handler:
        """GET of one object by its id."""

        def get(request: Request, given: Json, origin: Json) -> Json:
            found = getattr(self.books, shelf).get(request.path_params["id"])
            if found is None:
                raise BadRequest(f"No such {kind}: '{request.path_params['id']}'", "id", "resource_missing", 404)
            return found

        return get

    def events(self, request: Request, given: Json, origin: Json) -> Json:
        """GET /v1/events."""
        types = given.get("types") or ([given["type"]] if "type" in given else [])
        delivered = {"true": True, "false": False}.get(str(given.get("delivery_success", "")).lower())
        kept = [
            event
            for event in self.books.events.values()
            if (not types or any(_matches(event["type"], wanted) for wanted in types))
            and (delivered is None or delivered == (event["pending_webhooks"] == 0))
        ]
        return listed(kept, given, "/v1/events", ())

    def balance(self, request: Request, given: Json, origin: Json) -> Json:
        """GET /v1/balance."""
        amounts = [{"amount": cents, "currency": currency, "source_types": {"card": cents}}
                   for currency, cents in self.books.balance().items()]  # fmt: skip
        nothing = [one | {"amount": 0, "source_types": {"card": 0}} for one in amounts]
        return {"object": "balance", "available": amounts, "livemode": False, "pending": nothing}

    def unknown(self, request: Request, given: Json, origin: Json) -> Json:
        """Any other path."""
        raise BadRequest(f"Unrecognized request URL ({request.method}: {request.scope['path']}).", None, None, 404)

    async def pay_page(self, request: Request) -> Response:
        """GET and POST /pay/{session}: the buyer's page; no key, as the buyer has none."""
        try:
            session = self.books.session(request.path_params["session"])
        except BadRequest:
            return HTMLResponse(page_of.unknown_page(), 404)
        if session["status"] != "open":
            return HTMLResponse(page_of.closed_page(session), 410)
        items = self.books.items[session["id"]]
        if request.method == "GET":
            return HTMLResponse(page_of.open_page(session, items))
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        try:
            means = page_of.means_of(form, utc_now(self._sandbox).date())
            paid = self.books.pay(session["id"], form.get("email"), form.get("name"), means)
        except (page_of.Incomplete, BadRequest) as bad:
            return HTMLResponse(page_of.open_page(session, items, str(bad), form), 402)
        return RedirectResponse(page_of.after_payment(paid), 303)


def _matches(kind: str, wanted: str) -> bool:
    return kind == wanted or (wanted.endswith("*") and kind.startswith(wanted[:-1]))


def routes(sandbox: Any) -> list[Route]:
    """Stripe's endpoints and the hosted page, relative to its prefix."""
    api = Api(sandbox)
    get, post = ["GET"], ["POST"]
    return [
        Route("/v1/checkout/sessions", api.guarded(api.create_session), methods=post),
        Route("/v1/checkout/sessions", api.guarded(api.sessions), methods=get),
        Route("/v1/checkout/sessions/{session}", api.guarded(api.one_session), methods=get),
        Route("/v1/checkout/sessions/{session}/expire", api.guarded(api.expire_session), methods=post),
        Route("/v1/checkout/sessions/{session}/line_items", api.guarded(api.session_items), methods=get),
        Route("/v1/refunds", api.guarded(api.create_refund), methods=post),
        Route("/v1/refunds", api.guarded(api.refunds), methods=get),
        Route("/v1/refunds/{id}", api.guarded(api.one_of("refunds", "refund")), methods=get),
        Route("/v1/disputes", api.guarded(api.disputes), methods=get),
        Route("/v1/disputes/{id}", api.guarded(api.one_of("disputes", "dispute")), methods=get),
        Route("/v1/disputes/{id}", api.guarded(api.answer_dispute), methods=post),
        Route("/v1/disputes/{id}/close", api.guarded(api.close_dispute), methods=post),
        Route("/v1/payment_intents/{id}", api.guarded(api.one_of("intents", "payment_intent")), methods=get),
        Route("/v1/events", api.guarded(api.events), methods=get),
        Route("/v1/events/{id}", api.guarded(api.one_of("events", "event")), methods=get),
        Route("/v1/balance", api.guarded(api.balance), methods=get),
        Route("/pay/{session}", api.pay_page, methods=["GET", "POST"]),
        Route("/{path:path}", api.guarded(api.unknown), methods=["GET", "POST", "DELETE"]),
    ]
