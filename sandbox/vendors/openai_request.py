"""What OpenAI accepts as a request: required fields, types, ranges, and the strict subset of JSON schema."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from sandbox.vendors.wire import words

_UNSUPPORTED = ("allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "patternProperties")
_FORMAT_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_PROPERTIES_LIMIT = 5_000  # of one strict schema
_ROLES = {"user", "assistant", "system", "developer", "tool"}


class BadRequest(ValueError):
    """A request OpenAI refuses; ``status`` is 400 unless the thing asked for does not exist."""

    def __init__(self, message: str, param: str | None, code: str | None, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.code, self.status = param, code, status


@dataclasses.dataclass(frozen=True)
class Ask:
    """One accepted request: ``text`` is what users said, ``instructions`` what the system said; ``tokens`` ≈ characters / 4."""

    model: str
    text: str
    instructions: str
    schema: dict[str, Any] | None
    schema_param: str
    shown_format: dict[str, Any]
    most_tokens: int | None
    store: bool
    temperature: float
    top_p: float
    metadata: dict[str, str]
    tokens: int


def ask_of_response(body: dict[str, Any]) -> Ask:
    """Check a body of POST /v1/responses; raises BadRequest."""
    for field in ("model", "input"):
        if body.get(field) in (None, "", []):
            raise BadRequest(f"Missing required parameter: '{field}'.", field, "missing_required_parameter")
    _check_known(body, _RESPONSE_FIELDS)
    if body.get("stream"):
        raise BadRequest("Streaming is not offered here.", "stream", "unsupported_parameter")
    users, system = _texts(body["input"], "input")
    instructions = body.get("instructions") or ""
    _typed(instructions, str, "instructions", "string")
    text = body.get("text") or {}
    _typed(text, dict, "text", "object")
    fmt = text.get("format") or {"type": "text"}
    schema = _schema(fmt, fmt, "text.format", "text.format.schema")
    return _ask(
        body,
        users,
        f"{instructions}\n{system}".strip(),
        schema,
        "text.format.schema",
        fmt,
        "max_output_tokens",
        16,
        True,
    )


def ask_of_chat(body: dict[str, Any]) -> Ask:
    """Check a body of POST /v1/chat/completions; raises BadRequest."""
    for field in ("model", "messages"):
        if body.get(field) in (None, "", []):
            raise BadRequest(f"Missing required parameter: '{field}'.", field, "missing_required_parameter")
    if body.get("stream"):
        raise BadRequest("Streaming is not offered here.", "stream", "unsupported_parameter")
    users, system = _texts(body["messages"], "messages")
    fmt = body.get("response_format") or {"type": "text"}
    _typed(fmt, dict, "response_format", "object")
    inner = fmt.get("json_schema") or {}
    schema = _schema(fmt, inner, "response_format", "response_format.json_schema.schema")
    return _ask(
        body, users, system, schema, "response_format.json_schema.schema", fmt, "max_completion_tokens", 1, False
    )


def _ask(
    body: dict[str, Any], users: str, system: str, schema: dict[str, Any] | None, schema_param: str, fmt: dict[str, Any],
    limit_field: str, least: int, store: bool,
) -> Ask:  # fmt: skip
    most = body.get(limit_field)
    if most is not None:
        _typed(most, int, limit_field, "integer")
        if most < least:
            raise BadRequest(f"Invalid '{limit_field}': integer below minimum value. Expected a value >= {least}, but got "
                             f"{most} instead.", limit_field, "integer_below_min_value")  # fmt: skip
    stored = body.get("store")
    if stored is not None:
        _typed(stored, bool, "store", "boolean")
    return Ask(
        model=_typed(body["model"], str, "model", "string"), text=users, instructions=system, schema=schema,
        schema_param=schema_param, shown_format=fmt, most_tokens=most, store=store if stored is None else stored,
        temperature=_ranged(body, "temperature", 2), top_p=_ranged(body, "top_p", 1), metadata=_metadata(body),
        tokens=max(1, (len(users) + len(system)) // 4),
    )  # fmt: skip


def _typed(value: Any, kind: type, param: str, word: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadRequest(f"Invalid type for '{param}': expected {word}, but got {type(value).__name__} instead.",
                         param, "invalid_type")  # fmt: skip
    return value


def _ranged(body: dict[str, Any], field: str, high: float) -> float:
    value = body.get(field)
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"Invalid type for '{field}': expected a decimal.", field, "invalid_type")
    if not 0 <= value <= high:
        raise BadRequest(f"Invalid '{field}': expected a value between 0 and {high}, but got {value} instead.", field,
                         "decimal_above_max_value" if value > high else "decimal_below_min_value")  # fmt: skip
    return float(value)


def _metadata(body: dict[str, Any]) -> dict[str, str]:
    pairs = body.get("metadata") or {}
    _typed(pairs, dict, "metadata", "object")
    if len(pairs) > 16:
        raise BadRequest("Invalid 'metadata': too many properties. Expected at most 16.", "metadata",
                         "object_above_max_properties")  # fmt: skip
    for key, value in pairs.items():
        if not isinstance(value, str) or len(key) > 64 or len(value) > 512:
            raise BadRequest(f"Invalid 'metadata.{key}': keys have at most 64 and values at most 512 characters.",
                             f"metadata.{key}", "string_above_max_length")  # fmt: skip
    return pairs


def _texts(given: Any, param: str) -> tuple[str, str]:
    """(what users said, what the system said) of an input string or message list."""
    if isinstance(given, str) and param == "input":
        return given, ""
    _typed(given, list, param, "array")
    users: list[str] = []
    system: list[str] = []
    for i, message in enumerate(given):
        where = f"{param}[{i}]"
        _typed(message, dict, where, "object")
        role = message.get("role")
        if role not in _ROLES:
            raise BadRequest(
                f"Invalid value: '{role}'. Supported values are: {sorted(_ROLES)}.", f"{where}.role", "invalid_value"
            )
        (system if role in ("system", "developer") else users).append(
            _content(message.get("content"), f"{where}.content")
        )
    return "\n".join(users), "\n".join(system)


def _content(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    _typed(content, list, where, "string or array")
    parts = []
    for i, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") not in ("input_text", "output_text", "text"):
            raise BadRequest("Invalid value: only text content is offered here.", f"{where}[{i}].type", "invalid_value")
        parts.append(_typed(part.get("text"), str, f"{where}[{i}].text", "string"))
    return "\n".join(parts)


def _schema(outer: dict[str, Any], inner: dict[str, Any], param: str, schema_param: str) -> dict[str, Any] | None:
    _typed(outer, dict, param, "object")
    kind = outer.get("type")
    if kind in ("text", "json_object"):
        return None if kind == "text" else {"type": "object", "properties": {}}
    if kind != "json_schema":
        raise BadRequest(f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'.",
                         f"{param}.type", "invalid_value")  # fmt: skip
    where = schema_param.rsplit(".", 1)[0]
    name = inner.get("name")
    if name is None:
        raise BadRequest(f"Missing required parameter: '{where}.name'.", f"{where}.name", "missing_required_parameter")
    if not isinstance(name, str) or not _FORMAT_NAME.match(name):
        raise BadRequest(f"Invalid '{where}.name': string does not match pattern.", f"{where}.name", "invalid_value")
    schema = inner.get("schema")
    if not isinstance(schema, dict):
        raise BadRequest(f"Missing required parameter: '{schema_param}'.", schema_param, "missing_required_parameter")
    if inner.get("strict"):
        _check_strict(schema, name, schema_param)
    return schema


def _check_strict(schema: dict[str, Any], name: str, param: str) -> None:
    """What strict mode demands of every object: all properties required, no others; raises BadRequest."""

    def refuse(context: tuple[str, ...], why: str) -> BadRequest:
        return BadRequest(f"Invalid schema for response_format '{name}': In context={context}, {why}.", param,
                          "invalid_json_schema")  # fmt: skip

    if schema.get("type") != "object":
        raise refuse((), f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'")
    seen = 0
    waiting: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), schema)]
    while waiting:
        context, part = waiting.pop()
        used = next((word for word in _UNSUPPORTED if word in part), None)
        if used:
            raise refuse(context, f"'{used}' is not permitted")
        if part.get("type") == "object" or "properties" in part:
            properties = part.get("properties", {})
            seen += len(properties)
            if part.get("additionalProperties") is not False:
                raise refuse(context, "'additionalProperties' is required to be supplied and to be false")
            missing = set(properties) - set(part.get("required", ()))
            if missing:
                raise refuse(context, "'required' is required to be supplied and to be an array including every key in "
                                      f"properties. Missing '{min(missing)}'")  # fmt: skip
        elif part.get("type") == "array" and "items" not in part:
            raise refuse(context, "array schema missing items")
        waiting += _children(context, part)
    if seen > _PROPERTIES_LIMIT:
        raise refuse((), f"a schema may have at most {_PROPERTIES_LIMIT} properties")


def _children(context: tuple[str, ...], part: dict[str, Any]) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    named = [((*context, word, key), child) for word in ("properties", "$defs", "definitions")
             for key, child in part.get(word, {}).items()]  # fmt: skip
    listed = [((*context, "anyOf", str(i)), child) for i, child in enumerate(part.get("anyOf", ()))]
    items = [((*context, "items"), part["items"])] if isinstance(part.get("items"), dict) else []
    return [pair for pair in [*named, *listed, *items] if isinstance(pair[1], dict)]


def _check_known(body: dict[str, Any], known: frozenset[str]) -> None:
    for field in body:
        if field not in known:
            raise BadRequest(f"Unknown parameter: '{field}'.", field, "unknown_parameter")


_RESPONSE_FIELDS = words(
    "background context_management conversation include input instructions max_output_tokens max_tool_calls metadata model "
    "moderation parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention "
    "reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools top_logprobs "
    "top_p truncation user"
)
