"""What happens to a letter, moment by moment: SendGrid's events and the recipient's deeds, in order. Pure.

Events are what SendGrid would tell; deeds are what a person or a scanner does over HTTP or by mail. A passive sandbox tells the
events and leaves the deeds undone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from sandbox.recipients.letter import Letter
from sandbox.recipients.temper import Temper
from sandbox.vendors.wire import digest

AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
SCANNERS = (
    "Mozilla/5.0 (compatible; BarracudaCentral/1.0)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/118.0 Safari/537.36 Mimecast",
    "Mozilla/5.0 (X11; Linux x86_64) proofpoint-urldefense",
)
A_DAY_S = 86_400


@dataclasses.dataclass(frozen=True)
class Step:
    """At ``after_s`` seconds after the mail was taken: an event of SendGrid's with its own fields, a deed, or both."""

    after_s: int
    event: str | None = None
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    deed: str | None = None


def script(
    temper: Temper, letter: Letter, held: str | None, asm_group_id: int | None, *, acting: bool
) -> Iterator[Step]:
    """The steps of one letter in order of time; ``held`` is why the mailbox provider refuses it beforehand."""
    if held or temper.delivery == "drop":
        yield Step(1, "dropped", {"reason": held or "Bounced Address", "status": "5.0.0"})
        return
    yield Step(1, "processed")
    if temper.delivery in ("bounce", "blocked"):
        yield Step(4, "bounce", _bounce(temper.delivery))
        return
    if temper.deferred:
        yield Step(2, "deferred", {"response": "450 4.2.1 try again later", "attempt": "1"})
    yield Step(5, "delivered", {"response": "250 2.0.0 OK", "ip": "198.51.100.25", "tls": 1})
    steps = (
        _of_transaction(letter)
        if acting and letter.unsubscribe_url is None
        else _of_letter(temper, letter, asm_group_id, acting)
    )
    yield from sorted(steps, key=lambda step: step.after_s)


def _of_letter(temper: Temper, letter: Letter, asm_group_id: int | None, acting: bool) -> Iterator[Step]:
    if temper.prefetch and acting:
        yield from _scan(letter)
    if temper.machine_open:
        yield Step(20, "open", {"sg_machine_open": True, **_seen(PROXY if acting else AGENT)})
    if temper.out_of_office:
        yield Step(25, deed="out_of_office")
    late = temper.later_s
    if temper.opens:
        yield Step(late + 600, "open", {"sg_machine_open": False, **_seen(AGENT)})
    if temper.clicks and letter.main_link:
        yield Step(late + 640, "click", _click(letter.main_link, 0, AGENT), "visit")
    if temper.refund:
        yield Step(late + 2 * A_DAY_S, deed="refund")
    if temper.leaves == "spamreport":
        yield Step(late + 900, "spamreport")
    elif temper.leaves and not (acting and letter.unsubscribe_url):
        yield Step(late + 950, *_own_unsubscribe(asm_group_id))
    elif temper.leaves == "unsubscribe":
        yield Step(late + 950, deed="unsubscribe" if letter.one_click else "unsubscribe_page")
    elif temper.leaves == "unsubscribe_page":
        yield Step(late + 950, deed="unsubscribe_page")
    if temper.writes:
        yield Step(late + 1_200, deed=temper.writes)


def _of_transaction(letter: Letter) -> Iterator[Step]:
    """Who has paid for something reads what comes of it."""
    yield Step(120, "open", {"sg_machine_open": False, **_seen(AGENT)})
    if letter.main_link:
        yield Step(150, "click", _click(letter.main_link, 0, AGENT), "read_report")


def _scan(letter: Letter) -> Iterator[Step]:
    """A mail scanner follows every link within seconds of delivery, the one that unsubscribes too."""
    agent = SCANNERS[digest("scanner", letter.address)[0] % len(SCANNERS)]
    yield Step(6, deed="prefetch")
    for number, link in enumerate(letter.links):
        yield Step(6 + number % 3, "click", _click(link, number, agent))


def _click(url: str, index: int, agent: str) -> dict[str, Any]:
    return {"url": url, "url_offset": {"index": index, "type": "html"}, "useragent": agent, "ip": "198.51.100.77"}


def _seen(agent: str) -> dict[str, Any]:
    return {"sg_content_type": "html", "useragent": agent, "ip": "198.51.100.77"}


def _own_unsubscribe(asm_group_id: int | None) -> tuple[str, dict[str, Any]]:
    """SendGrid's own link, where the mail has none of ours."""
    if asm_group_id is None:
        return "unsubscribe", {}
    where = {"url": "https://u.example/asm/", "useragent": AGENT, "ip": "198.51.100.77"}
    return "group_unsubscribe", {"asm_group_id": asm_group_id, **where}


def _bounce(kind: str) -> dict[str, Any]:
    if kind == "blocked":
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
