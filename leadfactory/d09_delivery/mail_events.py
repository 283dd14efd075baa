"""What became of a mail: a pure function over its events. Order and repetition change nothing; machines count for nothing.

``fold`` looks at the set of events, each once by its id, and takes minima and maxima over it only.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from leadfactory.inbox.rules import Bots

KINDS = frozenset(
    {
        "processed", "deferred", "delivered", "bounce", "dropped", "open", "click", "spamreport", "unsubscribe",
        "group_unsubscribe", "group_resubscribe",
    }
)  # fmt: skip
# The strongest wins, whichever came last: a mail that bounced after it was delivered did not arrive; one that was blocked at
# first and then delivered did.
_DELIVERY = ("bounced", "delivered", "blocked", "dropped", "deferred", "processed")
_STATES = ("complained", "unsubscribed", "bounced", "clicked", "opened")
_STOPS = ("unsubscribe", "group_unsubscribe")


@dataclasses.dataclass(frozen=True, order=True)
class MailEvent:
    """One event of one send. ``machine``: SendGrid or the agent says that no person did it."""

    event_id: str
    kind: str
    occurred_at: dt.datetime
    bounce_type: str | None = None
    url_hash: str | None = None
    machine: bool = False


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What all events together say. ``bots`` maps the ids of opens and clicks that do not count to the reason."""

    state: str
    delivery: str | None
    delivered_at: dt.datetime | None
    bounced_at: dt.datetime | None
    dropped_at: dt.datetime | None
    deferred_at: dt.datetime | None
    opened_at: dt.datetime | None
    clicked_at: dt.datetime | None
    complained_at: dt.datetime | None
    unsubscribed_at: dt.datetime | None
    bot_opens: int
    bot_clicks: int
    events: int
    bots: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=True)

    def columns(self) -> dict[str, Any]:
        """The fields that ``send_outcomes`` stores."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "bots"}


def fold(events: Iterable[MailEvent], rules: Bots) -> Outcome:
    """The outcome of a send. Each event counts once; of two with one id the lesser by content, so that order decides nothing."""
    once: dict[str, MailEvent] = {}
    for event in sorted(events, key=_content):
        once.setdefault(event.event_id, event)
    found = list(once.values())
    bots = _bots(found, rules)
    human = [event for event in found if event.event_id not in bots]

    def first(*kinds: str, among: list[MailEvent] = found) -> dt.datetime | None:
        return min((event.occurred_at for event in among if event.kind in kinds), default=None)

    seen = {_delivery(event) for event in found}
    delivery = next((name for name in _DELIVERY if name in seen), None)
    moments = {
        "complained": first("spamreport"),
        "unsubscribed": first(*_STOPS),
        "bounced": first("bounce") if delivery == "bounced" else None,
        "clicked": first("click", among=human),
        "opened": first("open", among=human),
    }
    state = next((name for name in _STATES if moments[name] is not None), None) or delivery or "processed"
    return Outcome(
        state=state,
        delivery=delivery,
        delivered_at=first("delivered"),
        bounced_at=first("bounce"),
        dropped_at=first("dropped"),
        deferred_at=first("deferred"),
        opened_at=moments["opened"],
        clicked_at=moments["clicked"],
        complained_at=moments["complained"],
        unsubscribed_at=moments["unsubscribed"],
        bot_opens=sum(event.kind == "open" for event in found if event.event_id in bots),
        bot_clicks=sum(event.kind == "click" for event in found if event.event_id in bots),
        events=len(found),
        bots=bots,
    )


def _content(event: MailEvent) -> tuple[Any, ...]:
    return (
        event.event_id, event.kind, event.occurred_at, event.bounce_type or "", event.url_hash or "", event.machine
    )  # fmt: skip


def _delivery(event: MailEvent) -> str:
    if event.kind == "bounce":
        return "blocked" if event.bounce_type == "blocked" else "bounced"
    return event.kind


def _bots(events: list[MailEvent], rules: Bots) -> dict[str, str]:
    """Opens and clicks that no person made, with why. A burst is judged over all clicks, machines' too."""
    delivered = min((event.occurred_at for event in events if event.kind == "delivered"), default=None)
    soon = dt.timedelta(seconds=rules.after_delivery_s)
    clicks = sorted((event for event in events if event.kind == "click"), key=lambda event: event.occurred_at)
    burst = _burst(clicks, rules)
    found = {}
    for event in events:
        if event.kind not in ("open", "click"):
            continue
        if event.machine:
            found[event.event_id] = "machine"
        elif event.event_id in burst:
            found[event.event_id] = "burst"
        elif delivered is not None and event.occurred_at - delivered <= soon:
            found[event.event_id] = "at_delivery"
    return dict(sorted(found.items()))


def _burst(clicks: list[MailEvent], rules: Bots) -> set[str]:
    """Clicks within a window in which so many different links were followed; ``clicks`` in order of time."""
    found: set[str] = set()
    window = dt.timedelta(seconds=rules.burst_s)
    start = 0
    for end, click in enumerate(clicks):
        while click.occurred_at - clicks[start].occurred_at > window:
            start += 1
        within = clicks[start : end + 1]
        if len({each.url_hash for each in within}) >= rules.burst_links:
            found |= {each.event_id for each in within}
    return found
