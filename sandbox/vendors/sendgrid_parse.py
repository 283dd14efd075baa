"""Inbound Parse: mail that comes to our reply addresses, posted as multipart form data and signed under a security policy.

Signed like the event webhook: ECDSA P-256 over timestamp + raw body. ``options['sendgrid_inbound_url']`` is where to;
``options['sendgrid_inbound_key']`` (a number) makes it another key, as a new security policy would.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.recipients.answers import Answer
from sandbox.vendors.webhook_delivery import Deliveries, Signed
from sandbox.vendors.wire import Json, accepted, digest, epoch, hex_token, option

SIGNATURE, TIMESTAMP = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
POLICY_ID = "5a9db0c0-0000-4000-8000-00000000c0de"
_ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Parse:
    """The inbound side of one SendGrid account."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self.deliveries = Deliveries(sandbox, "sendgrid_inbound_url", 1, self.signed)

    def post(self, answer: Answer) -> None:
        """Takes a mail for one of the account's reply addresses and queues its post."""
        accepted(
            self._sandbox,
            "sendgrid",
            "inbound",
            answer.message_id,
            to=answer.to,
            sender=answer.sender,
            subject=answer.subject,
        )
        self.deliveries.add([fields_of(answer)])

    def policy(self) -> Json:
        """The security policy as its API tells it."""
        return {"policy": {"id": POLICY_ID, "name": "sandbox", "signature": {"public_key": self.public_key()}}}

    def public_key(self) -> str:
        """The verification key: base64 of the DER SubjectPublicKeyInfo."""
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(self._key().public_key().public_bytes(*form)).decode()

    def _key(self) -> ec.EllipticCurvePrivateKey:
        turn = option(self._sandbox, "sendgrid_inbound_key", 0)
        number = int.from_bytes(digest("sendgrid parse key", self._sandbox.world.seed, turn), "big")
        return ec.derive_private_key(number % (_ORDER_OF_P256 - 1) + 1, ec.SECP256R1())

    def signed(self, mails: list[Json]) -> Signed:
        """Headers and body of one post; dated by the machine's clock, as a receiver checks it against its own."""
        boundary = f"xYzZY{hex_token('boundary', mails[0]['headers'], length=16)}"
        body = multipart(mails[0], boundary)
        sandbox_time = option(self._sandbox, "webhook_clock", "wall") == "sandbox"
        at = str(epoch(self._sandbox) if sandbox_time else int(time.time()))
        signature = self._key().sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "User-Agent": "Sendlib/1.0 server=mx0068p1las1.sendgrid.net",
            SIGNATURE: base64.b64encode(signature).decode(),
            TIMESTAMP: at,
        }, body


def fields_of(answer: Answer) -> Json:
    """The form fields that Inbound Parse makes of a mail (not in raw mode)."""
    names = ("to", "from", "subject", "text", "html")
    return {
        "headers": "".join(f"{name}: {value}\n" for name, value in answer.headers),
        "dkim": f"{{@{answer.sender.rpartition('@')[2]} : pass}}",
        "to": answer.to, "from": answer.sender, "subject": answer.subject, "text": answer.text, "html": answer.html,
        "sender_ip": "198.51.100.44", "spam_report": "", "spam_score": "0.011", "SPF": "pass", "attachments": "0",
        "envelope": json.dumps({"to": [answer.to], "from": answer.sender}),
        "charsets": json.dumps(dict.fromkeys(names, "UTF-8")),
    }  # fmt: skip


def multipart(fields: Json, boundary: str) -> bytes:
    """The fields as multipart/form-data."""
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return f"{parts}--{boundary}--\r\n".encode()
