"""What a letter is about: which findings of a lead it tells, who writes, what it may cost, and where its links lead. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import unicodedata
import uuid
from collections.abc import Collection, Sequence

from leadfactory import guard
from leadfactory.d03_assessment.catalogue import shown
from leadfactory.d03_assessment.findings import diverse
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d07_storefront.price_book import Price
from leadfactory.d08_personalization.letters import Letter, config

_NAME_MOST = 60
_UNFIT_NAME = re.compile(r"https?:|www\.|@|[<>{}\[\]|\\^`]|\.[a-z]{2,6}\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Sender:
    """Who writes: a person or firm with a postal address, as the campaign has it."""

    email: str
    name: str
    postal_address: str


@dataclasses.dataclass(frozen=True)
class Links:
    """The two links of a letter, on our own domain."""

    report: str
    unsubscribe: str


@dataclasses.dataclass(frozen=True)
class Terms:
    """What frames a letter and nobody words: sender, links and price."""

    sender: Sender
    links: Links
    price: Price


@dataclasses.dataclass(frozen=True)
class Earlier:
    """The first letter of a conversation, as a later one refers to it: when it left, and the findings told so far."""

    on: dt.datetime
    told: tuple[uuid.UUID, ...]


@dataclasses.dataclass(frozen=True)
class Content:
    """What a letter is about: the hook, one more finding, one that is mended in minutes, and how many there are in all.

    ``seed`` fixes the choice among our phrases for the business; ``step`` is 1 for the first letter.
    """

    domain: str
    own_name: str | None
    vertical: str
    measured_at: dt.datetime
    hook: Fact
    second: Fact | None
    quick: Fact | None
    findings: int
    seed: str = ""
    step: int = 1
    last: bool = False
    earlier: Earlier | None = None

    @property
    def told(self) -> tuple[Fact, ...]:
        """The findings that the letter tells about, the hook first."""
        return tuple(fact for fact in (self.hook, self.second, self.quick) if fact is not None)

    @property
    def rest(self) -> int:
        """How many findings neither this letter nor an earlier one tells."""
        return self.findings - len(self.told) - (len(self.earlier.told) if self.earlier else 0)

    @property
    def measured_on(self) -> str:
        """The day of the measurement for people."""
        return _day(self.measured_at)

    @property
    def first_on(self) -> str:
        """The day of the first letter for people."""
        return _day(self.earlier.on) if self.earlier else ""

    @property
    def letter(self) -> Letter:
        """Which limits hold."""
        return "first_touch" if self.step == 1 else "follow_up"

    @property
    def printed_name(self) -> str | None:
        """The business's name as its own site has it, where that is fit to be printed."""
        return fit_name(self.own_name)


def _day(moment: dt.datetime) -> str:
    return f"{moment:%B} {moment.day}, {moment.year}"


def choose(facts: list[Fact], **rest: object) -> Content | None:
    """What to tell of a lead's ranked findings; None when there is nothing to tell.

    The hook is the weightiest finding with a number that takes more than minutes to mend, the second one of another category,
    the quick win one that the owner can mend.
    """
    if not facts:
        return None
    measured = [fact for fact in facts if fact.measured is not None]
    hook = next((fact for fact in measured if not fact.quick), (measured or facts)[0])
    others = [fact for fact in facts if fact is not hook]
    quick = next((fact for fact in others if fact.quick), None)
    second = next(
        (
            fact
            for fact in diverse([hook, *others], len(facts))
            if fact not in (hook, quick) and fact.category != hook.category
        ),
        next((fact for fact in others if fact is not quick), None),
    )
    return Content(hook=hook, second=second, quick=quick, findings=len(facts), **rest)  # type: ignore[arg-type]


def choose_next(facts: Sequence[Fact], told: Collection[uuid.UUID]) -> Fact | None:
    """The finding of a follow-up: the weightiest that no letter told yet, of a category of its own while there is one."""
    left = [fact for fact in facts if fact.finding_id not in told]
    known = {fact.category for fact in facts if fact.finding_id in told}
    fresh = [fact for fact in left if fact.category not in known]
    measured = [fact for fact in fresh or left if fact.measured is not None]
    return next(iter(measured or fresh or left), None)


def fit_name(name: str | None) -> str | None:
    """An own-site name that may be printed: short, visible characters, no link, markup, claim or shouting; else None."""
    clean = " ".join((name or "").split())
    invisible = any(unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs", "Cn"} for c in clean)
    letters = sum(character.isalpha() for character in clean)
    if letters < 2 or len(clean) > _NAME_MOST or invisible or _UNFIT_NAME.search(clean) or len(clean.split()) > 8:
        return None
    rules = guard.lexicon()
    if (
        guard.matches(rules.absolute_claims).search(clean.casefold())
        or rules.spam(clean) >= config().limits.spam_score / 2
    ):
        return None
    return clean


def numbers(content: Content, price: Price, *, every: Sequence[Fact] = ()) -> list[guard.Number]:
    """Every number that may stand in the letter, with the row it rests on; ``every``: findings beside those it tells."""
    allowed = [number for fact in (*content.told, *every) for number in fact.numbers]
    allowed.append(guard.Number(str(content.rest), None, "audit_findings:count"))
    if every:
        allowed.append(guard.Number(str(content.findings), None, "audit_findings:count"))
    allowed.append(guard.Number(price.shown.split()[0].removeprefix("$"), "money", "price_book:full_report"))
    days = [(content.measured_at, "site_audits.fetched_at")]
    if content.earlier is not None:
        days.append((content.earlier.on, "email_sends.claimed_at"))
    return [*allowed, *(guard.Number(str(part), None, row) for day, row in days for part in (day.day, day.year))]


def known_texts(content: Content, terms: Terms) -> tuple[str, ...]:
    """Texts that are ours or the lead's own name for itself, and so no claims of ours."""
    sender, links = terms.sender, terms.links
    named = content.printed_name
    return tuple(
        filter(None, (content.domain, named, sender.name, sender.postal_address, links.report, links.unsubscribe))
    )


def measured_number(fact: Fact) -> str | None:
    """The number of a finding as it is shown; None for a finding without one."""
    return None if fact.measured is None else shown(fact.kind, fact.measured)
