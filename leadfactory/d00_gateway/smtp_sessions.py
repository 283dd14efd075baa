"""Connections to an SMTP relay: where it is, how one is opened, and those that are kept between two messages."""

from __future__ import annotations

import dataclasses
import smtplib
import ssl
import threading
import time
from urllib.parse import unquote, urlsplit

from leadfactory.settings import SettingsError

IDLE_S, MOST_MESSAGES = 20.0, 100
_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclasses.dataclass(frozen=True)
class Relay:
    """Where mail is handed over. TLS from the start (smtps), else STARTTLS, which only a loopback address may do without."""

    host: str
    port: int
    user: str | None
    password: str | None
    implicit_tls: bool

    @classmethod
    def of(cls, url: str) -> Relay:
        """The relay that SMTP_URL names.

        Raises:
            SettingsError: it names none.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in _PORTS or not parts.hostname or port == -1:
            raise SettingsError(
                "SMTP_URL is no address of a relay: write smtps://user:password@host:465, or smtp://… for STARTTLS"
            )
        user, password = (unquote(text) if text else None for text in (parts.username, parts.password))
        return cls(parts.hostname, port or _PORTS[parts.scheme], user, password, parts.scheme == "smtps")


class Session:
    """An open, logged-in connection, closed without waiting for an answer: what was accepted stays accepted."""

    server: smtplib.SMTP

    def __init__(self, relay: Relay, timeout_s: float) -> None:
        self._relay, self._timeout_s = relay, timeout_s
        self.served, self.used_at = 0, time.monotonic()

    def open(self) -> Session:
        """Connects and logs in.

        Raises:
            smtplib.SMTPException, OSError: the relay does not answer, or refuses.
        """
        relay, trusted = self._relay, ssl.create_default_context()
        if relay.implicit_tls:
            self.server = smtplib.SMTP_SSL(relay.host, relay.port, timeout=self._timeout_s, context=trusted)
        else:
            self.server = smtplib.SMTP(relay.host, relay.port, timeout=self._timeout_s)
        try:
            self.server.ehlo_or_helo_if_needed()
            if not relay.implicit_tls and relay.host not in _LOOPBACK:
                self.server.starttls(context=trusted)
                self.server.ehlo()
            if relay.user:
                self.server.login(relay.user, relay.password or "")
        except BaseException:
            self.server.close()
            raise
        return self

    def close(self) -> None:
        """Hangs up."""
        self.server.close()

    def __enter__(self) -> smtplib.SMTP:
        return self.open().server

    def __exit__(self, *_: object) -> None:
        self.close()


class Sessions:
    """Connections that wait for their next message; used by the threads of one client.

    A session is kept for ``MOST_MESSAGES`` and for ``IDLE_S`` between two, which is less than relays wait before they hang up.
    """

    def __init__(self, relay: Relay, timeout_s: float) -> None:
        self._relay, self._timeout_s = relay, timeout_s
        self._idle: list[Session] = []
        self._lock, self._closed = threading.Lock(), False

    def kept(self) -> Session | None:
        """The session that was used last, if one waits; the others' time runs out."""
        oldest = time.monotonic() - IDLE_S
        with self._lock:
            late = [each for each in self._idle if each.used_at < oldest]
            self._idle = [each for each in self._idle if each.used_at >= oldest]
            found = self._idle.pop() if self._idle else None
        for each in late:
            each.close()
        return found

    def fresh(self) -> Session:
        """A new session.

        Raises:
            smtplib.SMTPException, OSError: the relay does not answer, or refuses.
        """
        return Session(self._relay, self._timeout_s).open()

    def keep(self, session: Session) -> None:
        """Keeps a session that ended a message in order, unless it served enough or the client is closed."""
        session.served, session.used_at = session.served + 1, time.monotonic()
        with self._lock:
            fit = not self._closed and session.served < MOST_MESSAGES
            if fit:
                self._idle.append(session)
        if not fit:
            session.close()

    def close(self) -> None:
        """Hangs up all that wait; what is still in use is not kept."""
        with self._lock:
            waiting, self._idle, self._closed = self._idle, [], True
        for each in waiting:
            each.close()
