"""Builds one mail from one lead's own findings: subject, preview, HTML and text that say the same. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

from leadfactory import guard
from leadfactory.d03_assessment.catalogue import shown
from leadfactory.d03_assessment.findings import diverse
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d08_personalization.letters import PRODUCT, TEMPLATES, config, prices

if TYPE_CHECKING:
    import jinja2

_NAME_MOST = 60
_UNFIT_NAME = re.compile(r"https?:|www\.|@|[<>{}\[\]|\\^`]|\.[a-z]{2,6}\b", re.IGNORECASE)
_STEP_TEMPLATES = {1: "first_touch"}


@dataclasses.dataclass(frozen=True)
class Sender:
    """Who writes: a person or firm with a postal address, as the campaign has it."""

    email: str
    name: str
    postal_address: str


@dataclasses.dataclass(frozen=True)
class Links:
    """The two links of a mail, on our own domain."""

    report: str
    unsubscribe: str


@dataclasses.dataclass(frozen=True)
class Content:
    """What a mail is about: the hook, one more finding, one that is mended in minutes, and how many there are in all."""

    domain: str
    own_name: str | None
    vertical: str
    measured_at: dt.datetime
    hook: Fact
    second: Fact | None
    quick: Fact | None
    findings: int

    @property
    def told(self) -> tuple[Fact, ...]:
        """The findings that the mail tells about, the hook first."""
        return tuple(fact for fact in (self.hook, self.second, self.quick) if fact is not None)

    @property
    def rest(self) -> int:
        """How many findings the mail does not tell."""
        return self.findings - len(self.told)

    @property
    def measured_on(self) -> str:
        """The day of the measurement for people."""
        return f"{self.measured_at:%B} {self.measured_at.day}, {self.measured_at.year}"


@dataclasses.dataclass(frozen=True)
class Wording:
    """The sentences that a model may write; ``source`` openai or rules, with why it is not openai."""

    hook: str
    second: str | None
    preview: str
    source: str
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Mail:
    """A finished mail. ``facts`` maps each number in it to the row it rests on."""

    subject: str
    preview: str
    html: str
    text: str
    facts: Mapping[str, str]
    price_cents: int
    currency: str


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


def by_rules(content: Content, reason: str | None) -> Wording:
    """The catalogue's own sentences."""
    preview = content.second.says if content.second else content.hook.why
    return Wording(content.hook.says, content.second.says if content.second else None, preview, "rules", reason)


def subject(content: Content, arm: str) -> str:
    """The subject by experiment arm; the plain pattern when an arm's pattern has nothing to say or grows too long."""
    rules = config()
    _, most = rules.limits.subject_characters
    hook = rules.subject_hooks.get(content.hook.unit or "")
    if arm in rules.subjects and arm != "plain" and hook is not None and content.hook.measured is not None:
        said = hook.replace("{measured}", shown(content.hook.kind, content.hook.measured))
        line = rules.subjects[arm].format(domain=content.domain, hook=said)
        if len(line) <= most:
            return line
    line = rules.subjects["plain"].format(domain=content.domain)
    return line if len(line) <= most else rules.subjects["short"]


def salutation(own_name: str | None, domain: str) -> str:
    """Names the business as its own site does, where that is fit to be printed; else by its domain."""
    name = fit_name(own_name)
    return f"Hello {name} team," if name else f"Hello to the people behind {domain},"


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


def numbers(content: Content) -> list[guard.Number]:
    """Every number that may stand in the mail, with the row it rests on."""
    allowed = [number for fact in content.told for number in fact.numbers]
    allowed.append(guard.Number(str(content.rest), None, "audit_findings:count"))
    allowed.append(guard.Number(prices().shown(PRODUCT).removeprefix("$"), "money", f"price_book:{PRODUCT}"))
    day = content.measured_at
    return [*allowed, *(guard.Number(str(part), None, "site_audits.fetched_at") for part in (day.day, day.year))]


def known_texts(content: Content, sender: Sender, links: Links) -> tuple[str, ...]:
    """Texts that are ours or the lead's own name for itself, and so no claims of ours."""
    named = fit_name(content.own_name)
    return tuple(
        filter(None, (content.domain, named, sender.name, sender.postal_address, links.report, links.unsubscribe))
    )


def compose(content: Content, wording: Wording, *, arm: str, sender: Sender, links: Links, step: int = 1) -> Mail:
    """The mail, from templates that escape everything."""
    line = subject(content, arm)
    rest = content.rest
    values = {
        "subject": line,
        "preview": wording.preview,
        "salutation": salutation(content.own_name, content.domain),
        "domain": content.domain,
        "measured_on": content.measured_on,
        "hook": wording.hook,
        "hook_why": content.hook.why,
        "second": wording.second,
        "quick": content.quick is not None,
        "quick_says": content.quick.says if content.quick else "",
        "quick_fix": content.quick.fix if content.quick else "",
        "rest": ""
        if rest < 1
        else f"There {'is 1 more finding' if rest == 1 else f'are {rest} more findings'} in the report.",
        "price": f"{prices().shown(PRODUCT)} {prices().currency}",
        "report_url": links.report,
        "unsubscribe_url": links.unsubscribe,
        "sender_name": sender.name,
        "postal_address": sender.postal_address,
    }
    name = _STEP_TEMPLATES[step]
    text = _templates().get_template(f"{name}.txt.j2").render(values).strip() + "\n"
    html = _templates().get_template(f"{name}.html.j2").render(values)
    spoken = guard.without(f"{line}\n{wording.preview}\n{text}", known_texts(content, sender, links))
    facts = guard.supported(spoken, numbers(content))
    return Mail(line, wording.preview, html, text, facts, prices().prices[PRODUCT], prices().currency)


@functools.lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    import jinja2

    def escaped(name: str | None) -> bool:
        return name is None or not name.endswith(".txt.j2")

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=escaped,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
