"""SendGrid's suppression lists and what its events told us, held against each other. Pure; mends nothing.

Every difference has a name, the keyed hash of the address it is about, and what each side says.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable

# What an entry of each list says in the words of our events. A block says nothing against the address: SendGrid tries it again.
KIND_OF_LIST = {
    "bounces": "bounce", "blocks": "blocked", "spam_reports": "spamreport", "unsubscribes": "unsubscribe", "invalid_emails": "dropped",
}  # fmt: skip
SUPPRESSING = frozenset(KIND_OF_LIST.values()) - {"blocked"}
# What must be on a list when an event told it. A drop is on one already, and group unsubscribes have lists of their own.
_ON_A_LIST = frozenset({"bounce", "spamreport", "unsubscribe"})


@dataclasses.dataclass(frozen=True, order=True)
class Said:
    """One side's word about an address: the kind in the words of our events, and when."""

    address: bytes
    kind: str
    at: dt.datetime


@dataclasses.dataclass(frozen=True)
class Difference:
    """What does not agree: its name, the hash of the address, and what each side says."""

    name: str
    what: str
    told: str


def match(
    listed: Iterable[Said],
    heard: Iterable[Said],
    *,
    mailed: Collection[bytes],
    suppressed: Collection[bytes],
    since: dt.datetime,
    until: dt.datetime,
) -> list[Difference]:
    """All differences, in a fixed order; an empty list means that the two sides agree.

    Args:
        listed: entries of the lists.
        heard: events of SendGrid's about addresses that we mailed.
        mailed: addresses that we mailed through SendGrid; of others no event can have come.
        suppressed: addresses that we suppress.
        since: events before it are not looked for on the lists, which were asked for younger entries only.
        until: entries and events after it may be under way.
    """
    theirs, ours, asked = defaultdict(set), defaultdict(set), defaultdict(set)
    for said in listed:
        theirs[said.address].add(said.kind)
        if said.at <= until:
            asked[said.address].add(said.kind)
    expected = defaultdict(set)
    for said in heard:
        ours[said.address].add(said.kind)
        if said.kind in _ON_A_LIST and since <= said.at <= until:
            expected[said.address].add(said.kind)
    found = []
    for address in sorted(theirs.keys() | expected.keys()):
        name = address.hex()[:12]
        if theirs[address] & SUPPRESSING and address not in suppressed:
            found.append(Difference("listed_not_suppressed", name, f"SendGrid lists {_words(theirs[address])}, nothing is suppressed here"))  # fmt: skip
        unheard = asked[address] - ours[address] if address in mailed else set()
        unlisted = expected[address] - theirs[address]
        here, there = _words(ours[address]), _words(theirs[address])
        if unheard and unlisted:
            found.append(Difference("listed_otherwise", name, f"SendGrid lists {there}, its events told {here}"))
        elif unheard:
            found.append(Difference("listed_not_heard", name, f"SendGrid lists {_words(unheard)}, its events told {here}"))  # fmt: skip
        elif unlisted:
            found.append(Difference("heard_not_listed", name, f"SendGrid lists {there}, its events told {_words(unlisted)}"))  # fmt: skip
    return found


def _words(kinds: Collection[str]) -> str:
    return " and ".join(sorted(kinds)) or "nothing"
