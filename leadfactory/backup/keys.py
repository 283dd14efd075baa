"""Who can read a backup: age identities (X25519), kept outside of it. Anybody's `age` program reads what is written here.

LEADFACTORY_BACKUP_KEYS lists them, newest first: the newest encrypts, every one listed decrypts. Development makes one under the home.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import IO, Any

from leadfactory.settings import Settings, SettingsError

ENVIRONMENT = "LEADFACTORY_BACKUP_KEYS"


class CannotDecrypt(ValueError):
    """None of the listed keys opens it, or it is damaged; the message says what to do."""


class Keys:
    """The identities of one process."""

    def __init__(self, identities: list[str]) -> None:
        """``identities``: each as ``AGE-SECRET-KEY-1…``, newest first.

        Raises:
            SettingsError: for what is no age identity; the message does not repeat it.
        """
        from pyrage import IdentityError, x25519

        try:
            self._identities: list[Any] = [x25519.Identity.from_str(each) for each in identities]
        except IdentityError as error:
            raise SettingsError(
                f"{ENVIRONMENT} holds something that is no age identity ({error}): make one with `age-keygen`, it begins "
                "with AGE-SECRET-KEY-1"
            ) from None
        public = str(self._identities[0].to_public())
        self.fingerprint = hashlib.sha256(public.encode()).hexdigest()[:16]

    @classmethod
    def of(cls, settings: Settings) -> Keys:
        """The keys of LEADFACTORY_BACKUP_KEYS; outside production, without one, a key of the home's own.

        Raises:
            SettingsError: production has none, or one of them is no age identity.
        """
        listed = [each.strip() for each in settings.backup_keys.get_secret_value().split(",") if each.strip()]
        if listed:
            return cls(listed)
        if settings.env == "production":
            raise SettingsError(
                f"{ENVIRONMENT} is missing: make a key with `age-keygen`, keep it where no backup is, and set the variable"
            )
        return cls([_own(settings)])

    def encrypt(self, source: IO[bytes], sink: IO[bytes]) -> None:
        """Encrypts ``source`` to its end into ``sink`` for the newest key."""
        import pyrage

        pyrage.encrypt_io(source, sink, [self._identities[0].to_public()])

    def decrypt(self, source: IO[bytes], sink: IO[bytes]) -> None:
        """Decrypts ``source`` to its end into ``sink``.

        Raises:
            CannotDecrypt: with none of the keys, or it was changed since it was written.
        """
        import pyrage

        try:
            pyrage.decrypt_io(source, sink, self._identities)
        except (pyrage.DecryptError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk, and not of what is on it
            raise CannotDecrypt(
                f"it is damaged, or no key of {ENVIRONMENT} opens it ({error}): list the key that was the newest when it was "
                "written, or take another backup"
            ) from None


def _own(settings: Settings) -> str:
    from pyrage import x25519

    path = settings.home / "backup.key"
    settings.home.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # two processes may need it first
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as sink:
            sink.write(f"{x25519.Identity.generate()}\n")
    return path.read_text().strip()
