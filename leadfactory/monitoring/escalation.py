"""What fires, since when, and whom it reached: decides who is told next. Pure: the time is handed in, nothing is sent."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from leadfactory.monitoring.contacts import Contacts

WINDOW = dt.timedelta(minutes=10)
KEPT = dt.timedelta(days=1)  # how long an alert that ended is remembered, so that a late repeat is no new one


@dataclasses.dataclass
class Firing:
    """One alert: ``reached`` is how many levels know of it, ``ended_at`` None while it fires."""

    fingerprint: str
    name: str
    severity: str
    labels: dict[str, str]
    annotations: dict[str, str]
    since: dt.datetime
    ended_at: dt.datetime | None = None
    reached: int = 0
    end_told: bool = False


@dataclasses.dataclass(frozen=True)
class Message:
    """What goes out in one piece: alerts with the level that each comes to, and the roles that are told."""

    roles: tuple[str, ...]
    rising: tuple[tuple[Firing, int], ...]
    ended: tuple[Firing, ...]


class Escalation:
    """The alerts of a factory. Times are the wall's: people's minutes, not the factory clock's."""

    def __init__(self, contacts: Contacts, alerts: Iterable[Firing] = (), sent: Iterable[dt.datetime] = ()) -> None:
        self.contacts = contacts
        self.alerts = {alert.fingerprint: alert for alert in alerts}
        self.sent = list(sent)

    def hear(self, alerts: Iterable[Firing]) -> None:
        """Takes in what fires and what ended; hearing it again changes nothing."""
        for heard in alerts:
            known = self.alerts.get(heard.fingerprint)
            if known is None or (known.ended_at is not None and heard.since > known.ended_at):
                if heard.ended_at is None:
                    self.alerts[heard.fingerprint] = heard
            else:
                known.annotations = heard.annotations
                known.ended_at = heard.ended_at if known.ended_at is None else known.ended_at

    def due(self, now: dt.datetime) -> Message | None:
        """The next message, of all that is due; None when nothing is, or too many went out of late."""
        self.sent = [moment for moment in self.sent if now - moment < WINDOW]
        if len(self.sent) >= self.contacts.messages_per_ten_minutes:
            return None
        rising, ended = [], []
        for alert in sorted(
            self.alerts.values(), key=lambda each: (each.severity != "critical", each.since, each.name)
        ):
            if alert.ended_at is not None:
                if alert.reached and not alert.end_told:
                    ended.append(alert)
            elif (level := self._level(alert, now)) > alert.reached:
                rising.append((alert, level))
        if not rising and not ended:
            return None
        roles: dict[str, None] = {}
        for alert, level in [*rising, *((each, each.reached) for each in ended)]:
            first = alert.reached if alert.ended_at is None else 0
            for number in range(first, level):  # a receiver that was down catches up with every level
                roles |= dict.fromkeys(self.contacts.told_at(number, alert.labels.get("contact")))
        return Message(tuple(roles), tuple(rising), tuple(ended))

    def told(self, message: Message, now: dt.datetime) -> None:
        """Notes that ``message`` has gone out; forgets what ended long ago."""
        for alert, level in message.rising:
            alert.reached = level
        for alert in message.ended:
            alert.end_told = True
        self.sent.append(now)
        self.alerts = {
            key: alert for key, alert in self.alerts.items() if alert.ended_at is None or now - alert.ended_at < KEPT
        }

    def _level(self, alert: Firing, now: dt.datetime) -> int:
        """How many levels should know: all whose time has come for a critical alert, else the first."""
        if alert.severity != "critical":
            return 1
        return sum(now - alert.since >= dt.timedelta(minutes=level.after_minutes) for level in self.contacts.levels)


def heard(body: Mapping[str, Any]) -> list[Firing]:
    """The alerts of Alertmanager's post.

    Raises:
        ValueError: it is no such post.
    """
    try:
        return [
            Firing(
                each["fingerprint"],
                each["labels"]["alertname"],
                each["labels"].get("severity", "warning"),
                dict(each["labels"]),
                dict(each["annotations"]),
                _moment(each["startsAt"]),
                _moment(each["endsAt"]) if each["status"] == "resolved" else None,
            )
            for each in body["alerts"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no post of Alertmanager's: {type(error).__name__} {error}") from None


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
