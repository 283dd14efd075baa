"""OpenAI through the official SDK: structured output only, nothing stored at the vendor, our transport below the SDK."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx
import pydantic
from pydantic import BaseModel

from leadfactory.d00_gateway.answers import Reader, body, judged
from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.responses.response_format_text_config_param import ResponseFormatTextConfigParam

MODEL = "gpt-5-mini"
LEAST_OUTPUT_TOKENS = 16  # the API's minimum of max_output_tokens
CHARACTERS_A_TOKEN = 3  # a cautious estimate for English, for the worst case only
WRAPPING_TOKENS = 200  # what the API adds around instructions, input and schema, at most
MILLION = 1_000_000
_ENDPOINT = "responses"

Value = TypeVar("Value", bound=BaseModel)
Cost = Callable[[int, int], int]


@dataclasses.dataclass(frozen=True)
class Parsed(Generic[Value]):
    """A model's answer that fits the schema, and what it took."""

    value: Value
    model: str
    input_tokens: int
    output_tokens: int
    cost_microusd: int


_MOST_TOKENS = 10**8  # a hundred times the largest context there is: beyond it a count is an error


class OpenAIClient:
    """One OpenAI project over the gateway; holds nothing that belongs to an event loop."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.gateway = gateway
        self._base, self._key = settings.openai_base_url.rstrip("/"), settings.openai_api_key.get_secret_value()
        self._sdk: tuple[httpx.AsyncClient, AsyncOpenAI] | None = None

    async def parse(
        self,
        *,
        instructions: str,
        input_text: str,
        schema: type[Value],
        max_output_tokens: int,
        model: str | None = None,
    ) -> Parsed[Value]:
        """One structured answer to ``input_text``.

        Args:
            instructions: what the model is to do; ours, never a customer's.
            input_text: our own measurements only.
            schema: every field of it is required.
            max_output_tokens: at least 16; bounds the cost that is reserved before the call.
            model: one with prices in config/vendors.yaml; by default gpt-5-mini.

        Raises:
            ValueError: for too few output tokens, or (PoliciesError) a model without a price.
            VendorRejected: ``refusal``, ``incomplete``, ``content_filter`` or ``invalid_output``.
            VendorUnavailable: again later; ``insufficient_quota`` until the account is paid.
        """
        if max_output_tokens < LEAST_OUTPUT_TOKENS:
            raise ValueError(f"max_output_tokens={max_output_tokens}: OpenAI takes {LEAST_OUTPUT_TOKENS} or more")
        chosen = model or MODEL
        cost = self._cost(chosen)
        text_format = _text_format(schema)
        most_in = tokens_at_most(instructions, input_text, json.dumps(text_format)) + WRAPPING_TOKENS
        worst_case = cost(most_in, max_output_tokens)

        def cost_of(response: httpx.Response) -> int:
            usage = _usage(body(response))
            return worst_case if usage is None else cost(*usage)

        judge = judged("openai", _ENDPOINT, _check)
        spec = CallSpec(_ENDPOINT, worst_case_microusd=worst_case, cost_of=cost_of, fault_of=judge)
        import openai

        try:
            with self.gateway.calling(spec):
                # Raw: building the SDK's models of an answer takes longer than the call; _check has judged its shape.
                raw = await self._of_loop().responses.with_raw_response.create(
                    model=chosen,
                    instructions=instructions,
                    input=input_text,
                    text={"format": text_format},
                    max_output_tokens=max_output_tokens,
                    store=False,  # prospects' data does not stay at the vendor
                )
        except openai.OpenAIError as error:
            raise _ours(error) from None
        answer = body(raw.http_response)  # type: ignore[arg-type]  # the client below the SDK is ours
        try:
            value = schema.model_validate_json(_output_text(answer))
        except pydantic.ValidationError as error:
            detail = f"{error.error_count()} fields do not fit {schema.__name__}"
            raise VendorRejected("openai", _ENDPOINT, "invalid_output", status=200, detail=detail) from None
        used = (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"])
        return Parsed(value, answer["model"], *used, cost(*used))

    def _of_loop(self) -> AsyncOpenAI:
        """The SDK over the running loop's client; made anew when the loop has changed."""
        import openai

        http = self.gateway.http("openai")
        known = self._sdk
        if known is None or known[0] is not http:  # threads with loops of their own may replace each other's
            sdk = openai.AsyncOpenAI(api_key=self._key, base_url=self._base, max_retries=0, http_client=http)  # type: ignore[arg-type]  # httpx clients serve as well
            known = self._sdk = (http, sdk)
        return known[1]

    async def ping(self) -> str:
        """Lists the models: free, without side effects."""
        headers = {"Authorization": f"Bearer {self._key}"}
        with self.gateway.calling(CallSpec("models", fault_of=judged("openai", "models", _check_models))):
            await self.gateway.http("openai").get(f"{self._base}/models", headers=headers)
        return "ok"

    def _cost(self, model: str) -> Cost:
        """What tokens in and out cost in millionths of a dollar, rounded up."""
        policies = self.gateway.policies
        per_in, per_out = policies.price("openai", f"{model}/input"), policies.price("openai", f"{model}/output")
        return lambda tokens_in, tokens_out: (
            -(-(tokens_in * per_in.microusd + tokens_out * per_out.microusd) // MILLION)
        )


@functools.cache
def _text_format(schema: type[BaseModel]) -> ResponseFormatTextConfigParam:
    """The SDK's own strict form of a schema; made once, for it takes longer than a call."""
    from openai.lib._parsing._responses import type_to_text_format_param

    return type_to_text_format_param(schema)


def _output_text(answer: Any) -> str:
    """All text of a judged answer.

    Raises:
        VendorRejected: ``invalid_output`` when there is none.
    """
    messages = [item for item in answer["output"] if item["type"] == "message"]
    parts = [part["text"] for item in messages for part in item.get("content") or [] if part["type"] == "output_text"]
    if not parts:
        raise VendorRejected("openai", _ENDPOINT, "invalid_output", status=200, detail="there is no text")
    return "".join(parts)


def tokens_at_most(*texts: str) -> int:
    """More tokens than the texts can be, but for adversaries: a third of the ASCII, every byte of the rest."""
    total = 0
    for text in texts:
        rest = sum(len(character.encode("utf-8", "replace")) for character in text if not character.isascii())
        total += -(-len(text) // CHARACTERS_A_TOKEN) + rest
    return total


def _check(reader: Reader, answer: Any) -> None:
    """Whether the answer is complete and of the shape that the SDK takes for granted; refusals by name."""
    reader.fields(answer, "body", required={"status": str, "model": str, "output": list}, optional={})
    status = answer["status"]
    if status == "incomplete":
        why = answer.get("incomplete_details")
        filtered = isinstance(why, dict) and why.get("reason") == "content_filter"
        raise VendorRejected("openai", _ENDPOINT, "content_filter" if filtered else "incomplete", status=reader.status)
    if status != "completed":
        word = status if status in {"failed", "cancelled", "queued", "in_progress"} else "unknown"
        raise VendorUnavailable("openai", _ENDPOINT, f"response_{word}", status=reader.status)
    usage = reader.expect(answer.get("usage"), dict, "usage")
    reader.fields(usage, "usage", required={"input_tokens": int, "output_tokens": int}, optional={})
    if _usage(answer) is None:
        raise reader.malformed(f"usage is outside 0 to {_MOST_TOKENS:,} tokens")
    for position, item in enumerate(answer["output"]):
        path = f"output[{position}]"
        reader.fields(item, path, required={"type": str}, optional={"content": list})
        if item["type"] != "message":
            continue
        for part in item.get("content") or []:
            reader.fields(part, f"{path}.content", required={"type": str}, optional={})
            if part["type"] == "refusal":
                raise VendorRejected("openai", _ENDPOINT, "refusal", status=reader.status)
            if part["type"] == "output_text":
                reader.expect(part.get("text"), str, f"{path}.content.text")


def _check_models(reader: Reader, answer: Any) -> None:
    reader.fields(answer, "body", required={"data": list}, optional={})


def _usage(answer: Any) -> tuple[int, int] | None:
    """Tokens in and out that an answer reports; None when it does not, which costs the worst case."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict):
        return None
    counts = (usage.get("input_tokens"), usage.get("output_tokens"))
    return counts if all(isinstance(count, int) and 0 <= count <= _MOST_TOKENS for count in counts) else None  # type: ignore[return-value]


def _ours(error: BaseException) -> VendorError:
    """The gateway's own error from under the SDK's wrapping; without one, a fault with the SDK's name for it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, VendorError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return VendorUnavailable("openai", _ENDPOINT, "malformed_answer", detail=type(error).__name__)
