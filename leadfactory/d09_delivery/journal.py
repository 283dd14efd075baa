"""The send journal: each claimed send in an fsynced file outside Postgres before the vendor is called.

One file per hour, appended to and never rewritten. After a restore of the database the mailer replays the journal of the gap:
what it names was perhaps sent, whatever the restored rows say.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from leadfactory import crash_points
from leadfactory.campaign_day import CampaignDay


class Entry(NamedTuple):
    """One claimed send; the recipient only as a keyed hash."""

    send_id: uuid.UUID
    unit: CampaignDay
    address_hmac: bytes
    claimed_at: dt.datetime


def write(folder: Path, entries: Sequence[Entry]) -> None:
    """Appends the entries and returns when the disk has them.

    Raises:
        OSError: nothing may be sent that could not be journalled.
    """
    by_hour: dict[str, list[Entry]] = {}
    for entry in entries:
        by_hour.setdefault(f"{entry.claimed_at.astimezone(dt.UTC):%Y-%m-%dT%H}.jsonl", []).append(entry)
    if not by_hour:
        return
    crash_points.reached(crash_points.BEFORE_SYNC)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in by_hour.items():
        payload = ("\n" + "".join(_line(each) for each in lines)).encode()  # a line cut short before ends here
        handle = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(handle, payload)
            if written != len(payload):
                raise OSError(f"{folder / name}: only {written} of {len(payload)} bytes were written")
            os.fsync(handle)
        finally:
            os.close(handle)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)  # or a new hour's file itself may be lost
    finally:
        os.close(directory)
    crash_points.reached(crash_points.AFTER_SYNC)


def read(folder: Path) -> Iterator[Entry]:
    """All entries, oldest file first; a line that a crash cut short is left out, for its send never left."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().split("\n"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            yield Entry(
                uuid.UUID(found["send_id"]),
                CampaignDay.from_key(found["campaign_day"]),
                bytes.fromhex(found["address_hmac"]),
                dt.datetime.fromisoformat(found["claimed_at"]),
            )


def _line(entry: Entry) -> str:
    return (
        json.dumps(
            {
                "send_id": str(entry.send_id),
                "campaign_day": entry.unit.key,
                "address_hmac": entry.address_hmac.hex(),
                "claimed_at": entry.claimed_at.isoformat(),
            }
        )
        + "\n"
    )
