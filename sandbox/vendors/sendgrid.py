"""SendGrid's v3 API: mail send, suppression lists, verified senders, scopes and the event webhook's key.

``options['sendgrid_senders']`` are the authenticated domains; ``options['sendgrid_mail_per_second']`` (10,000) and
``options['sendgrid_per_minute']`` (600, all other endpoints) are the limits.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.sendgrid_events import Events
from sandbox.vendors.sendgrid_mail import ADDRESS, BadRequest, checked_mails, is_rehearsal
from sandbox.vendors.sendgrid_parse import POLICY_ID
from sandbox.vendors.sendgrid_suppressions import LISTS, Suppressions
from sandbox.vendors.wire import Window, accepted, answer, bearer, epoch, key_is_valid, option, url_token

SENDERS = frozenset({"leadfactory.example", "mail.leadfactory.example"})
WEBHOOK_ID = "sandbox-event-webhook"
_BODY_LIMIT = 30 * 1024 * 1024
_SCOPES = (
    "mail.send",
    "suppression.read",
    "suppression.delete",
    "user.webhooks.event.settings.read",
    "sender_verification_eligible",
)
_FAR = 2**40
_MESSAGES = {
    401: "The provided authorization grant is invalid, expired, or revoked",
    403: "access forbidden",
    404: "not found",
    405: "method not allowed",
    413: "Request Entity Too Large",
    415: "Content-Type should be application/json.",
    429: "too many requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def error(status: int, message: str = "", field: str | None = None) -> Response:
    """SendGrid's error envelope."""
    return answer({"errors": [{"message": message or _MESSAGES.get(status, "Error"), "field": field}]}, status)


def rate_limited(kind: str = "") -> Response:
    """429; SendGrid has one kind only."""
    response = error(429)
    response.headers.update({"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0",
                             "X-RateLimit-Reset": str(int(time.time()) + 1)})  # fmt: skip
    return response


def server_error(status: int = 500) -> Response:
    """5xx as SendGrid words it."""
    return error(status)


def fault_response(status: int, kind: str = "") -> Response:
    """The answer to an injected fault, in SendGrid's own envelope."""
    return rate_limited(kind) if status == 429 else error(status)


Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The endpoints over one sandbox; ``events`` posts to the event webhook."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self._second, self._minute = Window(1), Window(60)
        self._sent = 0
        self.suppressions = Suppressions()
        self.events = Events(sandbox, self.suppressions)

    def guarded(self, handler: Handler) -> Handler:
        """The handler behind the key and its rate limit."""

        async def guard(request: Request) -> Response:
            if not key_is_valid(self._sandbox, "sendgrid", bearer(request)):
                return error(401)
            if request.scope["path"].endswith("/v3/mail/send"):
                if self._second.take("mail", int(option(self._sandbox, "sendgrid_mail_per_second", 10_000))) < 0:
                    return rate_limited()
                return await handler(request)
            limit = int(option(self._sandbox, "sendgrid_per_minute", 600))
            left = self._minute.take("other", limit)
            response = await handler(request) if left >= 0 else rate_limited()
            response.headers["X-RateLimit-Limit"] = str(limit)
            response.headers["X-RateLimit-Remaining"] = str(max(left, 0))
            response.headers["X-RateLimit-Reset"] = str(int(time.time() + self._minute.reset_in()) + 1)
            return response

        return guard

    async def send(self, request: Request) -> Response:
        """POST /v3/mail/send: 202 with no body, or 200 when it was a rehearsal."""
        if request.method != "POST":
            return error(405)
        if not request.headers.get("content-type", "").startswith("application/json"):
            return error(415)
        raw = await request.body()
        if len(raw) > _BODY_LIMIT:
            return error(413)
        try:
            if request.headers.get("content-encoding") == "gzip":
                raw = gzip.decompress(raw)
            body = json.loads(raw)
            mails = checked_mails(body, epoch(self._sandbox))
        except BadRequest as bad:
            return error(400, str(bad), bad.field)
        except (ValueError, OSError, EOFError):
            return error(400, "Bad Request")
        domain = body["from"]["email"].rpartition("@")[2].lower()
        if domain not in option(self._sandbox, "sendgrid_senders", SENDERS):
            return error(403, "The from address does not match a verified Sender Identity. Mail cannot be sent until this "
                              "error is resolved.", "from")  # fmt: skip
        if is_rehearsal(body):
            return Response(status_code=200)
        self._sent += 1
        message_id = url_token("mail", self._sandbox.world.seed, self._sent, epoch(self._sandbox), raw)
        for mail in mails:
            accepted(self._sandbox, "sendgrid", "mail", message_id, to=list(mail.to), subject=mail.subject, sender=mail.sender,
                     custom_args=mail.custom_args, headers=mail.headers, content=mail.content, reply_to=mail.reply_to,
                     categories=list(mail.categories))  # fmt: skip
            self.events.follow(mail, message_id)
        return Response(status_code=202, headers={"X-Message-Id": message_id})

    async def suppression_list(self, request: Request) -> Response:
        """GET and DELETE /v3/suppression/{list}."""
        name = request.path_params["name"]
        if name not in LISTS:
            return error(404)
        if request.method == "DELETE":
            return await self._delete_many(request, name)
        query = request.query_params
        try:
            start, end = int(query.get("start_time", 0)), int(query.get("end_time", _FAR))
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", 500))
        except ValueError:
            return error(400, "invalid type, should be integer", "limit")
        if not 1 <= limit <= 500 or offset < 0:
            return error(400, "limit must be between 1 and 500, offset at least 0", "limit")
        return answer(self.suppressions.page(name, start, end, offset, limit, query.get("email", "")))

    async def _delete_many(self, request: Request, name: str) -> Response:
        try:
            body = json.loads(await request.body() or b"{}")
            everything, emails = body.get("delete_all") is True, body.get("emails", [])
        except (ValueError, AttributeError):
            return error(400, "Bad Request")
        if everything == bool(emails):
            return error(400, "Either delete_all or emails must be given, and not both.")
        if everything:
            self.suppressions.clear(name)
        for email in emails:
            self.suppressions.remove(name, email)
        return Response(status_code=204)

    async def suppression(self, request: Request) -> Response:
        """GET and DELETE /v3/suppression/{list}/{email}."""
        name, email = request.path_params["name"], request.path_params["email"]
        if name not in LISTS:
            return error(404)
        if request.method == "DELETE":
            return Response(status_code=204) if self.suppressions.remove(name, email) else error(404, "email not found")
        entry = self.suppressions.get(name, email)
        return answer([entry] if entry else [])

    async def add_global(self, request: Request) -> Response:
        """POST /v3/asm/suppressions/global."""
        try:
            emails = json.loads(await request.body())["recipient_emails"]
        except (ValueError, KeyError, TypeError):
            return error(400, "The recipient_emails field is required.", "recipient_emails")
        if not isinstance(emails, list) or not all(isinstance(e, str) and ADDRESS.match(e) for e in emails):
            return error(400, "Every recipient must be a valid email address.", "recipient_emails")
        for email in emails:
            self.suppressions.add("unsubscribes", {"created": epoch(self._sandbox), "email": email})
            accepted(self._sandbox, "sendgrid", "suppression", email, list="unsubscribes")
        return answer({"recipient_emails": emails}, 201)

    async def global_entry(self, request: Request) -> Response:
        """GET and DELETE /v3/asm/suppressions/global/{email}; an address that is not suppressed is an empty object."""
        email = request.path_params["email"]
        if request.method == "DELETE":
            self.suppressions.remove("unsubscribes", email)
            return Response(status_code=204)
        entry = self.suppressions.get("unsubscribes", email)
        return answer({"recipient_email": entry["email"]} if entry else {})

    async def senders(self, request: Request) -> Response:
        """GET /v3/verified_senders: one sender a verified domain."""
        domains = sorted(option(self._sandbox, "sendgrid_senders", SENDERS))
        results = [
            {"id": i, "nickname": domain, "from_email": f"hello@{domain}", "from_name": "LeadFactory",
             "reply_to": f"hello@{domain}", "reply_to_name": "LeadFactory", "address": "1 Main St", "address2": "",
             "state": "NY", "city": "New York", "zip": "10001", "country": "USA", "verified": True, "locked": False}
            for i, domain in enumerate(domains, 1)
        ]  # fmt: skip
        return answer({"results": results})

    async def scopes(self, request: Request) -> Response:
        """GET /v3/scopes: what the key may do."""
        return answer({"scopes": list(_SCOPES)})

    async def webhook_key(self, request: Request) -> Response:
        """GET and PATCH /v3/user/webhooks/event/settings/signed/{id}."""
        if request.path_params["webhook"] != WEBHOOK_ID:
            return error(404, "webhook not found")
        return answer({"id": WEBHOOK_ID, "public_key": self.events.public_key()})

    async def parse_policies(self, request: Request) -> Response:
        """GET and POST /v3/user/webhooks/security/policies; the account has one, and making one gives that one."""
        policy = self.events.parse.policy()
        return answer(policy, 201) if request.method == "POST" else answer({"policies": [policy["policy"]]})

    async def parse_policy(self, request: Request) -> Response:
        """GET /v3/user/webhooks/security/policies/{id}: the key that verifies Inbound Parse."""
        if request.path_params["policy"] != POLICY_ID:
            return error(404, "policy not found")
        return answer(self.events.parse.policy())

    async def unknown(self, request: Request) -> Response:
        """Any other path."""
        return error(404)


def routes(sandbox: Any) -> list[Route]:
    """SendGrid's endpoints, relative to its prefix."""
    api = Api(sandbox)
    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return [
        Route("/v3/mail/send", api.guarded(api.send), methods=every),
        Route("/v3/suppression/{name}", api.guarded(api.suppression_list), methods=["GET", "DELETE"]),
        Route("/v3/suppression/{name}/{email}", api.guarded(api.suppression), methods=["GET", "DELETE"]),
        Route("/v3/asm/suppressions/global", api.guarded(api.add_global), methods=["POST"]),
        Route("/v3/asm/suppressions/global/{email}", api.guarded(api.global_entry), methods=["GET", "DELETE"]),
        Route("/v3/verified_senders", api.guarded(api.senders), methods=["GET"]),
        Route("/v3/scopes", api.guarded(api.scopes), methods=["GET"]),
        Route(
            "/v3/user/webhooks/event/settings/signed/{webhook}", api.guarded(api.webhook_key), methods=["GET", "PATCH"]
        ),
        Route("/v3/user/webhooks/security/policies", api.guarded(api.parse_policies), methods=["GET", "POST"]),
        Route("/v3/user/webhooks/security/policies/{policy}", api.guarded(api.parse_policy), methods=["GET"]),
        Route("/{path:path}", api.guarded(api.unknown), methods=every),
    ]
