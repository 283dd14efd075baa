"""The three-way match: what Stripe took, what the purchases say, and what was delivered, held against each other. Pure.

Every difference is named with its ids and both values, so that a person can act on it. None is mended here.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Taken:
    """One paid session of ours at Stripe."""

    session_id: str
    checkout_id: str
    amount_cents: int
    currency: str
    refunded_cents: int


@dataclasses.dataclass(frozen=True)
class Sold:
    """One purchase that has been paid. ``entitled``: its payer has a right to the report; ``settled``: time enough has passed."""

    purchase_id: uuid.UUID
    session_id: str
    state: str
    amount_cents: int
    currency: str
    refunded_cents: int
    entitled: bool
    settled: bool


@dataclasses.dataclass(frozen=True)
class Delivered:
    """One sealed report. ``intact``: its blobs have the hashes of its row; ``mail``: the state of its mail, None without one."""

    report_id: uuid.UUID
    purchase_id: uuid.UUID
    version: int
    intact: bool
    mail: str | None


@dataclasses.dataclass(frozen=True)
class Owed:
    """A purchase of which more was asked back than went back."""

    purchase_id: uuid.UUID
    asked_cents: int
    refunded_cents: int


@dataclasses.dataclass(frozen=True)
class Difference:
    """What does not agree: its name, the thing, and what each side says."""

    name: str
    what: str
    told: str


def match(
    taken: Iterable[Taken], sold: Iterable[Sold], delivered: Iterable[Delivered], owed: Iterable[Owed] = ()
) -> list[Difference]:
    """All differences between the three, and refunds that were not given, in a fixed order; an empty list means that all agree."""
    at_stripe = {each.session_id: each for each in taken}
    purchases = {each.session_id: each for each in sold}
    reports: dict[uuid.UUID, list[Delivered]] = {}
    for report in delivered:
        reports.setdefault(report.purchase_id, []).append(report)
    found = [*_money(at_stripe, purchases), *_reports({each.purchase_id: each for each in purchases.values()}, reports)]
    for each in owed:
        told = f"{each.asked_cents} cents were asked back, {each.refunded_cents} went back"
        found.append(Difference("refund_not_given", str(each.purchase_id), told))
    return sorted(found, key=lambda each: (each.name, each.what))


def _money(at_stripe: Mapping[str, Taken], purchases: Mapping[str, Sold]) -> Iterable[Difference]:
    for session_id in at_stripe.keys() - purchases.keys():
        yield Difference("paid_without_purchase", session_id, f"Stripe took {at_stripe[session_id].amount_cents} cents")
    for session_id in purchases.keys() - at_stripe.keys():
        one = purchases[session_id]
        yield Difference("purchase_without_payment", str(one.purchase_id), f"Stripe knows no paid session {session_id}")
    for session_id in at_stripe.keys() & purchases.keys():
        theirs, ours = at_stripe[session_id], purchases[session_id]
        for name in ("amount_cents", "currency", "refunded_cents"):
            if getattr(theirs, name) != getattr(ours, name):
                told = f"Stripe says {getattr(theirs, name)}, we say {getattr(ours, name)}"
                yield Difference(f"{name.removesuffix('_cents')}_differs", str(ours.purchase_id), told)
    for ours in purchases.values():
        if ours.state == "quarantined":
            yield Difference("quarantined", str(ours.purchase_id), "its money is not what we asked for: see its reason")


def _reports(
    purchases: Mapping[uuid.UUID, Sold], reports: Mapping[uuid.UUID, Sequence[Delivered]]
) -> Iterable[Difference]:
    for purchase_id, sold in purchases.items():
        if sold.entitled and sold.settled and not any(each.version == 1 for each in reports.get(purchase_id, ())):
            yield Difference("paid_without_report", str(purchase_id), f"it is {sold.state} and has no report")
    for purchase_id, made in reports.items():
        for each in made:
            if purchase_id not in purchases:
                yield Difference("report_without_purchase", str(each.report_id), f"there is no purchase {purchase_id}")
                continue
            if not each.intact:
                yield Difference("report_altered", str(each.report_id), "its file is missing or has another hash")
            of = purchases[purchase_id]
            if of.entitled and of.settled and each.mail != "accepted":
                yield Difference("report_not_mailed", str(each.report_id), f"its mail is {each.mail or 'not planned'}")
