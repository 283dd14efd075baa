"""How a secret changes while everything runs: first both values are known everywhere, then the new one is used, then the old one goes.

Secrets that are lists (newest first) hold two values by themselves. Vendors' API keys are two live values at the vendor, and one here.
Values live in mounted files (``<NAME>_FILE``); nothing here prints one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Step = Literal["add", "promote", "retire"]


class NotRotated(ValueError):
    """The secret stays as it is; the message names what, why and the remedy."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One secret: its variable, whether it is a list, and what may not be taken out of it."""

    variable: str
    listed: bool = False
    kept_for_ever: str = ""
    make: Callable[[], str] | None = None


def _age() -> str:
    from pyrage import x25519

    return str(x25519.Identity.generate())


KINDS = {
    "secret-key": Kind(
        "LEADFACTORY_SIGNING_KEYS", True, "unsubscribe links under it live for ever", lambda: secrets.token_urlsafe(32)
    ),
    "backup-key": Kind("LEADFACTORY_BACKUP_KEYS", True, "older backups open with it alone", _age),
    "stripe-webhook": Kind("STRIPE_WEBHOOK_SECRET", True),
    "sendgrid-webhook": Kind("SENDGRID_WEBHOOK_PUBLIC_KEY", True),
    "sendgrid-inbound": Kind("SENDGRID_INBOUND_PUBLIC_KEY", True),
    "yelp": Kind("YELP_API_KEY"),
    "google": Kind("GOOGLE_API_KEY"),
    "openai": Kind("OPENAI_API_KEY"),
    "sendgrid": Kind("SENDGRID_API_KEY"),
    "stripe": Kind("STRIPE_API_KEY"),
}


@dataclasses.dataclass(frozen=True)
class Rotated:
    """What a step did, in fingerprints, the value in use first."""

    variable: str
    step: Step
    before: tuple[str, ...]
    after: tuple[str, ...]


def file_of(kind: Kind) -> Path:
    """Where the secret's value lives.

    Raises:
        NotRotated: it does not come from a mounted file.
    """
    path = os.environ.get(f"{kind.variable}_FILE")
    if not path or os.environ.get(kind.variable):
        raise NotRotated(
            f"{kind.variable} does not come from a file: put its value into one, set {kind.variable}_FILE to its path and unset "
            f"{kind.variable}"
        )
    return Path(path)


def rotate(kind: Kind, step: Step, value: str | None, *, dry_run: bool = False) -> Rotated:
    """One step of the change. ``value``: the new one where we cannot make it.

    ``add`` puts it last in a list, so that every process started from now on accepts both while none uses it yet; ``promote`` puts
    the last first; ``retire`` leaves the first alone. What is no list is replaced by ``add``.

    Raises:
        NotRotated: the step does not fit; nothing was written.
    """
    file = file_of(kind)
    before = (
        [part.strip() for part in file.read_text().split(",") if part.strip()]
        if kind.listed
        else [file.read_text().strip()]
    )
    after = _after(kind, step, before, value)
    if not dry_run:
        _write(file, ",".join(after))
    return Rotated(kind.variable, step, tuple(map(fingerprint, before)), tuple(map(fingerprint, after)))


def fingerprint(value: str) -> str:
    """Tells values apart without telling them."""
    return hashlib.sha256(value.encode()).hexdigest()[:12]


def _after(kind: Kind, step: Step, before: list[str], value: str | None) -> list[str]:
    if step == "add":
        new = value if value is not None else kind.make() if kind.make else None
        if not new or "," in new or not new.isprintable() or " " in new:
            raise NotRotated(
                f"{kind.variable}: give the new value with --value-file, one line without a comma or a space"
            )
        if new in before:
            raise NotRotated(f"{kind.variable} has this value already: nothing to add")
        if kind.listed and len(before) > 1 and not kind.kept_for_ever:
            raise NotRotated(f"{kind.variable} holds two values already: --retire the old one first")
        return [*before, new] if kind.listed else [new]
    if not kind.listed:
        raise NotRotated(
            f"{kind.variable} is one value and no list: rotating it replaces it, and there is nothing to {step}"
        )
    if len(before) < 2:
        raise NotRotated(f"{kind.variable} holds one value: there is nothing to {step}")
    if step == "promote":
        return [before[-1], *before[:-1]]
    if kind.kept_for_ever:
        raise NotRotated(f"{kind.variable}: the old value stays listed, for {kind.kept_for_ever}")
    return before[:1]


def _write(file: Path, text: str) -> None:
    """One rename, readable by its owner alone, as a mount of ours would be."""
    beside = file.with_name(f".{file.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as sink:
        sink.write(text + "\n")
        sink.flush()
        os.fsync(sink.fileno())
    beside.replace(file)
