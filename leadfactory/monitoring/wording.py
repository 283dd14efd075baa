"""What a message about alerts says: what is wrong, since when, where to look, and who is asked. One text for Slack and mail."""

from __future__ import annotations

import datetime as dt

from leadfactory.d00_gateway.redaction import redact
from leadfactory.monitoring.contacts import Contacts
from leadfactory.monitoring.escalation import Firing, Message
from leadfactory.settings import Settings

MARKS = {"critical": "CRITICAL", "warning": "warning"}


def subject(message: Message) -> str:
    """One line: the worst alert, and how many more."""
    if not message.rising:
        return f"[LeadFactory] over: {', '.join(sorted({alert.name for alert in message.ended}))}"
    worst, level = message.rising[0]
    more = len(message.rising) - 1
    raised = f", level {level}" if level > 1 else ""
    return f"[LeadFactory] {MARKS.get(worst.severity, worst.severity)}: {worst.name}{raised}" + (
        f" and {more} more" if more else ""
    )


def text(message: Message, contacts: Contacts, settings: Settings, now: dt.datetime) -> str:
    """The whole message."""
    parts = [_rising(alert, level, contacts, settings, now) for alert, level in message.rising]
    if message.ended:
        parts.append(
            "Over:\n" + "\n".join(f"- {a.name}: {redact(a.annotations.get('summary', ''))}" for a in message.ended)
        )
    asked = [f"{contacts.people[role].name}{_reach(contacts, role)}" for role in message.roles]
    parts.append("Told: " + ", ".join(asked))
    return "\n\n".join(parts)


def _rising(alert: Firing, level: int, contacts: Contacts, settings: Settings, now: dt.datetime) -> str:
    fires = now - alert.since
    lines = [
        f"{MARKS.get(alert.severity, alert.severity)}: {alert.name} (level {level} of {len(contacts.levels)})",
        redact(alert.annotations.get("summary", "")),
        f"since {alert.since:%Y-%m-%d %H:%M} UTC ({int(fires.total_seconds() // 60)} min)",
    ]
    if alert.annotations.get("run"):
        lines.append(f"run: {settings.dagster_url}/runs/{alert.annotations['run']}")
    lines.append(f"what to do: {settings.runbook_url}#{alert.annotations.get('section', '')}")
    vendor = alert.labels.get("vendor")
    if vendor in contacts.vendors:
        asked = "write to " if contacts.levels[level - 1].vendor else ""
        lines.append(f"{vendor}'s support: {asked}{contacts.vendors[vendor]}")
    return "\n".join(line for line in lines if line)


def _reach(contacts: Contacts, role: str) -> str:
    slack = contacts.people[role].slack
    return f" ({slack})" if slack and contacts.people[role].reachable else ""
