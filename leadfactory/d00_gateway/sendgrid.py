"""SendGrid v3: the official helpers for the message and the signature; the call, its time-out and its ledger are ours.

mail/send has no idempotency key, so a send is attempted once: what was not answered is unknown and stays so until an event
tells.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
from typing import Any

import httpx

from leadfactory.d00_gateway.answers import Reader, body, judged
from leadfactory.d00_gateway.errors import VendorError, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway, trusted
from leadfactory.d00_gateway.lean_wire import LeanWire
from leadfactory.d00_gateway.mail import SENDGRID, Mail
from leadfactory.d00_gateway.meanings import fault_of_status
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.settings import Settings

__all__ = ["SUPPRESSION_LISTS", "Listed", "Mail", "SendGridClient", "message", "signed_events_valid"]
SUPPRESSION_LISTS = ("bounces", "blocks", "spam_reports", "unsubscribes", "invalid_emails")
LONGEST_PAGE = 500
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclasses.dataclass(frozen=True)
class Listed:
    """One entry of a suppression list; ``created`` in unix seconds."""

    name: str
    email: str
    created: int
    reason: str
    status: str


class SendGridClient:
    """One SendGrid account over the gateway; holds nothing that belongs to an event loop."""

    name = SENDGRID

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.gateway, self._base = gateway, settings.sendgrid_base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {settings.sendgrid_api_key.get_secret_value()}"}
        self._post_headers = self._headers | {"Content-Type": "application/json", "Accept": "application/json"}
        self._wire = functools.partial(_wire, gateway.policies.of("sendgrid").most_answer_bytes)
        self._price = gateway.policies.price("sendgrid", "mail").microusd

    async def send(self, mail: Mail) -> str:
        """Hands one mail over, once; the vendor's message id.

        Raises:
            VendorRejected: refused; it was not sent.
            VendorUnavailable: ``left_the_house`` False: it provably was not sent; True: nobody knows.
        """
        spec = CallSpec("mail/send", worst_case_microusd=self._price, safe_to_retry=False, fault_of=_fault)
        content = _to_json(message(mail)).encode()
        with self.gateway.calling(spec):
            response = await self.gateway.post(
                "sendgrid", f"{self._base}/v3/mail/send", content=content, headers=self._post_headers, wire=self._wire
            )
        message_id = response.headers.get("x-message-id")
        if (
            not message_id
        ):  # accepted, but without the id that its events begin with: our send id in custom_args joins them
            return f"unnamed:{mail.send_id}"
        return str(message_id)

    async def suppressed(self, name: str, *, since: dt.datetime) -> list[Listed]:
        """The entries of a suppression list that were made since: free, without side effects.

        Raises:
            ValueError: there is no such list. VendorRejected, VendorUnavailable: as the gateway says.
        """
        if name not in SUPPRESSION_LISTS:
            raise ValueError(f"list={name!r} is unknown: choose from {', '.join(SUPPRESSION_LISTS)}")
        endpoint = f"suppression/{name}"
        found: dict[tuple[str, int], Listed] = {}
        offset = 0
        while True:
            with self.gateway.calling(CallSpec(endpoint, fault_of=judged("sendgrid", endpoint, _check_list))):
                response = await self.gateway.http("sendgrid").get(
                    f"{self._base}/v3/{endpoint}", headers=self._headers,
                    params={"start_time": int(since.timestamp()), "limit": LONGEST_PAGE, "offset": offset},
                )  # fmt: skip
            page = [
                Listed(name, each["email"], each["created"], each.get("reason") or "", each.get("status") or "")
                for each in body(response)
            ]
            found |= {(each.email, each.created): each for each in page}
            if len(page) < LONGEST_PAGE:
                return list(found.values())
            offset += len(page)

    async def ping(self) -> str:
        """Reads the key's scopes: free, without side effects.

        Raises:
            VendorUnavailable: ``missing_scope`` when the key may not send mail, and as the gateway says.
        """
        with self.gateway.calling(CallSpec("scopes", fault_of=judged("sendgrid", "scopes", _check_scopes))):
            await self.gateway.http("sendgrid").get(f"{self._base}/v3/scopes", headers=self._headers)
        return "ok"


def _check_scopes(reader: Reader, answer: Any) -> None:
    reader.fields(answer, "body", required={"scopes": list}, optional={})
    if "mail.send" not in answer["scopes"]:
        detail = "SENDGRID_API_KEY lacks the scope mail.send: make a key that has it"
        raise VendorUnavailable("sendgrid", "scopes", "missing_scope", status=reader.status, detail=detail)


def _check_list(reader: Reader, answer: Any) -> None:
    for position, each in enumerate(reader.expect(answer, list, "body")):
        texts = {"reason": str, "status": str, "ip": str}
        reader.fields(each, f"body[{position}]", required={"email": str, "created": int}, optional=texts)


def message(mail: Mail) -> dict[str, object]:
    """The request body: what the vendor's own helper builds, which a test holds it to, at a tenth of the helper's time."""
    recipient = {"email": mail.to_email} | ({"name": mail.to_name} if mail.to_name else {})
    arguments = {"send_id": str(mail.send_id)} | dict(mail.custom_args)
    # no tracking: links stay on our domain; the edge counts its own visits
    tracking = {"click_tracking": {"enable": False, "enable_text": False}, "open_tracking": {"enable": False}}
    built: dict[str, object] = {
        "from": {"email": mail.from_email} | ({"name": mail.from_name} if mail.from_name else {}),
        "subject": mail.subject,
        "personalizations": [{"to": [recipient], "custom_args": arguments}],
        "reply_to": {"email": mail.reply_to},
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
        "tracking_settings": tracking,
    }
    if mail.headers:
        built["headers"] = dict(mail.headers)
    if mail.categories:
        built["categories"] = list(mail.categories)
    return built


def _wire(most_bytes: int) -> httpx.AsyncBaseTransport:
    return LeanWire(verify=trusted(), most_bytes=most_bytes)


def signed_events_valid(payload: bytes, signature: str, timestamp: str, public_key: str) -> bool:
    """Whether an event webhook's raw body carries SendGrid's signature; the official helper decides.

    Never raises: a header that is no signature, and a key that is none, are False. The freshness of ``timestamp`` (unix
    seconds) is the caller's to judge.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from sendgrid.helpers.eventwebhook import EventWebhook

    webhook = EventWebhook()
    try:
        key = webhook.convert_public_key_to_ecdsa(public_key.strip())
        return bool(webhook.verify_signature(payload.decode("utf-8"), signature, timestamp, key))
    except (ValueError, TypeError, UnsupportedAlgorithm):  # no base64, no UTF-8, no key, or a key of another kind
        return False


def _fault(response: httpx.Response) -> VendorError | None:
    """Only 202 is acceptance. 429 is a refusal that was not accepted; a 5xx, or another 2xx or 3xx, may have been."""
    if response.status_code == 202:
        return None
    error = fault_of_status("sendgrid", "mail/send", response)
    return error or VendorUnavailable("sendgrid", "mail/send", "unexpected_status", status=response.status_code)
