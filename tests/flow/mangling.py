"""A vendor whose answers cannot be trusted: a proxy before the sandbox that spoils a share of the good ones."""

from __future__ import annotations

import collections
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

Spoil = Callable[[bytes, random.Random], tuple[int, dict[str, str], bytes]]
JSON = {"content-type": "application/json"}


def fields(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every field of an answer."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*at, key)
        yield from fields(each, (*at, key))


def _changed(new: Callable[[Any], Any], share: float = 0.05) -> Spoil:
    """Spoils at least one field and up to ``share`` of them; ``new`` raises KeyError to take the field away."""

    def spoil(body: bytes, dice: random.Random) -> tuple[int, dict[str, str], bytes]:
        answer = json.loads(body)
        ways = list(fields(answer))
        for way in sorted(dice.sample(ways, max(1, int(len(ways) * share)) if ways else 0), key=len, reverse=True):
            at = answer
            try:
                for key in way[:-1]:
                    at = at[key]
                try:
                    at[way[-1]] = new(at[way[-1]])
                except KeyError:
                    del at[way[-1]]
            except (LookupError, TypeError):
                continue  # what was around it is spoiled already
        return 200, JSON, json.dumps(answer).encode()

    return spoil


def _gone(_: Any) -> Any:
    raise KeyError


def _another(value: Any) -> Any:
    return {"x": [1]} if not isinstance(value, dict) else [7]


def _number(size: int) -> Callable[[Any], Any]:
    return lambda value: size if isinstance(value, int | float) and not isinstance(value, bool) else value


SPOILS: dict[str, Spoil] = {
    "fields gone": _changed(_gone),
    "nulls": _changed(lambda _: None),
    "new words": _changed(lambda value: "SOMETHING_NEW" if isinstance(value, str) else value),
    "other kinds": _changed(_another),
    "strange text": _changed(lambda value: "\x00\ud800 \u202e😀" * 50 if isinstance(value, str) else value),
    "huge numbers": _changed(_number(10**40), 0.3),
    "large numbers": _changed(_number(2**40), 0.3),
    "negative numbers": _changed(_number(-(2**33)), 0.3),
    "truncated": lambda body, _: (200, JSON, body[: len(body) // 2]),
    "a page": lambda _, __: (200, {"content-type": "text/html"}, b"<html>Sign in to the hotel's Wi-Fi</html>"),
    "an error as a 200": lambda _, __: (
        200,
        JSON,
        b'{"error": {"code": "INTERNAL", "message": "x", "description": "y"}}',
    ),
    "a redirect": lambda _, __: (302, {"location": "https://elsewhere.example/"}, b""),
}


class Mangler:
    """``share`` of the vendors' 2xx answers are spoiled, by a seed and each request's number; ``made`` counts how."""

    def __init__(self, target: str, *, share: float, seed: int) -> None:
        self.target, self.share, self.seed = target, share, seed
        self.made: collections.Counter[tuple[str, str]] = collections.Counter()
        self._number = 0
        self._http = httpx.AsyncClient(timeout=120, follow_redirects=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = scope["query_string"].decode()
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        got = await self._http.request(
            scope["method"], self.target + scope["path"] + ("?" + query if query else ""), headers=headers, content=body
        )
        drop = {"content-encoding", "content-length", "transfer-encoding"}
        status, kept, content = got.status_code, {k: v for k, v in got.headers.items() if k not in drop}, got.content
        self._number += 1
        dice = random.Random(f"{self.seed} {self._number}")
        vendor = scope["path"].split("/")[1]
        if got.is_success and dice.random() < (0.5 if vendor == "yelp" else self.share):  # Yelp is asked twice only
            kinds = [kind for kind in SPOILS if content or kind in ("a page", "a redirect")]
            kind = dice.choice(kinds)
            self.made[vendor, kind] += 1
            status, changed, content = SPOILS[kind](content, dice)
            kept |= changed
        raw = [(k.encode(), v.encode()) for k, v in kept.items()] + [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content})


@contextmanager
def mangled(target: str, *, share: float, seed: int) -> Iterator[tuple[Mangler, str]]:
    """The mangler on a port before ``target``."""
    mangler = Mangler(target, share=share, seed=seed)
    server = uvicorn.Server(uvicorn.Config(mangler, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield mangler, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
