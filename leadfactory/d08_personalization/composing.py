"""Puts a letter together: subject, preview, and one list of paragraphs from which both bodies are rendered. Pure."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from leadfactory import guard
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d08_personalization.contents import (
    Content,
    Terms,
    known_texts,
    measured_number,
    numbers,
)
from leadfactory.d08_personalization.letters import TEMPLATES, config, in_order, pick

if TYPE_CHECKING:
    import jinja2


@dataclasses.dataclass(frozen=True)
class Wording:
    """The sentences that a model may write; ``source`` openai, rules or operator, with why it is not openai."""

    hook: str
    second: str | None
    preview: str
    source: str
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """One paragraph; ``head`` is a line of its own above it, which HTML shows as a heading of a box."""

    text: str
    head: str | None = None


@dataclasses.dataclass(frozen=True)
class Mail:
    """A finished letter. ``facts`` maps each number in it to the row it rests on."""

    subject: str
    preview: str
    html: str
    text: str
    facts: Mapping[str, str]
    price_cents: int
    currency: str


def by_rules(content: Content, reason: str | None) -> Wording:
    """The catalogue's own sentences."""
    second = content.second.says if content.second else None
    return Wording(content.hook.says, second, _preview(content), "rules", reason)


def _preview(content: Content) -> str:
    """What the inbox shows beside the subject: it never repeats the hook's number that the subject may hold."""
    least, most = config().limits.preview_characters
    phrases = config().phrases
    if content.step > 1:
        options = [_filled(each, content) for each in in_order(phrases.follow_up_preview, content.seed, "preview")]
    else:
        told = [fact.says for fact in (content.second, content.quick) if fact is not None]
        options = in_order([*told, *(_filled(each, content) for each in phrases.preview)], content.seed, "preview")
    return next((each for each in [*options, content.hook.why] if least <= len(each) <= most), content.hook.why)


def subject(content: Content, arm: str) -> str:
    """The subject by experiment arm, one of the vertical's patterns; a plain one when an arm's patterns have nothing to say."""
    least, most = config().limits.subject_characters
    if content.step > 1:
        arms = ["last" if content.last else "follow_up"]
    else:
        arms = [arm, "plain"] if arm != "plain" else ["plain"]
    number, unit = measured_number(content.hook), content.hook.unit or ""
    hook = config().subject_hooks.get(unit, "") if number not in (None, "1") else ""
    for each in arms:
        for pattern in in_order(config().subjects_of(content.vertical, each), content.seed, "subject"):
            if "{hook}" in pattern and not hook:
                continue
            line = _filled(pattern, content, hook=hook.replace("{measured}", number or ""))
            if least <= len(line) <= most:
                return line
    return pick(config().short_subjects, content.seed, "subject")


def paragraphs(content: Content, wording: Wording) -> list[Paragraph]:
    """The letter between greeting and call, both included in ``compose``: what an operator may word otherwise."""
    phrases, seed = config().phrases, content.seed
    name = content.printed_name
    greeting = pick(phrases.named, seed, "named") if name else pick(phrases.unnamed, seed, "unnamed")
    found = [Paragraph(greeting.format(name=name, domain=content.domain))]
    hook = f"{wording.hook} {content.hook.why}"
    if content.step > 1:
        lead = pick(phrases.last if content.last else phrases.follow_up, seed, f"opening{content.step}")
        said = f"{hook} {content.hook.fix}" if content.hook.quick else hook
        found += [Paragraph(_filled(lead, content)), Paragraph(said, pick(phrases.follow_up_head, seed, "head"))]
        return [*found, *_rest(content)]
    found.append(Paragraph(_filled(pick(phrases.opening, seed, "opening"), content)))
    parts = [Paragraph(hook, pick(phrases.hook, seed, "hook"))]
    if content.quick is not None:
        quick = Paragraph(f"{content.quick.says} {content.quick.fix}", pick(phrases.quick, seed, "quick"))
        parts = [quick, *parts] if pick((True, False), seed, "layout") else [*parts, quick]
    if wording.second is not None:
        at = pick(range(1, len(parts) + 1), seed, "second at")
        parts.insert(at, Paragraph(wording.second, pick(phrases.second, seed, "second")))
    return [*found, *parts, *_rest(content)]


def _rest(content: Content) -> list[Paragraph]:
    phrases = config().phrases
    if content.rest < 1:
        return []
    line = pick(phrases.rest_one if content.rest == 1 else phrases.rest_many, content.seed, "rest")
    return [Paragraph(line.format(count=content.rest))]


def compose(content: Content, wording: Wording, *, arm: str, terms: Terms, template: str | None = None) -> Mail:
    """The letter in words of ours or a model's; ``arm`` is the subject's, ``template`` one of config/letters.yaml."""
    body = paragraphs(content, wording)
    return render(subject(content, arm), wording.preview, body, content, terms, template=template)


def render(
    line: str,
    preview: str,
    body: Sequence[Paragraph],
    content: Content,
    terms: Terms,
    *,
    every: Sequence[Fact] = (),
    template: str | None = None,
) -> Mail:
    """Both bodies from one list of paragraphs, by templates that escape everything; what frames them is always the same."""
    phrases, seed = config().phrases, content.seed
    sender, price = terms.sender, terms.price
    values = {
        "subject": line,
        "preview": preview,
        "paragraphs": body,
        "call": _filled(pick(phrases.call, seed, "call"), content),
        "report_url": terms.links.report,
        "offer": pick(phrases.offer, seed, "offer").format(price=price.shown),
        "closing": pick(phrases.closing, seed, "closing"),
        "sender_name": sender.name,
        "footer": config().footer.format(
            sender=sender.name, postal_address=sender.postal_address, domain=content.domain
        ),
        "unsubscribe": config().unsubscribe,
        "unsubscribe_url": terms.links.unsubscribe,
    }
    text = _templates().get_template("letter.txt.j2").render(values).strip() + "\n"
    looks = config().templates[config().template_of(template)]
    html = _templates().get_template(looks).render(values)
    spoken = guard.without(f"{line}\n{preview}\n{text}", known_texts(content, terms))
    facts = guard.supported(spoken, numbers(content, price, every=every))
    return Mail(line, preview, html, text, facts, price.amount_cents, price.currency.upper())


def own_words(text: str) -> str:
    """Of a stored plain text what an operator may word otherwise: everything before the paragraph with the first link."""
    parts = text.strip().split("\n\n")
    at = next((n for n, part in enumerate(parts) if "\nhttp" in part), len(parts))
    return "\n\n".join(parts[:at])


def read_paragraphs(text: str) -> list[Paragraph]:
    """Paragraphs of a plain text: blank lines part them, and a first line of its own is a heading."""
    found = []
    for part in text.replace("\r\n", "\n").split("\n\n"):
        lines = [" ".join(line.split()) for line in part.strip().split("\n") if line.strip()]
        if len(lines) > 1:
            found.append(Paragraph(" ".join(lines[1:]), lines[0]))
        elif lines:
            found.append(Paragraph(lines[0]))
    return found


def _filled(pattern: str, content: Content, **more: str) -> str:
    return pattern.format(
        domain=content.domain,
        measured_on=content.measured_on,
        first_on=content.first_on,
        people=config().tone_of(content.vertical).people,
        **more,
    )


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
