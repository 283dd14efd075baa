"""What the sandbox model understands of its input: facts, records, numbers, limits, and orders hidden in the data.

Reading only; :mod:`openai_writer` turns this into an answer. A number that is not here is never written.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
_LABELLED = re.compile(r"^[\s>*•#-]*(?P<label>[A-Za-z][\w /'-]{0,40}?)\s*[:=]\s*(?P<value>\S.*)$")
_NOT_PROSE = re.compile(
    r"(^|_)(business_name|company|id|ids|url|urls|uri|href|hash|sha256|email|phone|key|"
    r"instructions?|rules?|style|task|schema|locale|lang|language)$"
)
# A request to the model, not a fact about the business: neither quoted nor (outside obedient-victim mode) obeyed.
_ORDER_OPENING = re.compile(
    r"^\W*(please\s+)?(write|use|return|answer|do not|don't|never|always|keep|include|ignore|disregard|say|mention|tell|"
    r"output|respond|reply|you (are|must|should|will|may)|make sure|add|append|only|avoid|begin|end|sign|draft|compose|"
    r"system|assistant|developer)\b",
    re.IGNORECASE,
)
_OVERRIDE = re.compile(
    r"(?:ignore|disregard|forget)\s+(?:\w+\s+){0,4}(?:instructions?|rules?|prompts?|directions?|above)\W*"
    r"(?:(?:and|then|instead|now|just)\W+)*(?P<order>[^\n]*)",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"\b(?:you must|say|write|include|add|append|mention|output|print|state|reply with|respond with|answer with|recommend|"
    r"insert|end with|start with|claim|promise|tell (?:the |them|him|her|your )?\w*)\s+(?:exactly |only |also |instead )?"
    r"(?:that |this |the (?:link|text|words?|sentence|phrase|following)\s*:?\s*)?(?:link\s*:?\s*|text\s*:?\s*|to\s+)?"
    r"(?P<payload>[^\n]+)",
    re.IGNORECASE,
)
_ROLE_LINE = re.compile(r"^\W*(?:system|assistant|developer|new instructions?)\s*[:>]\s*(?P<order>[^\n]+)", re.I | re.M)
_LIMIT = re.compile(
    r"(?:at most|max(?:imum)?(?: of)?|up to|no more than|not more than|under|below|<=|≤)\s*(\d+)\s*(char|word|sentence)",
    re.I,
)


@dataclasses.dataclass(frozen=True)
class Reading:
    """One input as the model understood it; ``records`` are the JSON objects in it, outermost first."""

    text: str
    records: tuple[dict[str, Any], ...]
    sentences: tuple[str, ...]
    numbers: tuple[str, ...]
    orders: tuple[str, ...]

    def lookup(
        self, name: str, record: dict[str, Any] | None = None, beside: Sequence[dict[str, Any] | None] = ()
    ) -> Any:
        """The first value under ``name``, in ``record`` when it has one, else anywhere but in the records ``beside`` it."""
        for candidate in ([record] if record else []) + list(self.records):
            if candidate.get(name) is not None and not any(candidate is one for one in beside if one is not record):
                return candidate[name]
        return None


def read(text: str) -> Reading:
    """Read one input: JSON in it becomes records and labelled facts, the rest becomes sentences."""
    values, prose = _split_json(text)
    records = tuple(record for value in values for record in _records(value))
    sentences = [s for value in values for s in facts(value)]
    sentences += [s for line in prose.splitlines() for s in _line_facts(line)]
    return Reading(
        text=text,
        records=records + tuple(_labelled(prose)),
        sentences=tuple(dict.fromkeys(s for s in sentences if not _ORDER_OPENING.match(s))),
        numbers=tuple(dict.fromkeys(NUMBER.findall(text))),
        orders=tuple(dict.fromkeys(_orders(text))),
    )


def limits(description: str) -> dict[str, int]:
    """Length limits a description states in words, as ``{"char" | "word" | "sentence": n}``."""
    return {unit.lower(): int(number) for number, unit in reversed(_LIMIT.findall(description))}


def facts(value: Any, label: str = "") -> Iterator[str]:
    """Sentences out of one JSON value; ids, links and instructions are not facts to write about."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not _NOT_PROSE.search(str(key).lower()):
                yield from facts(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from facts(item, label)
    elif value is not None and not isinstance(value, bool):
        yield from _leaf_fact(str(value).strip(), label)


def _leaf_fact(text: str, label: str) -> Iterator[str]:
    if len(text.split()) >= 4:
        yield from (_ended(part) for part in _SENTENCE_END.split(" ".join(text.split())))
    elif text and label:
        words = label.replace("_", " ").replace("-", " ").strip()
        yield _ended(f"{words[:1].upper()}{words[1:]}: {text}")


def _line_facts(line: str) -> Iterator[str]:
    labelled = _LABELLED.match(line)
    if labelled:
        if not _NOT_PROSE.search(labelled["label"].lower().replace(" ", "_")):
            yield from _leaf_fact(labelled["value"].strip(), labelled["label"])
        return
    for part in _SENTENCE_END.split(re.sub(r"<[^>]+>", " ", line).strip(" \t-*•>#")):
        if len(part.split()) >= 4:
            yield _ended(" ".join(part.split()))


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."


def _split_json(text: str) -> tuple[list[Any], str]:
    """The JSON objects and arrays that stand in the text, and what is left of the text without them."""
    decoder, values, rest, at = json.JSONDecoder(), [], [], 0
    for opening in re.finditer(r"[\[{]", text):
        if opening.start() < at:
            continue
        try:
            value, end = decoder.raw_decode(text, opening.start())
        except ValueError:
            continue
        if value:
            values.append(value)
        rest.append(text[at : opening.start()])
        at = end
    return values, "".join([*rest, text[at:]])


def _records(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _records(item)


def _labelled(prose: str) -> Iterator[dict[str, Any]]:
    found = {
        m["label"].strip().lower().replace(" ", "_"): m["value"].strip()
        for m in map(_LABELLED.match, prose.splitlines())
        if m
    }
    if found:
        yield found


def _orders(text: str) -> Iterator[str]:
    """What an instruction hidden in the data asks to be written, in the order of the text."""
    plain = text.replace("\\n", "\n").replace('\\"', '"')
    openings = [m["order"] for m in _OVERRIDE.finditer(plain)] + [m["order"] for m in _ROLE_LINE.finditer(plain)]
    for order in openings:
        command = _COMMAND.search(order)
        yield from _payload(command["payload"] if command else order)
    at = 0
    while command := _COMMAND.search(plain, at):
        yield from _payload(command["payload"])
        at = command.start("payload")  # one line may give several orders


def _payload(text: str) -> Iterator[str]:
    quoted = re.match(r"[\"'“‘«]([^\"”»]+)[\"'”’»]", text.strip())
    end = re.search(r"(?<=[^.\s])[.!?](?=\s|\"|$)|-->|<", text)
    payload = quoted[1] if quoted else text[: end.start() if end else None]
    payload = payload.strip(" \t:\"'“”*`,}]")
    if len(payload) > 2:
        yield payload
