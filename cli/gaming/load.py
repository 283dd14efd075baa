"""Webhooks as SendGrid posts them, from several connections at once, signed, and tried again until they are accepted.

What counts is the edge's word: an event whose post was answered with 2xx must be in the inbox, once, whatever died meanwhile.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import json
import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from leadfactory.database import Database
from leadfactory.inbox.receiving import SIGNATURE, TIMESTAMP

SENDERS, EVENTS, PAUSE_S, TRY_AGAIN_S = 4, 5, 0.02, 0.2


class Key:
    """A signing key of a SendGrid account that never was."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> str:
        """What the edge verifies with."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode()

    def headers(self, body: bytes, at: float | str | None = None) -> dict[str, str]:
        """The headers of a post, signed now or ``at`` another time."""
        stamp = at if isinstance(at, str) else str(int(time.time() if at is None else at))
        signature = self._key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: stamp}


class Load:
    """Posts until it is told to stop; then every post that was begun is tried until it is accepted, or named as lost."""

    def __init__(self, url: str, key: Key) -> None:
        self._url, self._key = f"{url}/webhooks/sendgrid", key
        self._stop, self._lock = threading.Event(), threading.Lock()
        self.accepted: collections.Counter[str] = collections.Counter()
        self.refused = 0
        self.never: list[str] = []
        self.last_accepted = time.monotonic()
        self._threads = [threading.Thread(target=self._post, daemon=True) for _ in range(SENDERS)]

    def start(self) -> None:
        """Begins."""
        for each in self._threads:
            each.start()

    def finish(self, within_s: float = 60.0) -> None:
        """Ends, when what was begun is accepted or the time is over."""
        self._stop.set()
        self._give_up = time.monotonic() + within_s
        for each in self._threads:
            each.join(within_s + 10)

    def wait_for(self, more: int, within_s: float = 60.0) -> bool:
        """Whether so many more events were accepted in time."""
        wanted, deadline = len(self.accepted) + more, time.monotonic() + within_s
        while len(self.accepted) < wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        return len(self.accepted) >= wanted

    def lost(self, db: Database) -> list[str]:
        """Events that were accepted and are not in the inbox once, and those that nobody accepted to the end."""
        with db.begin() as tx:
            kept = collections.Counter(
                tx.scalars(sa.text("SELECT event_id FROM webhook_inbox WHERE source = 'sendgrid'")).all()
            )
        return [*self.never, *(event for event in self.accepted if kept[event] != 1)]

    _give_up = float("inf")

    def _post(self) -> None:
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(httpx.Client(timeout=5))
            while not self._stop.is_set():
                events = [f"gameday-{uuid.uuid4()}" for _ in range(EVENTS)]
                body = json.dumps([_event(each) for each in events]).encode()
                if self._until_accepted(client, body):
                    with self._lock:
                        self.accepted.update(events)
                        self.last_accepted = time.monotonic()
                else:
                    self.never += events
                time.sleep(PAUSE_S)

    def _until_accepted(self, client: httpx.Client, body: bytes) -> bool:
        while time.monotonic() < self._give_up:
            with contextlib.suppress(httpx.HTTPError):
                if client.post(self._url, content=body, headers=self._key.headers(body)).is_success:
                    return True
            with self._lock:
                self.refused += 1
            time.sleep(TRY_AGAIN_S)
        return False


@contextlib.contextmanager
def running(url: str, key: Key) -> Iterator[Load]:
    """A load that is ended however the block ends."""
    load = Load(url, key)
    load.start()
    try:
        yield load
    finally:
        load.finish()


def _event(event_id: str) -> dict[str, object]:
    return {
        "email": "ada@shop.example", "timestamp": int(time.time()), "event": "delivered", "smtp-id": "<gameday@shop.example>",
        "sg_event_id": event_id, "sg_message_id": "gameday.recvd-1",
    }  # fmt: skip
