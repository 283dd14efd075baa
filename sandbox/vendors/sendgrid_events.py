"""What becomes of an accepted mail: its events, seeded by the recipient's address, signed as SendGrid's event webhook signs.

``options['sendgrid_rates']`` changes the shares, ``options['sendgrid_outcomes']`` fixes the fate of single addresses (see
sandbox.recipients.temper). With ``options['recipients']`` on, recipients act, and each event is told when its time has come;
otherwise all of them are told at once and nobody does anything.
"""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.recipients.crowd import Crowd
from sandbox.recipients.deeds import Person
from sandbox.recipients.letter import Letter, letter_of
from sandbox.recipients.script import Step, script
from sandbox.recipients.temper import temper_of
from sandbox.vendors.sendgrid_mail import Mail
from sandbox.vendors.sendgrid_parse import Parse
from sandbox.vendors.sendgrid_suppressions import Suppressions
from sandbox.vendors.webhook_delivery import Deliveries, Signed
from sandbox.vendors.wire import accepted, digest, epoch, option, url_token, watch

SIGNATURE, TIMESTAMP = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
_ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BATCH = 100  # events a post, at most


class Events:
    """Makes, signs and posts the events of one sandbox."""

    def __init__(self, sandbox: Any, suppressions: Suppressions) -> None:
        self._sandbox, self._suppressions = sandbox, suppressions
        number = int.from_bytes(digest("sendgrid webhook key", sandbox.world.seed), "big") % (_ORDER_OF_P256 - 1) + 1
        self._key = ec.derive_private_key(number, ec.SECP256R1())
        self.deliveries = Deliveries(sandbox, "sendgrid_webhook_url", _BATCH, self.signed)
        self.parse, self.crowd = Parse(sandbox), Crowd(sandbox)
        self._letters: Counter[str] = Counter()
        watch(sandbox, "recipients", self.crowd.outstanding)
        watch(sandbox, "recipients", self.crowd.due, which="due")

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
        """Decides what becomes of an accepted mail: told at once, or by recipients who act when their time has come."""
        for address in mail.to:
            letter = letter_of(address, mail.subject, mail.content, mail.headers, mail.reply_to, message_id)
            number, self._letters[address.lower()] = self._letters[address.lower()], self._letters[address.lower()] + 1
            options = self._sandbox.options
            temper = temper_of(self._sandbox.world.seed, address, options.get("sendgrid_rates") or {},
                               (options.get("sendgrid_outcomes") or {}).get(address, ""), number)  # fmt: skip
            held = None if mail.bypass else self._suppressions.reason(address)
            acting, taken = bool(option(self._sandbox, "recipients", False)), epoch(self._sandbox)
            steps = script(temper, letter, held, mail.asm_group_id, acting=acting)
            if acting:
                person = Person(self._sandbox, letter, temper, self.parse)
                self.crowd.follow(steps, self._acting(mail, person, taken))
            else:
                self._tell([_event(mail, letter, step, taken) for step in steps if step.event], mail)

    def _acting(self, mail: Mail, person: Person, taken: int) -> Callable[[Step], None]:
        def do(step: Step) -> None:
            if step.event:
                self._tell([_event(mail, person.letter, step, taken)], mail)
            if step.deed:
                person.do(step.deed)

        return do

    def _tell(self, events: list[dict[str, Any]], mail: Mail) -> None:
        for event in events:
            self._suppressions.learn(event)
            accepted(self._sandbox, "sendgrid", "event", event["sg_event_id"], event=event["event"], to=event["email"],
                     message_id=event["sg_message_id"].partition(".")[0], custom_args=mail.custom_args)  # fmt: skip
        self.deliveries.add(events)


def _event(mail: Mail, letter: Letter, step: Step, taken: int) -> dict[str, Any]:
    """SendGrid's event of a step; ``taken`` is when it accepted the mail, in epoch seconds."""
    link = (step.fields["url"],) if "url" in step.fields else ()
    category = {"category": list(mail.categories)} if mail.categories else {}
    return {
        "email": letter.address, "timestamp": taken + step.after_s, "smtp-id": f"<{letter.message_id}@geopod-ismtpd-sandbox>",
        "event": step.event, **category,
        "sg_event_id": url_token("event", letter.message_id, letter.address, step.event, step.after_s, *link),
        "sg_message_id": f"{letter.message_id}.recvd-sandbox-1-0.0", **step.fields, **mail.custom_args,
    }  # fmt: skip
