"""Who a simulated recipient is: what the mailbox does with a letter and what the person does next. Pure draws by address.

``RATES`` are near what business mail sees; ``options['sendgrid_rates']`` changes single ones, ``options['sendgrid_outcomes']``
fixes the fate of single addresses, and ``POST /_admin/recipients`` sets both after checking them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from sandbox.vendors.wire import fraction

RATES: Mapping[str, float] = {
    # of all letters, by the mailbox
    "bounce": 0.010, "blocked": 0.004, "deferred": 0.030, "machine_open": 0.15, "prefetch": 0.08, "out_of_office": 0.02,
    # of the delivered ones, by the person
    "open": 0.25, "click": 0.025, "spamreport": 0.0005, "unsubscribe": 0.004, "reply": 0.005,
    # of those who say no: by the page behind the link instead of the header; of those who write: that it must stop
    "by_page": 0.4, "stop_words": 0.3,
    # of those who click: who go to the till; of these: who pay; of these: how, and what comes after
    "checkout": 0.35, "pay": 0.5, "declined_first": 0.1, "bank": 0.05, "refund": 0.05, "dispute": 0.01,
    # of the persons: who come to their mail later, within four days; the sooner the likelier
    "later": 0.0,
}  # fmt: skip
FATES = (
    "ignore", "bounce", "blocked", "drop", "deferred", "open", "click", "spamreport", "unsubscribe", "unsubscribe_page", "reply",
    "stop_words", "out_of_office", "abandon", "buy", "buy_declined_first", "buy_by_bank", "refund", "dispute",
)  # fmt: skip
LATEST_S = 4 * 86_400
BUYS = ("buy", "buy_declined_first", "buy_by_bank", "refund", "dispute")


@dataclasses.dataclass(frozen=True)
class Temper:
    """What one recipient does with one letter.

    ``delivery`` is delivered, bounce, blocked or drop; ``order`` what comes of a visit: nothing, abandon, buy; ``means`` card,
    declined_first, bank or disputed; ``leaves`` spamreport, unsubscribe or unsubscribe_page; ``writes`` reply or stop_words; ``later_s`` is when
    the person comes to the mail at all.
    """

    delivery: str = "delivered"
    deferred: bool = False
    machine_open: bool = False
    prefetch: bool = False
    out_of_office: bool = False
    opens: bool = False
    clicks: bool = False
    order: str = ""
    means: str = "card"
    refund: bool = False
    leaves: str = ""
    writes: str = ""
    later_s: int = 0


def temper_of(seed: object, address: str, rates: Mapping[str, float], fate: str = "", letter: int = 0) -> Temper:
    """The temper of an address towards its ``letter``-th mail; ``fate`` fixes it but for what its mailbox does by itself.

    The mailbox depends on the address only, so that who bounced once bounces again; the person may do otherwise next time.
    """
    known = {**RATES, **rates}

    def falls(kind: str, *more: object) -> bool:
        return fraction(kind, seed, address.lower(), *more) < known[kind]

    again = (letter,) if letter else ()
    mailbox = Temper(
        delivery=_delivery(fate, falls("bounce"), falls("blocked")),
        deferred=fate == "deferred" or falls("deferred"),
        machine_open=falls("machine_open"),
        prefetch=falls("prefetch"),
        out_of_office=fate == "out_of_office" or (not fate and falls("out_of_office", *again)),
    )
    if fate:
        return _fixed(mailbox, fate)
    clicks = falls("click", *again)
    leaves, writes = "", ""
    if falls("spamreport", *again):
        leaves = "spamreport"
    elif falls("unsubscribe", *again):
        leaves = "unsubscribe_page" if falls("by_page") else "unsubscribe"
    elif falls("reply", *again):
        writes = "stop_words" if falls("stop_words") else "reply"
    order, means = "", "card"
    if clicks and not leaves and not writes and falls("checkout", *again):
        order = "buy" if falls("pay", *again) else "abandon"
        means = next((name for kind, name in _MEANS if falls(kind)), "card")
    return dataclasses.replace(
        mailbox, opens=clicks or falls("open", *again), clicks=clicks, leaves=leaves, writes=writes, order=order, means=means,
        refund=order == "buy" and means != "disputed" and falls("refund"),
        later_s=int(fraction("how late", seed, address.lower(), *again) ** 3 * LATEST_S) if falls("later", *again) else 0,
    )  # fmt: skip


_MEANS = (("dispute", "disputed"), ("bank", "bank"), ("declined_first", "declined_first"))


def _delivery(fate: str, bounces: bool, blocks: bool) -> str:
    if fate in ("bounce", "blocked", "drop"):
        return fate
    if fate:
        return "delivered"
    return "bounce" if bounces else "blocked" if blocks else "delivered"


def _fixed(mailbox: Temper, fate: str) -> Temper:
    clicks = fate in ("click", "abandon", *BUYS)
    means = {"buy_declined_first": "declined_first", "buy_by_bank": "bank", "dispute": "disputed"}
    return dataclasses.replace(
        mailbox, opens=clicks or fate == "open", clicks=clicks,
        order="abandon" if fate == "abandon" else "buy" if fate in BUYS else "", means=means.get(fate, "card"), refund=fate == "refund",
        leaves=fate if fate in ("spamreport", "unsubscribe", "unsubscribe_page") else "",
        writes=fate if fate in ("reply", "stop_words") else "",
    )  # fmt: skip
