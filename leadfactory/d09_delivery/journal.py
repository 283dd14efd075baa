"""The send journal: each claimed send, fsynced before it is handed to the vendor, in a file per hour outside Postgres.

After a restore of the database it says what had left the house: those sends are ``unknown``, never sent again.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from leadfactory.campaign_day import CampaignDay


def write(folder: Path, sends: Sequence[tuple[uuid.UUID, CampaignDay, bytes]], now: dt.datetime) -> None:
    """Appends one line per (send, campaign-day, address hash) and returns when the disk has them.

    Raises:
        OSError: when the disk does not take them; nothing may be sent then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y-%m-%dT%H}.jsonl"
    lines = "".join(
        json.dumps(
            {"send_id": str(send), "campaign_day": unit.key, "address_hmac": hmac.hex(), "claimed_at": now.isoformat()}
        )
        + "\n"
        for send, unit, hmac in sends
    )
    fresh = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, lines.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if fresh:
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def read(folder: Path) -> Iterator[Mapping[str, str]]:
    """Every whole line of every hour, oldest first; a line that a crash cut short never left the house."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
