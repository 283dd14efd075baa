"""`make outdated`: what is newer than the lock, and the pin that holds each: ours, or that of a package that needs it."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def ours(text: str) -> dict[str, str]:
    """Package → the line of requirements.in that pins it; empty where any version will do."""
    found = {}
    for line in text.splitlines():
        stripped = line.partition("#")[0].strip()
        if stripped:
            wanted = Requirement(stripped)
            found[canonicalize_name(wanted.name)] = str(wanted.specifier)
    return found


def theirs(name: str, newest: str) -> list[str]:
    """Installed packages whose requirement does not take ``newest`` of ``name``, with that requirement."""
    found = []
    for installed in importlib.metadata.distributions():
        for line in installed.requires or []:
            wanted = Requirement(line)
            applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
            if (
                canonicalize_name(wanted.name) == name
                and applies
                and not wanted.specifier.contains(newest, prereleases=True)
            ):
                found.append(f"{installed.metadata['Name']} needs {wanted.name}{wanted.specifier}")
    return sorted(set(found))


def holds(name: str, newest: str, pins: dict[str, str]) -> str:
    """Why ``newest`` of ``name`` is not in the lock."""
    name = canonicalize_name(name)
    held = [f"requirements.in: {name}{pins[name]}"] if pins.get(name) and newest not in _spec(pins[name]) else []
    held += theirs(name, newest)
    return "; ".join(held) or "nothing: `make lock` after removing its lines takes it"


def _spec(text: str):  # type: ignore[no-untyped-def]
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(text, prereleases=True)


def main() -> int:
    """Prints one line a package; exit code 1 when the registry cannot be asked."""
    uv = Path(sys.executable).with_name("uv")
    asked = subprocess.run(
        [str(uv), "pip", "list", "--outdated", "--format", "json", "--python", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        print(f"the registry cannot be asked: {asked.stderr.strip()}", file=sys.stderr)
        return 1
    pins = ours((ROOT / "requirements.in").read_text())
    rows = [
        (each["name"], each["version"], each["latest_version"])
        for each in json.loads(re.sub(r"^[^\[]*", "", asked.stdout, count=1))
    ]
    for name, version, newest in rows:
        print(f"{name:<32}{version:<16}{newest:<16}held by {holds(name, newest, pins)}")
    print(f"{len(rows)} packages have newer versions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
