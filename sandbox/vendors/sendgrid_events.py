"""What becomes of an accepted mail: its events, seeded by its custom args, signed as SendGrid's event webhook signs.

``options['sendgrid_rates']`` changes the shares, ``options['sendgrid_outcomes']`` fixes the fate of single addresses.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.vendors.sendgrid_mail import Mail
from sandbox.vendors.sendgrid_suppressions import Suppressions
from sandbox.vendors.webhook_delivery import Deliveries, Signed
from sandbox.vendors.wire import accepted, digest, epoch, fraction, option, url_token

SIGNATURE, TIMESTAMP = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
RATES = {  # shares of accepted mail, near what business mail sees
    "bounce": 0.010, "blocked": 0.004, "deferred": 0.030, "machine_open": 0.15, "open": 0.25, "click": 0.025,
    "spamreport": 0.0005, "unsubscribe": 0.004,
}  # fmt: skip
_ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_LINK = re.compile(r"https?://[^\s\"'<>)]+")
_BATCH = 100  # events a post, at most


class Events:
    """Makes, signs and posts the events of one sandbox."""

    def __init__(self, sandbox: Any, suppressions: Suppressions) -> None:
        self._sandbox, self._suppressions = sandbox, suppressions
        number = int.from_bytes(digest("sendgrid webhook key", sandbox.world.seed), "big") % (_ORDER_OF_P256 - 1) + 1
        self._key = ec.derive_private_key(number, ec.SECP256R1())
        self.deliveries = Deliveries(sandbox, "sendgrid_webhook_url", _BATCH, self.signed)

    def public_key(self) -> str:
        """The verification key: base64 of the DER SubjectPublicKeyInfo."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode()

    def signed(self, events: list[dict[str, Any]]) -> Signed:
        """Headers and body of one post; the signature covers timestamp + body, the closing CRLF included.

        The signature's time is the machine's, as a receiver checks it against its own; the events' is the sandbox's.
        """
        body = json.dumps(events, ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n"
        at = str(
            epoch(self._sandbox) if option(self._sandbox, "webhook_clock", "wall") == "sandbox" else int(time.time())
        )
        signature = self._key.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
            SIGNATURE: base64.b64encode(signature).decode(),
            TIMESTAMP: at,
        }, body

    def follow(self, mail: Mail, message_id: str) -> None:
        """Decide what becomes of an accepted mail, note it, and queue its events for the webhook."""
        events = [event for address in mail.to for event in self._of(mail, address, message_id)]
        for event in events:
            self._suppressions.learn(event)
            accepted(self._sandbox, "sendgrid", "event", event["sg_event_id"], event=event["event"], to=event["email"],
                     message_id=message_id, custom_args=mail.custom_args)  # fmt: skip
        self.deliveries.add(events)

    def _of(self, mail: Mail, address: str, message_id: str) -> Iterator[dict[str, Any]]:
        lot = (self._sandbox.world.seed, json.dumps(mail.custom_args, sort_keys=True), address)
        now = epoch(self._sandbox)

        def event(kind: str, after_s: int, **more: Any) -> dict[str, Any]:
            category = {"category": list(mail.categories)} if mail.categories else {}
            return {
                "email": address, "timestamp": now + after_s, "smtp-id": f"<{message_id}@geopod-ismtpd-sandbox>",
                "event": kind, **category, "sg_event_id": url_token("event", message_id, address, kind, after_s),
                "sg_message_id": f"{message_id}.recvd-sandbox-1-0.0", **more, **mail.custom_args,
            }  # fmt: skip

        held = None if mail.bypass else self._suppressions.reason(address)
        if held:
            yield event("dropped", 1, reason=held, status="5.0.0")
            return
        yield event("processed", 1)
        fate = self._fate(address, lot)
        if fate in ("bounce", "blocked"):
            yield event("bounce", 4, **_bounce(fate))
            return
        if fate == "deferred" or self._falls("deferred", lot):
            yield event("deferred", 2, response="450 4.2.1 try again later", attempt="1")
        yield event("delivered", 5, response="250 2.0.0 OK", ip="198.51.100.25", tls=1)
        for kind, after_s, more in self._engagement(mail, fate, lot):
            yield event(kind, after_s, **more)

    def _engagement(self, mail: Mail, fate: str, lot: tuple[Any, ...]) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """(event, seconds after acceptance, its own fields)."""
        seen_by = {"useragent": _AGENT, "ip": "198.51.100.77"}
        if self._falls("machine_open", lot):
            yield "open", 20, {"sg_machine_open": True, "sg_content_type": "html", **seen_by}
        clicks = fate == "click" or (not fate and self._falls("click", lot))
        if clicks or fate == "open" or (not fate and self._falls("open", lot)):
            yield "open", 600, {"sg_machine_open": False, "sg_content_type": "html", **seen_by}
        links = [link for text in mail.content.values() for link in _LINK.findall(text) if "unsubscribe" not in link]
        if clicks and links:
            yield "click", 640, {"url": links[0].rstrip(".,"), "url_offset": {"index": 0, "type": "html"}, **seen_by}
        if fate == "spamreport" or (not fate and self._falls("spamreport", lot)):
            yield "spamreport", 900, {}
        elif fate == "unsubscribe" or (not fate and self._falls("unsubscribe", lot)):
            if mail.asm_group_id is None:
                yield "unsubscribe", 950, {}
            else:
                yield (
                    "group_unsubscribe",
                    950,
                    {"asm_group_id": mail.asm_group_id, "url": "https://u.example/asm/", **seen_by},
                )

    def _fate(self, address: str, lot: tuple[Any, ...]) -> str:
        """What was fixed for the address, else bounce or blocked by lot, else "" for the usual."""
        fixed = option(self._sandbox, "sendgrid_outcomes", {}).get(address)
        if fixed:
            return fixed
        return next((kind for kind in ("bounce", "blocked") if self._falls(kind, lot)), "")

    def _falls(self, kind: str, lot: tuple[Any, ...]) -> bool:
        rates = RATES | option(self._sandbox, "sendgrid_rates", {})
        return fraction(kind, *lot) < rates[kind]


def _bounce(fate: str) -> dict[str, Any]:
    if fate == "blocked":
        return {
            "type": "blocked",
            "bounce_classification": "Reputation",
            "reason": "550 5.7.1 blocked by policy",
            "status": "5.7.1",
        }
    return {
        "type": "bounce",
        "bounce_classification": "Invalid Address",
        "reason": "550 5.1.1 unknown recipient",
        "status": "5.1.1",
    }
