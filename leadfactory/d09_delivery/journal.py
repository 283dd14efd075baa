"""The send journal: files outside Postgres and its backups that say of each send whether it can have left.

One file per hour of the factory's clock, appended to and never rewritten. ``claimed`` lines are on disk before a claim commits,
``begun`` lines before the vendor is called; a ``called`` line is written right before each call and an ``answered`` one right after.
Those two wait for no disk: a process that is killed loses nothing that it wrote, a machine that falls may. So of a process that died
on a machine that still runs, what it had not called for provably did not leave (``release``) and what was answered is known
(``answers``): unknown is what was under way. After a restart of the machine the lines that were synced decide: what was claimed and
not begun did not leave. After a restore of the database ``read`` names what was perhaps sent since, whatever the restored rows say.

A file is locked while it is written, so that of a send that is being released and one that is being called exactly one wins.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import functools
import json
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from leadfactory import crash_points
from leadfactory.campaign_day import CampaignDay

Key = tuple[uuid.UUID, uuid.UUID | None]


class Entry(NamedTuple):
    """One claimed send; the recipient only as a keyed hash."""

    send_id: uuid.UUID
    unit: CampaignDay
    address_hmac: bytes
    claimed_at: dt.datetime
    claim_id: uuid.UUID | None = None

    @property
    def key(self) -> Key:
        """Which claim of the send it was; a send that was released is claimed again."""
        return self.send_id, self.claim_id


class Answer(NamedTuple):
    """What the mailer said: accepted, with its own id of the mail, or rejected, with the reason."""

    state: str
    reason: str | None = None
    message_id: str | None = None


class Claim(NamedTuple):
    """A claim as the ledger knows it."""

    send_id: uuid.UUID
    claim_id: uuid.UUID | None
    claimed_at: dt.datetime


def write(folder: Path, entries: Sequence[Entry]) -> None:
    """Appends sends that are handed over at once, without a claim of their own, and returns when the disk has them.

    Raises:
        OSError: nothing may be sent that could not be journalled.
    """
    _append(folder, entries, None)


def claimed(folder: Path, entries: Sequence[Entry]) -> None:
    """Appends what a transaction is about to claim and returns when the disk has it.

    Raises:
        OSError: nothing may be claimed that could not be journalled.
    """
    _append(folder, entries, "claimed")


def begin(folder: Path, entries: Sequence[Entry]) -> set[uuid.UUID]:
    """As ``claimed``, of what is handed over next: the sends that may leave, which are those not released."""
    return _append(folder, entries, "begun")


def call(folder: Path, entry: Entry) -> bool:
    """Notes that the mailer is called now for what was begun; False when it was released meanwhile and may not leave.

    Raises:
        OSError: it may not leave.
    """
    path = folder / _name(entry.claimed_at)
    with _locked(path) as handle:
        if _unreleased(path, [entry]):
            _put(path, handle, [entry], "called")
            return True
    return False


def answered(folder: Path, entry: Entry, answer: Answer) -> None:
    """Notes what the mailer said. Evidence only: without the line the send counts as unknown if this process dies now."""
    path = folder / _name(entry.claimed_at)
    with contextlib.suppress(OSError), _locked(path) as handle:
        _put(path, handle, [entry], "answered", answer._asdict())


def returned(folder: Path, entries: Sequence[Entry]) -> None:
    """Appends what was begun and provably did not leave after all. Not synced: without the line it counts as perhaps sent."""
    for path, mine in _by_hour(folder, entries):
        with _locked(path) as handle:
            _put(path, handle, mine, "returned")


def release(folder: Path, claims: Collection[Claim], *, dry_run: bool = False) -> set[uuid.UUID]:
    """Of claims of dead processes those that were made here and did not leave: they no longer can.

    A claim that this journal does not know was made on another machine: nobody here knows whether it left.
    """
    free: set[uuid.UUID] = set()
    by_path: dict[Path, list[Claim]] = {}
    for claim in claims:
        by_path.setdefault(folder / _name(claim.claimed_at), []).append(claim)
    for path, wanted in by_path.items():
        if not path.is_file():
            continue
        with _locked(path):
            stayed = _stayed(_lines(path))
            mine = [each for each in wanted if each[:2] in stayed]
            if mine and not dry_run:
                _write_released(_released(path), mine)
        free |= {each.send_id for each in mine}
    return free


def answers(folder: Path, claims: Collection[Claim]) -> dict[uuid.UUID, Answer]:
    """Of claims of dead processes what the mailer said to those that were answered."""
    found: dict[uuid.UUID, Answer] = {}
    wanted = {each[:2] for each in claims}
    for path in {folder / _name(claim.claimed_at) for claim in claims}:
        for line in _lines(path) if path.is_file() else ():
            if line.get("is") == "answered" and _key(line) in wanted:
                found[_key(line)[0]] = Answer(line["state"], line["reason"], line["message_id"])
    return found


def read(folder: Path) -> Iterator[Entry]:
    """What was perhaps handed over, oldest first; a line that a crash cut short is left out, for its send never left."""
    for path in sorted(folder.glob("*.jsonl")):
        perhaps: dict[Key, Entry] = {}
        for line in _lines(path):
            key, mark = _key(line), line.get("is")
            if mark in ("claimed", "called", "answered"):
                continue
            if mark == "returned":
                perhaps.pop(key, None)
            else:
                unit, address = CampaignDay.from_key(line["campaign_day"]), bytes.fromhex(line["address_hmac"])
                claimed_at = dt.datetime.fromisoformat(line["claimed_at"])
                perhaps[key] = Entry(key[0], unit, address, claimed_at, key[1])
        yield from perhaps.values()


def _append(folder: Path, entries: Sequence[Entry], mark: str | None) -> set[uuid.UUID]:
    if not entries:
        return set()
    left: set[uuid.UUID] = set()
    crash_points.reached(crash_points.BEFORE_SYNC)
    folder.mkdir(parents=True, exist_ok=True)
    new = False
    for path, each in _by_hour(folder, entries):
        mine, fresh = each, not path.exists()
        with _locked(path) as handle:
            if mark == "begun":
                mine = _unreleased(path, mine)
            if mine:
                _put(path, handle, mine, mark, {"boot": _boot()} if mark == "begun" else None)
                fcntl.flock(handle, fcntl.LOCK_UN)  # others see the lines; they need not wait for the disk
                os.fdatasync(handle)
        new = new or fresh
        left |= {entry.send_id for entry in mine}
    if new:
        _sync_folder(folder)  # or a new hour's file itself may be lost
    crash_points.reached(crash_points.AFTER_SYNC)
    return left


def _stayed(lines: Iterable[dict[str, Any]]) -> set[Key]:
    """The claims of a file that provably did not leave."""
    at: dict[Key, str] = {}
    boot: dict[Key, str | None] = {}
    for line in lines:
        key, mark = _key(line), line.get("is", "written")
        at[key] = mark
        if mark == "begun":
            boot[key] = line.get("boot")
    here = _boot()
    return {
        key
        for key, mark in at.items()
        if mark in ("claimed", "returned") or (mark == "begun" and here is not None and boot[key] == here)
    }


def _unreleased(path: Path, entries: list[Entry]) -> list[Entry]:
    if not _released(path).exists():
        return entries
    gone = {_key(line) for line in _lines(_released(path))}
    return [entry for entry in entries if entry.key not in gone]


@functools.cache
def _boot() -> str | None:
    """Which start of this machine it is: what was written since is there, synced or not. None where nobody tells."""
    told = Path("/proc/sys/kernel/random/boot_id")
    return told.read_text().strip() or None if told.exists() else None


def _by_hour(folder: Path, entries: Sequence[Entry]) -> Iterable[tuple[Path, list[Entry]]]:
    found: dict[Path, list[Entry]] = {}
    for entry in entries:
        found.setdefault(folder / _name(entry.claimed_at), []).append(entry)
    return sorted(found.items())


def _name(claimed_at: dt.datetime) -> str:
    return f"{claimed_at.astimezone(dt.UTC):%Y-%m-%dT%H}.jsonl"


def _released(path: Path) -> Path:
    return path.with_suffix(".released")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)  # and with it the lock


def _put(
    path: Path, handle: int, entries: Sequence[Entry], mark: str | None, more: Mapping[str, Any] | None = None
) -> None:
    lines = [_line(entry, mark, more or {}) for entry in entries]
    _write(path, handle, ("\n" + "".join(lines)).encode())  # a line cut short before ends here


def _write(path: Path, handle: int, payload: bytes) -> None:
    written = os.write(handle, payload)
    if written != len(payload):
        raise OSError(f"{path}: only {written} of {len(payload)} bytes were written")


def _sync_folder(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in path.read_text().split("\n"):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def _write_released(path: Path, claims: Sequence[Claim]) -> None:
    lines = [json.dumps({"send_id": str(each.send_id), "claim_id": str(each.claim_id)}) + "\n" for each in claims]
    with _locked(path) as handle:
        _write(path, handle, ("\n" + "".join(lines)).encode())
        os.fsync(handle)
    _sync_folder(path.parent)


def _key(line: dict[str, Any]) -> Key:
    claim_id = line.get("claim_id")
    return uuid.UUID(line["send_id"]), None if claim_id is None else uuid.UUID(claim_id)


def _line(entry: Entry, mark: str | None, more: Mapping[str, Any]) -> str:
    line: dict[str, Any] = {
        "send_id": str(entry.send_id),
        "campaign_day": entry.unit.key,
        "address_hmac": entry.address_hmac.hex(),
        "claimed_at": entry.claimed_at.isoformat(),
    }
    if entry.claim_id is not None:
        line["claim_id"] = str(entry.claim_id)
    if mark is not None:
        line["is"] = mark
    return json.dumps(line | dict(more)) + "\n"
