"""Reads every byte of a stored backup: decrypts it, compares checksums, judges the cluster by its manifest, lists the dumps."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import tempfile
from pathlib import Path
from typing import IO, Any, cast

from leadfactory.backup import catalogue, files, physical, programs, wall
from leadfactory.backup.catalogue import Backup
from leadfactory.backup.keys import Keys
from leadfactory.backup.making import DUMPS, Told, quiet
from leadfactory.backup.store import Damaged, Store
from leadfactory.settings import Settings

STEPS = ("files", "parts", "cluster", "dumps")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What reading a whole backup found; nothing is wrong when ``problems`` is empty."""

    backup: Backup
    judged_by: str
    contents: int
    problems: list[str]
    at: dt.datetime


def verify(settings: Settings, store: Store, backup: Backup, *, told: Told = quiet) -> Verdict:
    """Reads and judges all of a backup.

    Raises:
        SettingsError: there is no key.
    """
    keys, problems, judged_by, saved = Keys.of(settings), [], "nobody", []
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix="verify-") as aside:
        told("parts", 1, len(STEPS))
        for name, part in backup.parts.items():
            try:
                with (Path(aside) / name).open("wb") as sink:
                    store.get(part.path, sink, keys, expected=part)
            except Damaged as error:
                problems.append(str(error))
        if not problems:
            told("cluster", 2, len(STEPS))
            if backup.cold:
                problems.append("it is a copy of a server that did not run: nothing proves that it starts")
            else:
                judged_by, found = _cluster(backup, Path(aside))
                problems += found
            told("dumps", 3, len(STEPS))
            problems += _dumps(backup, Path(aside))
            told("files", 4, len(STEPS))
            saved = files.listed((Path(aside) / "files.json").read_bytes())
            problems += list(files.damaged(store, keys, backup.key, saved))
    return Verdict(backup, judged_by, len(saved), problems, wall.now())


def newest_good(settings: Settings, store: Store) -> Verdict:
    """The newest regular backup that passes; older ones are tried when it does not. An emergency's would bring the damage back.

    Raises:
        NoBackup: none passes.
    """
    tried: list[Verdict] = []
    for backup in reversed(catalogue.regular(catalogue.every(store))):
        tried.append(verify(settings, store, backup))
        if not tried[-1].problems:
            return tried[-1]
    if not tried:
        raise catalogue.NoBackup(f"there is no regular backup in {store.url}: make one with `leadfactory backup`")
    told = "; ".join(f"{one.backup.id}: {one.problems[0]}" for one in tried[:3])
    raise catalogue.NoBackup(f"none of {len(tried)} backups passes: {told}")


def told_in(store: Store, backup: Backup, keys: Keys) -> dict[str, Any]:
    """What the backup says of its database, secrets and settings.

    Raises:
        Damaged: it cannot be read.
    """
    sink = io.BytesIO()
    part = backup.part("facts.json")
    store.get(part.path, cast(IO[bytes], sink), keys, expected=part)
    found: dict[str, Any] = json.loads(sink.getvalue())
    return found


def _cluster(backup: Backup, aside: Path) -> tuple[str, list[str]]:
    folder = aside / "cluster"
    folder.mkdir()
    for name in backup.parts:
        if name.endswith(".tar.gz") or name == physical.MANIFEST:
            (aside / name).rename(folder / name)
    try:
        return physical.verify(backup.major, folder)
    except (programs.ProgramFailed, OSError, ValueError, KeyError) as error:
        return "nobody", [f"the cluster cannot be judged: {error}"]


def _dumps(backup: Backup, aside: Path) -> list[str]:
    problems = []
    for name in DUMPS.values():
        if name not in backup.parts:
            problems.append(f"{name} is not in it")
            continue
        try:
            programs.run(backup.major, "pg_restore", "--list", str(aside / name))
        except programs.ProgramFailed as error:
            problems.append(f"{name}: {error}")
    return problems
