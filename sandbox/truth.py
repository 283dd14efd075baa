"""The truth log: what each vendor really accepted, whether or not its answer arrived. Append-only."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import IO, Any


class Truth:
    """Entries in memory, and one JSON line each in ``file`` when there is one."""

    def __init__(self, file: Path | None = None) -> None:
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._file: IO[str] | None = file.open("a", encoding="utf-8") if file is not None else None
        self.requests: Counter[str] = Counter()

    def accepted(self, vendor: str, kind: str, vendor_id: str, **facts: object) -> None:
        """Notes that ``vendor`` accepted a ``kind`` under its own id ``vendor_id``."""
        with self._lock:
            entry = {"number": len(self._entries) + 1, "vendor": vendor, "kind": kind, "id": vendor_id, **facts}
            self._entries.append(entry)
            if self._file is not None:
                self._file.write(json.dumps(entry, default=str) + "\n")
                self._file.flush()

    def of(self, vendor: str, kind: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Entries of a vendor after number ``since``, oldest first."""
        return [e for e in self._entries[since:] if e["vendor"] == vendor and kind in (None, e["kind"])]

    def counts(self) -> dict[str, int]:
        """``vendor/kind`` → entries."""
        return dict(Counter(f"{entry['vendor']}/{entry['kind']}" for entry in self._entries))

    def count_request(self, vendor: str, path: str, status: int | str) -> None:
        """Counts a request by vendor, first parts of its path and status."""
        self.requests[f"{vendor} {path} {status}"] += 1

    def renewed(self, seed: str) -> Truth:
        """An empty log that goes on in the same file, after a line that says so."""
        fresh = Truth()
        fresh._file = self._file
        if self._file is not None:
            self._file.write(json.dumps({"number": 0, "vendor": "sandbox", "kind": "reset", "id": seed}) + "\n")
            self._file.flush()
        return fresh
