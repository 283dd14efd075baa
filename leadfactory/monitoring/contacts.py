"""Who is told of an alert: the typed form of config/contacts.yaml or of the file that LEADFACTORY_CONTACTS names."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import pydantic

from leadfactory import yaml_config

PLACEHOLDER = "[Contact]"


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, str_min_length=1)


class Person(_Strict):
    """Somebody of ours, by role. ``slack`` is a handle or a member's id; null where a person has none."""

    name: str
    mail: str
    phone: str | None
    slack: str | None

    @property
    def reachable(self) -> bool:
        """Whether mail can be written to them."""
        return self.mail != PLACEHOLDER


class Level(_Strict):
    """Whom an alert reaches after it has fired so long; ``vendor``: they are asked to write to the vendor's support."""

    level: pydantic.PositiveInt
    after_minutes: pydantic.NonNegativeInt
    people: tuple[str, ...] = pydantic.Field(min_length=1)
    vendor: bool = False


class Contacts(_Strict):
    """The whole file."""

    as_of: dt.date
    people: dict[str, Person]
    vendors: dict[str, str]
    levels: tuple[Level, ...] = pydantic.Field(min_length=1)
    messages_per_ten_minutes: pydantic.PositiveInt

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Contacts:
        unknown = {name for level in self.levels for name in level.people} - set(self.people)
        if unknown:
            raise ValueError(f"levels name {', '.join(sorted(unknown))}, whom people does not list")
        minutes = [level.after_minutes for level in self.levels]
        if minutes != sorted(set(minutes)) or minutes[0] != 0:
            raise ValueError(f"levels begin at {minutes} minutes: the first at 0, each later than the one before")
        return self

    @property
    def placeholders(self) -> list[str]:
        """Each field that nobody has filled in, as ``on_call.mail``."""
        return [
            f"{role}.{field}"
            for role, person in self.people.items()
            for field in ("mail", "phone", "slack")
            if getattr(person, field) == PLACEHOLDER
        ]

    def told_at(self, level: int, contact: str | None) -> tuple[str, ...]:
        """The roles of a level; the first one's with the alert's own contact."""
        roles = list(self.levels[level].people)
        if level == 0 and contact in self.people and contact not in roles:
            roles.append(str(contact))
        return tuple(roles)


@functools.lru_cache(maxsize=4)
def contacts(path: Path | None = None) -> Contacts:
    """The checked file, read once a process; ``path`` is what LEADFACTORY_CONTACTS names.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("contacts", Contacts, path)


def problem(path: Path | None) -> str | None:
    """Why nobody would be reached; None when all are."""
    try:
        left = contacts(path).placeholders
    except yaml_config.ConfigError as error:
        return f"LEADFACTORY_CONTACTS: {error}"
    if not left:
        return None
    if path is None:
        return "LEADFACTORY_CONTACTS is missing: copy config/contacts.yaml, fill in people, and name the copy"
    return f"LEADFACTORY_CONTACTS={path} leaves {', '.join(left)} at {PLACEHOLDER}: fill them in, or write null for a phone or Slack that is not"


def page(told: Contacts) -> str:
    """People, levels and vendors as docs/runbook.md shows them; tests/runbook holds the page against the file."""
    lines = ["| role | mail | phone | Slack |", "|---|---|---|---|"]
    for person in told.people.values():
        lines.append(f"| {person.name} | {person.mail} | {person.phone or '–'} | {person.slack or '–'} |")
    lines += ["", "| level | an alert has fired for | who is told |", "|---|---|---|"]
    for level in told.levels:
        after = f"{level.after_minutes} min" if level.after_minutes else "at once"
        names = ", ".join(told.people[role].name for role in level.people)
        lines.append(f"| {level.level} | {after} | {names}{', asked to write to the vendor' if level.vendor else ''} |")
    lines += ["", "| vendor | support |", "|---|---|"]
    lines += [f"| {vendor} | {channel} |" for vendor, channel in told.vendors.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page(contacts()))
