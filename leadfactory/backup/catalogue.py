"""Which backups lie in a store: each one's list of contents, the newest, the one for a moment, and those whose time is over."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import secrets
from typing import Any

from leadfactory.backup.store import Part, Store

CONTENTS = "manifest.json"
BACKUPS, FORMAT = "backups", 1
EMERGENCY = "emergency"


class NoBackup(LookupError):
    """There is no such backup; the message names those that there are, or the command that makes one."""


@dataclasses.dataclass(frozen=True)
class Backup:
    """A complete backup: its contents are written last, so what has none is not one."""

    id: str
    kind: str
    started_at: dt.datetime
    finished_at: dt.datetime
    major: int
    system: str
    timeline: int
    wal_from: str
    wal_to: str
    key: str
    parts: dict[str, Part]
    added: int
    cold: bool = False
    segment_bytes: int = 16 * 2**20

    @property
    def bytes(self) -> int:
        """What it added to the store, encrypted."""
        return sum(part.bytes for part in self.parts.values()) + self.added

    def part(self, name: str) -> Part:
        """One of its files.

        Raises:
            NoBackup: it has none of that name.
        """
        if name not in self.parts:
            raise NoBackup(f"backup {self.id} has no {name}: it has {', '.join(sorted(self.parts))}")
        return self.parts[name]


def new_id(now: dt.datetime) -> str:
    """A name that sorts by time; two of one second differ."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def folder(backup_id: str) -> str:
    """Where its files lie."""
    return f"{BACKUPS}/{backup_id}"


def publish(store: Store, backup: Backup) -> None:
    """Writes the list of contents, which makes the backup one."""
    told = {"format": FORMAT, **dataclasses.asdict(backup)}
    store.put_plain(f"{folder(backup.id)}/{CONTENTS}", json.dumps(told, indent=1, default=_json).encode())


def every(store: Store) -> list[Backup]:
    """All complete backups, the oldest first."""
    names = [name for name in store.sizes(BACKUPS) if name.endswith(f"/{CONTENTS}")]
    return sorted((_read(store.get_plain(name)) for name in names), key=lambda one: one.id)


def regular(backups: list[Backup]) -> list[Backup]:
    """Those that were made of a sound database. An emergency's holds the damage as it was: it is restored by its id alone."""
    return [one for one in backups if one.kind != EMERGENCY]


def find(store: Store, wanted: str) -> Backup:
    """``latest`` (of the regular ones) or the backup of that id.

    Raises:
        NoBackup: there is none.
    """
    found = every(store)
    if not found:
        raise NoBackup(f"there is no backup in {store.url}: make one with `leadfactory backup`")
    if wanted == "latest" and regular(found):
        return regular(found)[-1]
    if wanted == "latest":
        named = ", ".join(one.id for one in found[-3:])
        raise NoBackup(
            f"{store.url} has emergency backups only, with whatever was damaged: name one with --backup: {named}"
        )
    for one in found:
        if one.id == wanted:
            return one
    raise NoBackup(
        f"--backup={wanted!r} is not in {store.url}; the newest are {', '.join(one.id for one in found[-3:])}"
    )


def before(store: Store, moment: dt.datetime) -> Backup:
    """The newest backup that was complete at ``moment``: from it the WAL leads there.

    Raises:
        NoBackup: all are younger.
    """
    found = [one for one in regular(every(store)) if one.finished_at <= moment and not one.cold]
    if not found:
        oldest = min((one.finished_at for one in every(store)), default=None)
        told = f"the oldest ends at {oldest:%Y-%m-%d %H:%M:%S} UTC" if oldest else f"there is none in {store.url}"
        raise NoBackup(f"--timestamp={moment:%Y-%m-%d %H:%M:%S} UTC is before every backup: {told}")
    return found[-1]


def over(backups: list[Backup], now: dt.datetime, days: int) -> list[Backup]:
    """Those whose retention is over. Every moment of the last ``days`` stays restorable: the newest older one is kept for it."""
    cutoff = now - dt.timedelta(days=days)
    old = [one for one in backups if one.finished_at < cutoff]
    kept = (regular(old) or old)[-1:]
    return [one for one in old if one not in kept]


def _json(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


def _read(content: bytes) -> Backup:
    told = json.loads(content)
    if told.pop("format") != FORMAT:
        raise NoBackup("the store holds backups of a newer LeadFactory: use that one")
    moments = {name: dt.datetime.fromisoformat(told[name]) for name in ("started_at", "finished_at")}
    parts = {name: Part(**part) for name, part in told["parts"].items()}
    return Backup(**{**told, **moments, "parts": parts})
