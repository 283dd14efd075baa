"""OpenAI's API: responses, chat completions and models, with its errors, limits and usage.

The answer's words come from :mod:`openai_writer`. ``options['openai_mode']`` is normal | obedient-victim | refuse |
incomplete | unsupported_number | insufficient_quota.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.openai_reading import read
from sandbox.vendors.openai_request import BadRequest, ask_of_chat, ask_of_response
from sandbox.vendors.openai_writer import UnwritableSchema, Writer
from sandbox.vendors.wire import Window, accepted, answer, bearer, epoch, hex_token, json_body, key_is_valid, option

MODELS = {  # id -> created; the ids that the API's own description names and that write text
    "gpt-5.6-sol": 1785542400, "gpt-5.6-terra": 1785542400, "gpt-5.6-luna": 1785542400, "gpt-5.5": 1776902400,
    "gpt-5.4": 1772668800, "gpt-5.4-mini": 1773705600, "gpt-5.4-nano": 1773705600, "gpt-5.2": 1765411200,
    "gpt-5.1": 1762992000, "gpt-5": 1754524800, "gpt-5-mini": 1754524800, "gpt-5-nano": 1754524800,
    "gpt-4.1": 1744588800, "gpt-4.1-mini": 1744588800, "gpt-4.1-nano": 1744588800, "gpt-4o": 1715299200,
    "gpt-4o-mini": 1721174400,
}  # fmt: skip
_REFUSAL = "I'm sorry, but I can't help with that request."


def error(
    status: int,
    message: str,
    kind: str,
    code: str | None,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """OpenAI's error envelope."""
    return answer({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, headers)


def rate_limited(kind: str = "") -> Response:
    """429: ``kind`` "daily" or "quota" is the exhausted account, which waiting does not mend; anything else is the rate."""
    if kind in ("daily", "quota", "insufficient_quota"):
        message = "You exceeded your current quota, please check your plan and billing details."
        return error(429, message, "insufficient_quota", "insufficient_quota")
    message = "Rate limit reached for requests per min. Please try again in 1s."
    return error(
        429, message, "requests", "rate_limit_exceeded", headers={"retry-after": "1", "retry-after-ms": "1000"}
    )


def server_error(status: int = 500) -> Response:
    """5xx as OpenAI words it."""
    message = "The server had an error while processing your request. Sorry about that!"
    return error(status, message, "server_error", None)


def fault_response(status: int, kind: str = "") -> Response:
    """The answer to an injected fault, in OpenAI's own envelope."""
    return rate_limited(kind) if status == 429 else server_error(status)


Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The endpoints over one sandbox; stored responses live here."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self._minute = Window(60)
        self._stored: dict[str, dict[str, Any]] = {}
        self._served = 0

    def guarded(self, handler: Handler) -> Handler:
        """The handler behind the key, the quota and the rate limit, its answer with the account's headers."""

        async def guard(request: Request) -> Response:
            self._served += 1
            limit = int(option(self._sandbox, "openai_rpm", 5_000))
            left = self._minute.take("requests", limit)
            response = await self._answer(request, handler, left)
            response.headers.update(self._headers(limit, max(left, 0)))
            return response

        return guard

    async def _answer(self, request: Request, handler: Handler, left: int) -> Response:
        key = bearer(request)
        if not key_is_valid(self._sandbox, "openai", key):
            shown = f"{key[:3]}***{key[-2:]}" if key else ""
            message = f"Incorrect API key provided: {shown}." if key else "You didn't provide an API key."
            return error(401, message, "invalid_request_error", "invalid_api_key" if key else None)
        if left < 0:
            return rate_limited()
        if request.method == "POST" and option(self._sandbox, "openai_mode", "normal") == "insufficient_quota":
            return rate_limited("quota")
        try:
            return await handler(request)
        except BadRequest as bad:
            return error(bad.status, str(bad), "invalid_request_error", bad.code, bad.param)

    def _headers(self, limit: int, left: int) -> dict[str, str]:
        return {
            "x-request-id": f"req_{hex_token('openai-request', self._sandbox.world.seed, self._served)}",
            "openai-processing-ms": "1",
            "openai-version": "2020-10-01",
            "x-ratelimit-limit-requests": str(limit),
            "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": f"{self._minute.reset_in():.0f}s",
            "x-ratelimit-limit-tokens": "2000000",
            "x-ratelimit-remaining-tokens": "1999000",
            "x-ratelimit-reset-tokens": "30ms",
        }

    async def responses(self, request: Request) -> Response:
        """POST /v1/responses."""
        ask = ask_of_response(await self._body(request))
        self._check_model(ask.model, 400)
        text, refusal, tokens, truncated = self._write(ask)
        now = epoch(self._sandbox)
        response_id = f"resp_{hex_token('resp', self._sandbox.world.seed, self._served, ask.text, length=48)}"
        part: dict[str, Any] = {"type": "refusal", "refusal": refusal} if refusal else {
            "type": "output_text", "annotations": [], "logprobs": [], "text": text,
        }  # fmt: skip
        status = "incomplete" if truncated else "completed"
        message = {"id": f"msg_{hex_token('msg', response_id, length=48)}", "type": "message", "status": status,
                   "content": [part], "role": "assistant"}  # fmt: skip
        body = {
            "id": response_id, "object": "response", "created_at": now, "status": status, "background": False,
            "completed_at": None if truncated else now, "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if truncated else None,
            "instructions": ask.instructions or None, "max_output_tokens": ask.most_tokens, "max_tool_calls": None,
            "model": ask.model, "output": [message], "parallel_tool_calls": True, "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None}, "service_tier": "default", "store": ask.store,
            "temperature": ask.temperature, "text": {"format": ask.shown_format, "verbosity": "medium"},
            "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": ask.top_p, "truncation": "disabled",
            "usage": {"input_tokens": ask.tokens,
                      "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                      "output_tokens": tokens, "output_tokens_details": {"reasoning_tokens": 0},
                      "total_tokens": ask.tokens + tokens},
            "metadata": ask.metadata,
        }  # fmt: skip
        if ask.store:
            self._stored[response_id] = body
        accepted(self._sandbox, "openai", "response", response_id, model=ask.model, store=ask.store, status=status,
                 input_tokens=ask.tokens, output_tokens=tokens, metadata=ask.metadata, input=ask.text, output=text)  # fmt: skip
        return answer(body)

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions."""
        ask = ask_of_chat(await self._body(request))
        self._check_model(ask.model, 404)
        text, refusal, tokens, truncated = self._write(ask)
        chat_id = f"chatcmpl-{hex_token('chat', self._sandbox.world.seed, self._served, ask.text, length=29)}"
        accepted(self._sandbox, "openai", "chat", chat_id, model=ask.model, store=ask.store,
                 input_tokens=ask.tokens, output_tokens=tokens, input=ask.text, output=text)  # fmt: skip
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if refusal else text,
            "refusal": refusal or None,
            "annotations": [],
        }
        return answer({
            "id": chat_id, "object": "chat.completion", "created": epoch(self._sandbox), "model": ask.model,
            "choices": [{"index": 0, "message": message, "logprobs": None,
                         "finish_reason": "length" if truncated else "stop"}],
            "usage": {"prompt_tokens": ask.tokens, "completion_tokens": tokens, "total_tokens": ask.tokens + tokens,
                      "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                      "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                                                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}},
            "service_tier": "default",
        })  # fmt: skip

    async def stored_response(self, request: Request) -> Response:
        """GET and DELETE /v1/responses/{id}: only what was stored can be had back."""
        response_id = request.path_params["response_id"]
        if response_id not in self._stored:
            raise BadRequest(f"Response with id '{response_id}' not found.", None, None, 404)
        if request.method == "DELETE":
            del self._stored[response_id]
            return Response(status_code=200)
        return answer(self._stored[response_id])

    async def models(self, request: Request) -> Response:
        """GET /v1/models and /v1/models/{model}."""
        entries = [{"id": m, "object": "model", "created": at, "owned_by": "system", "shutdown_date": None}
                   for m, at in MODELS.items()]  # fmt: skip
        wanted = request.path_params.get("model")
        if wanted is None:
            return answer({"object": "list", "data": entries})
        self._check_model(wanted, 404)
        return answer(next(entry for entry in entries if entry["id"] == wanted))

    async def _body(self, request: Request) -> dict[str, Any]:
        try:
            body = await json_body(request)
        except ValueError:
            raise BadRequest("We could not parse the JSON body of your request.", None, None) from None
        if not isinstance(body, dict):
            raise BadRequest("The JSON body of a request must be an object.", None, None)
        return body

    def _check_model(self, model: str, status: int) -> None:
        if model not in MODELS:
            raise BadRequest(f"The model `{model}` does not exist or you do not have access to it.", "model",
                             "model_not_found", status)  # fmt: skip

    def _write(self, ask: Any) -> tuple[str, str, int, bool]:
        """(text, refusal, output tokens, truncated)."""
        mode = option(self._sandbox, "openai_mode", "normal")
        if mode == "refuse":
            return "", _REFUSAL, _tokens(_REFUSAL), False
        reading = read(ask.text)
        schema = ask.schema or {"type": "string", "minLength": 1}
        try:
            value = Writer(schema, reading, mode).value()
        except UnwritableSchema as unwritable:
            raise BadRequest(f"Invalid schema for response_format: {unwritable}.", ask.schema_param,
                             "invalid_json_schema") from None  # fmt: skip
        text = json.dumps(value, ensure_ascii=False) if ask.schema else value
        tokens = _tokens(text)
        most = max(16, tokens // 2) if mode == "incomplete" else ask.most_tokens
        if mode == "incomplete" or (most is not None and tokens > most):
            return text[: min(len(text) - 1, most * 4)], "", min(most, tokens), True
        return text, "", tokens, False


def _tokens(text: str) -> int:
    return max(1, len(text) // 4)


def routes(sandbox: Any) -> list[Route]:
    """OpenAI's endpoints, relative to its prefix."""
    api = Api(sandbox)
    return [
        Route("/v1/responses", api.guarded(api.responses), methods=["POST"]),
        Route("/v1/responses/{response_id}", api.guarded(api.stored_response), methods=["GET", "DELETE"]),
        Route("/v1/chat/completions", api.guarded(api.chat), methods=["POST"]),
        Route("/v1/models", api.guarded(api.models), methods=["GET"]),
        Route("/v1/models/{model}", api.guarded(api.models), methods=["GET"]),
    ]
