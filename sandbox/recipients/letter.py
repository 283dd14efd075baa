"""A letter as its recipient sees it: its links, the way out that its headers offer, and where an answer goes."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_HREF = re.compile(r"<a\b[^>]*\bhref\s*=\s*[\"']([^\"']+)[\"']", re.IGNORECASE)
_BARE = re.compile(r"https?://[^\s\"'<>)]+")
_IN_ANGLES = re.compile(r"<(https?://[^>]+)>")


@dataclasses.dataclass(frozen=True)
class Letter:
    """One mail in one mailbox. ``unsubscribe_url`` is None for a mail about a transaction, which nobody can unsubscribe."""

    address: str
    subject: str
    links: tuple[str, ...]
    text: str
    reply_to: str
    message_id: str
    unsubscribe_url: str | None
    one_click: bool

    @property
    def main_link(self) -> str | None:
        """What a reader follows: the first link that is not one of those to be rid of the sender."""
        apart = _place(self.unsubscribe_url) if self.unsubscribe_url else None
        wanted = (link for link in self.links if _place(link) != apart and "unsubscribe" not in link)
        return next(wanted, None)


def letter_of(
    address: str, subject: str, content: Mapping[str, str], headers: Mapping[str, str], reply_to: str, message_id: str
) -> Letter:
    """Reads a mail's parts; links come from its HTML where it has one, else from its text."""
    markup, text = content.get("text/html", ""), content.get("text/plain", "")
    found = [html.unescape(link) for link in _HREF.findall(markup)] or [
        link.rstrip(".,;") for link in _BARE.findall(text or markup)
    ]
    known = {name.lower(): value for name, value in headers.items()}
    way_out = _IN_ANGLES.search(known.get("list-unsubscribe", ""))
    return Letter(
        address=address,
        subject=subject,
        links=tuple(dict.fromkeys(link for link in found if link.startswith(("http://", "https://")))),
        text=text,
        reply_to=reply_to,
        message_id=message_id,
        unsubscribe_url=way_out[1] if way_out else None,
        one_click="one-click" in known.get("list-unsubscribe-post", "").lower(),
    )


def _place(link: str) -> tuple[str, str]:
    """Host and first part of the path: links to one kind of page share it."""
    parts = urlsplit(link)
    return parts.netloc, parts.path.split("/")[1] if "/" in parts.path else ""
