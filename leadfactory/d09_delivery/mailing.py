"""Turns a claimed row into the message for the mailer, after a last look at what it says. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import uuid
from html import escape

from leadfactory import mail_tokens
from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.mail import SMTP, Mail
from leadfactory.d08_personalization.draft_guard import content_hash
from leadfactory.d09_delivery.identity import send_id
from leadfactory.d09_delivery.journal import Entry
from leadfactory.d09_delivery.slots import Conversation
from leadfactory.tokens import Tokens

_TOKEN = re.compile(r"[\w-]+")
ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058


@dataclasses.dataclass(frozen=True)
class Letter:
    """All that a send needs, read in the transaction that claims it."""

    send_id: uuid.UUID
    unit: CampaignDay
    business_id: uuid.UUID
    step: int
    address_hmac: bytes
    domain_hmac: bytes | None
    recipient_domain: str
    mailer: str
    consent_basis: str | None
    to_email: str
    sender_email: str
    sender_name: str
    postal_address: str
    subject: str
    preview: str
    body_html: str
    body_text: str
    content_hash: bytes
    claimed_at: dt.datetime
    claim_id: uuid.UUID

    @property
    def entry(self) -> Entry:
        """Its line of the journal."""
        return Entry(self.send_id, self.unit, self.address_hmac, self.claimed_at, self.claim_id)

    @property
    def conversation(self) -> Conversation:
        """The slots it wants."""
        first = send_id(self.unit.campaign, self.business_id, 1)
        return Conversation(self.send_id, self.unit.campaign, self.address_hmac, self.domain_hmac, first)


def unsubscribe_url(public_url: str, tokens: Tokens, send_id: uuid.UUID) -> str:
    """Where one click stops all mail to the recipient of a send."""
    return f"{public_url.rstrip('/')}/u/{tokens.sign('unsubscribe', send_id)}"


def fault(letter: Letter, public_url: str, tokens: Tokens) -> str | None:
    """Why the letter may not leave after all; None when it may. A pure gate of the claiming transaction.

    The body must be the one that was judged, and carry in both forms the postal address and an unsubscribe link of ours that
    names this very send (under any listed key: keys rotate between draft and send).
    """
    parts = (letter.subject, letter.preview, letter.body_html, letter.body_text)
    if content_hash(*parts) != letter.content_hash:
        return "draft_changed_after_its_verdict"
    shown = escape(letter.postal_address, quote=False).replace('"', "&#34;").replace("'", "&#39;")
    if letter.postal_address not in letter.body_text or shown not in letter.body_html:
        return "postal_address_missing"
    found = [_links(body, f"{public_url.rstrip('/')}/u/") for body in (letter.body_text, letter.body_html)]
    ours = {token for token in set().union(*found) if _names(tokens, token, letter.send_id)}
    return None if all(ours & each for each in found) else "unsubscribe_link_missing"


def message(letter: Letter, public_url: str, tokens: Tokens, inbound_domain: str = "") -> Mail:
    """The mail with RFC 8058 headers on one line each; nothing personal in categories or custom arguments.

    With an inbound domain of ours, answers go to an address there that names the send, and so do an SMTP relay's bounces.
    """

    def ours(purpose: str) -> str | None:
        return mail_tokens.address(tokens, purpose, letter.send_id, inbound_domain) if inbound_domain else None

    return Mail(
        mailer=letter.mailer,
        bounce_to=ours("bounce") if letter.mailer == SMTP else None,
        send_id=letter.send_id,
        to_email=letter.to_email,
        from_email=letter.sender_email,
        from_name=letter.sender_name,
        reply_to=ours("reply") or letter.sender_email,
        subject=letter.subject,
        text=letter.body_text,
        html=letter.body_html,
        headers={
            "List-Unsubscribe": f"<{unsubscribe_url(public_url, tokens, letter.send_id)}>",
            "List-Unsubscribe-Post": ONE_CLICK,
        },
        custom_args={"send_id": str(letter.send_id), "campaign_day": letter.unit.key},
        categories=(letter.unit.campaign, f"step-{letter.step}"),
    )


def _links(body: str, prefix: str) -> set[str]:
    """What follows ``prefix`` wherever it stands: the tokens, if they are ours."""
    found, at = set(), body.find(prefix)
    while at >= 0:
        at += len(prefix)
        match = _TOKEN.match(body, at)
        found.add("" if match is None else match[0])
        at = body.find(prefix, at)
    return found


def _names(tokens: Tokens, token: str, send_id: uuid.UUID) -> bool:
    try:
        return tokens.read("unsubscribe", token) == send_id
    except ValueError:
        return False  # another link that begins alike
