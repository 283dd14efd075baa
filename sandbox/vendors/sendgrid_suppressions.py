"""SendGrid's suppression lists: what it will not deliver to, and why. The lists only; the endpoints are in sendgrid.py."""

from __future__ import annotations

from typing import Any

#: list -> the reason a mail to an address on it is dropped
DROP_REASONS = {
    "bounces": "Bounced Address",
    "spam_reports": "Spam Reporting Address",
    "unsubscribes": "Unsubscribed Address",
    "invalid_emails": "Invalid",
}
LISTS = (*DROP_REASONS, "blocks")  # a block is remembered, but the next mail is tried again


class Suppressions:
    """Entries by list and lower-case address."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in LISTS}

    def reason(self, address: str) -> str | None:
        """Why a mail to the address is dropped, or None."""
        if "." not in address.rpartition("@")[2]:
            self._entries["invalid_emails"].setdefault(
                address.lower(), {"created": 0, "email": address, "reason": "Known bad domain"}
            )
        return next((why for name, why in DROP_REASONS.items() if address.lower() in self._entries[name]), None)

    def learn(self, event: dict[str, Any]) -> None:
        """Keep what an event says about its address."""
        base = {"created": event["timestamp"], "email": event["email"]}
        match event["event"], event.get("type"):
            case "bounce", kind:
                name = "blocks" if kind == "blocked" else "bounces"
                self.add(name, base | {"reason": event["reason"], "status": event["status"]})
            case "spamreport", _:
                self.add("spam_reports", base | {"ip": "198.51.100.77"})
            case (("unsubscribe" | "group_unsubscribe"), _):
                self.add("unsubscribes", base)

    def add(self, name: str, entry: dict[str, Any]) -> None:
        """Put an entry on a list, or renew it."""
        self._entries[name][entry["email"].lower()] = entry

    def get(self, name: str, address: str) -> dict[str, Any] | None:
        """The entry of one address."""
        return self._entries[name].get(address.lower())

    def remove(self, name: str, address: str) -> bool:
        """Take one address off; False when it was not on the list."""
        return self._entries[name].pop(address.lower(), None) is not None

    def clear(self, name: str) -> None:
        """Take all addresses off a list."""
        self._entries[name].clear()

    def page(self, name: str, start: int, end: int, offset: int, limit: int, part: str) -> list[dict[str, Any]]:
        """Entries created in [start, end] (epoch seconds) whose address holds ``part``, newest first."""
        entries = [
            e
            for e in self._entries[name].values()
            if start <= e["created"] <= end and part.lower() in e["email"].lower()
        ]
        return sorted(entries, key=lambda e: -e["created"])[offset : offset + limit]
