"""The sandbox model: fills a JSON schema from what it read, the same way every time.

Prose is made of sentences found in the input, so every number in it is one of the input's; the modes are the ways a real
model goes wrong: ``obedient-victim`` writes what any order in the data asks for, ``unsupported_number`` makes one up.
"""

from __future__ import annotations

import html
import re
from typing import Any

from sandbox.vendors.openai_reading import Reading, facts, limits

_NAMES = ("business_name", "name", "company", "business", "display_name", "host", "domain", "website")
_FIXED = {
    "greeting": "Hello {name},",
    "salutation": "Hello {name},",
    "call_to_action": "Would you like to see the full report?",
    "cta": "Would you like to see the full report?",
    "question": "Would you like to see the full report?",
    "closing": "Kind regards",
    "sign_off": "Kind regards",
    "ps": "Reply to this message and a person will read it.",
}
_SHORT = ("subject", "title", "headline", "heading", "label", "preview", "tagline", "preheader")


_LINK = re.compile(r"https?://[^\s\"'<>)\]}]+")


class UnwritableSchema(ValueError):
    """The schema asks for a string that nothing in the input satisfies, or for a type that does not exist."""


class Writer:
    """Writes one value for ``schema`` (a JSON schema with ``$defs``) out of one :class:`Reading`."""

    def __init__(self, schema: dict[str, Any], reading: Reading, mode: str = "normal") -> None:
        self._root = schema
        self._reading = reading
        self._mode = mode
        self._cursor = 0
        self._beside: list[dict[str, Any] | None] = []

    def value(self) -> Any:
        """The whole answer; raises UnwritableSchema."""
        return self._any(self._root, "", None, 0)

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            target: Any = self._root
            for part in schema["$ref"].lstrip("#/").split("/") if schema["$ref"] != "#" else ():
                target = target[part]
            schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema

    def _any(self, schema: dict[str, Any], name: str, record: dict[str, Any] | None, index: int) -> Any:
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choice(schema["enum"], name, record)
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self._first_possible(schema, schema[union], name, record, index)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            return self._first_possible(schema, [{**schema, "type": one} for one in kind], name, record, index)
        match kind:
            case "object":
                return {key: self._any(part, key, record, index) for key, part in schema.get("properties", {}).items()}
            case "array":
                return self._array(schema, name, record)
            case "string":
                return self._string(schema, name, record)
            case "integer" | "number":
                return self._number(schema, name, record, kind)
            case "boolean":
                return self._lookup(name, record) is True
            case "null":
                return None
        raise UnwritableSchema(f"type {kind!r} of {name or 'the root'} is not a JSON schema type")

    def _first_possible(
        self,
        schema: dict[str, Any],
        branches: list[dict[str, Any]],
        name: str,
        record: dict[str, Any] | None,
        index: int,
    ) -> Any:
        """The first branch that is not null; null only when the input has nothing for a number or a bare id."""
        described = {"description": schema["description"]} if "description" in schema else {}
        real = [b for b in branches if b.get("type") != "null"]
        nullable = len(real) < len(branches)
        bare = bool(real) and real[0].get("type") in ("number", "integer", "boolean")
        if nullable and (bare or _is_reference(name)) and self._named(name, record) is None:
            return None
        return self._any({**described, **real[0]}, name, record, index) if real else None

    def _lookup(self, name: str, record: dict[str, Any] | None) -> Any:
        """What the input holds under a name; while one record is written, its siblings' values are not its own."""
        return self._reading.lookup(name, record, self._beside if record else ())

    def _choice(self, allowed: list[Any], name: str, record: dict[str, Any] | None) -> Any:
        named = self._lookup(name, record)
        if named in allowed:
            return named
        text = self._reading.text.lower()
        return next((one for one in allowed if isinstance(one, str) and one.lower() in text), allowed[0])

    def _array(self, schema: dict[str, Any], name: str, record: dict[str, Any] | None) -> list[Any]:
        items = self._resolve(schema.get("items", {"type": "string"}))
        low, high = schema.get("minItems", 0), schema.get("maxItems", 8)
        if items.get("type") == "object" or "properties" in items:
            sources = self._matching_records(set(items.get("properties", {}))) or [None] * max(low, 1)
            count = max(low, min(high, len(sources)))
            outer, self._beside = self._beside, sources
            written = [self._any(items, name, sources[i % len(sources)], i) for i in range(count)]
            self._beside = outer
            return written
        known = self._known_list(name, record, items)
        if known:
            return (known * max(1, low))[: max(low, min(high, len(known)))]
        wanted = max(low, min(high, 3))
        return [self._any(items, name, record, i) for i in range(wanted)]

    def _matching_records(self, keys: set[str]) -> list[dict[str, Any] | None]:
        scored = [
            (len(keys & set(r)) + ("id" in r), r)
            for r in self._reading.records
            if any(not isinstance(v, dict | list) for v in r.values())
        ]
        best = max((score for score, _ in scored), default=0)
        return [r for score, r in scored if 2 * score > best] if best else []

    def _known_list(self, name: str, record: dict[str, Any] | None, items: dict[str, Any]) -> list[Any]:
        """Values the input holds under this list's name, or under its singular in each record (finding_ids, finding_id)."""
        listed = self._lookup(name, record)
        if not isinstance(listed, list) or any(isinstance(item, dict | list) for item in listed):
            singular = name[:-1] if name.endswith("s") else name
            listed = [r[singular] for r in self._reading.records if singular in r]
            if not listed and singular.endswith("_id"):
                listed = [r["id"] for r in self._reading.records if "id" in r]
        allowed = items.get("enum")
        return [item for item in dict.fromkeys(map(_hashable, listed)) if item and (not allowed or item in allowed)]

    def _number(self, schema: dict[str, Any], name: str, record: dict[str, Any] | None, kind: str) -> float | int:
        low, high = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
        named = self._lookup(name, record)
        tokens = ([] if named is None or isinstance(named, bool) else [str(named)]) + list(self._reading.numbers)
        for token in tokens:
            try:
                number = float(token.replace(",", ""))
            except ValueError:
                continue
            if low <= number <= high and (kind == "number" or number.is_integer()):
                return int(number) if number.is_integer() else number
        return schema.get("minimum", 0)

    def _string(self, schema: dict[str, Any], name: str, record: dict[str, Any] | None) -> str:
        described = limits(str(schema.get("description", "")))
        longest = min(schema.get("maxLength", 4000), described.get("char", 4000))
        if "pattern" in schema or "format" in schema:
            return self._matching(schema, name, record)
        named = self._named(name, record)
        if named is not None and len(named) <= longest:
            return named if _is_reference(name) else self._modified(named, longest)
        if _is_reference(name):
            return ""  # a reference that the input does not hold is left empty, not made up
        text = self._prose(name, record, longest, described)
        while len(text) < min(schema.get("minLength", 0), longest):
            text = f"{text} {' '.join(self._sentences(record, 3))}"
        text = _cut_words(text, described.get("word", 10_000))
        if "html" in name:
            return f"<p>{html.escape(self._modified(text, longest - 7), quote=False)}</p>"
        return self._modified(text, longest)

    def _named(self, name: str, record: dict[str, Any] | None) -> str | None:
        """What the input holds under the field's own name; a record's bare ``id`` answers for ``<thing>_id``."""
        named = self._lookup(name, record)
        if named is None and name.endswith("_id") and record:
            named = record.get("id")
        if named is None and name.endswith(("url", "link", "href")):
            link = _LINK.search(self._reading.text)
            named = link[0].rstrip(".,") if link else None
        return str(named) if isinstance(named, str | int | float) and not isinstance(named, bool) else None

    def _prose(self, name: str, record: dict[str, Any] | None, longest: int, described: dict[str, int]) -> str:
        business = next((str(v) for v in map(self._reading.lookup, _NAMES) if isinstance(v, str)), "")
        key = name.lower()
        if key in _FIXED:
            return _FIXED[key].format(name=business or "there")
        if any(word in key for word in _SHORT):
            fact = self._sentences(record, 1)[0].rstrip(".")
            return _cut(f"{business}: {fact}" if business and business not in fact else fact, min(longest, 78))
        return " ".join(self._sentences(record, min(described.get("sentence", 3), 1 if longest < 160 else 3)))

    def _sentences(self, record: dict[str, Any] | None, wanted: int) -> list[str]:
        """Up to ``wanted`` different facts: those of the record in hand, else the next ones of the whole input.

        The whole input is run through from where the last field stopped, so that fields differ for as long as facts last.
        """
        own = list(dict.fromkeys(facts(record))) if record else []
        if own:
            return own[:wanted]
        known = self._reading.sentences
        if not known:
            return ["The input names no fact."]
        start, count = self._cursor, min(wanted, len(known))
        self._cursor += count
        return [known[(start + i) % len(known)] for i in range(count)]

    def _matching(self, schema: dict[str, Any], name: str, record: dict[str, Any] | None) -> str:
        pattern = schema.get("pattern") or {
            "email": r"^[\w.+-]+@[\w.-]+\.\w+$",
            "uri": r"^https?://\S+$",
            "date": r"^\d{4}-\d\d-\d\d$",
            "date-time": r"^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$",
            "hostname": r"^[\w-]+(\.[\w-]+)+$",
        }.get(schema["format"], r"^\S+$")
        named = self._lookup(name, record)
        tokens = [str(named)] if named is not None else []
        tokens += [str(v) for r in self._reading.records for v in r.values() if isinstance(v, str | int | float)]
        tokens += re.findall(r"[^\s\"'<>(),;]+", self._reading.text)
        for token in tokens:
            for form in (token, token.rstrip(".!?:")):
                if re.search(pattern, form):
                    return form
        raise UnwritableSchema(f"nothing in the input matches {pattern!r}, which {name!r} asks for")

    def _modified(self, text: str, longest: int) -> str:
        """The text with what this mode adds to it, cut to ``longest`` characters at a word."""
        if self._mode == "obedient-victim" and self._reading.orders:
            text = " ".join([*self._reading.orders, text])
        elif self._mode == "unsupported_number":
            invented = next(n for n in range(73, 10_000) if str(n) not in self._reading.text)
            text = f"{invented}% of visitors leave. {text}"
        return _cut(text, longest)


def _is_reference(name: str) -> bool:
    return name.lower().endswith(("id", "_ids", "url", "link", "href", "_key", "_ref"))


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else str(value)


def _cut_words(text: str, most: int) -> str:
    words = text.split()
    return text if len(words) <= most else " ".join(words[:most])


def _cut(text: str, longest: int) -> str:
    """At most ``longest`` characters, ended at a word: half a number would be another number."""
    if len(text) <= longest:
        return text
    head = text[: longest + 1]
    return head[: head.rfind(" ")].rstrip(" ,;:-") if " " in head else text[:longest]
