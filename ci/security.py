"""`make security`: reads our code, our files and our dependencies for what is dangerous, and writes one report of it.

Four looks: the code (bandit), secrets in files under version control (detect-secrets), known flaws of locked dependencies (pip-audit),
and the list of parts (CycloneDX). A finding is open until config/security_accepted.yaml says in words why it is accepted; an entry there
that fits nothing any more is open too. A look that could not be done is told as not done: with one, the report is never clean.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import fnmatch
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pydantic

from leadfactory import yaml_config

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CODE = ("leadfactory", "leadfactory_assets", "resources", "sensors", "schedules", "edge", "cli", "sandbox")
UNREAD = ("requirements.lock", "*.png", "*.pdf", "*.parquet", "tests/fixtures/*")  # hashes of packages, and no text
# A release with published flaws: when the audit finds none of these, it was not answered.
CANARY = "jinja2==2.10\n"
TIMEOUT_S = 900
LOOKS = {
    "code": "the code",
    "secrets": "secrets in files",
    "dependencies": "flaws of dependencies",
    "parts": "the list of parts",
}
Status = Literal["clean", "findings", "not_done"]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Accepted(_Strict):
    """Findings of one rule in these files, and why they are no danger."""

    tool: Literal["bandit", "detect-secrets", "pip-audit"]
    rule: str
    files: tuple[str, ...] = pydantic.Field(min_length=1)
    reason: str = pydantic.Field(min_length=20)


class AcceptedFile(_Strict):
    """config/security_accepted.yaml."""

    as_of: dt.date
    accepted: tuple[Accepted, ...]


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a tool found; ``reason`` is why it is accepted, None while it is open. Never a secret itself."""

    tool: str
    rule: str
    file: str
    line: int | None
    severity: str
    what: str
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Look:
    """One tool's outcome."""

    tool: str
    status: Status
    looked_at: int
    findings: tuple[Finding, ...]
    why_not: str | None = None


def bandit(root: Path, code: Sequence[str]) -> Look:
    """Dangerous constructs in our code."""
    found = _json([str(BIN / "bandit"), "-q", "-f", "json", "-r", *code], root)
    if isinstance(found, str):
        return Look("bandit", "not_done", 0, (), found)
    if found["errors"]:
        return Look(
            "bandit", "not_done", 0, (), f"{len(found['errors'])} files could not be read: {found['errors'][0]}"
        )
    findings = [
        Finding("bandit", each["test_id"], os.path.relpath(root / each["filename"], root), each["line_number"],
                each["issue_severity"].lower(), each["issue_text"].splitlines()[0])
        for each in found["results"]
    ]  # fmt: skip
    files = sum(1 for name in found["metrics"] if name != "_totals")
    return Look(
        "bandit", "clean" if files else "not_done", files, tuple(findings), None if files else "no file was read"
    )


def secrets(root: Path, files: Sequence[str]) -> Look:
    """What looks like a secret in these files."""
    found = _json([str(BIN / "detect-secrets"), "-C", str(root), "scan", *files], root)
    if isinstance(found, str):
        return Look("detect-secrets", "not_done", 0, (), found)
    findings = [
        Finding("detect-secrets", each["type"], name, each["line_number"], "high", f"looks like: {each['type']}")
        for name, several in found["results"].items()
        for each in several
    ]
    return Look("detect-secrets", "clean" if files else "not_done", len(files), tuple(findings))


def dependencies(root: Path, lock: Path) -> Look:
    """Published flaws of what is locked. The advisories must also know the canary's flaws, else nobody answered."""
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary.txt"
        canary.write_text(CANARY)
        known = audited(_audit(canary, root))
    if known.status == "not_done" or not known.findings:
        why = known.why_not or "the advisories know no flaw of a release that has some"
        return Look("pip-audit", "not_done", 0, (), f"the database of advisories could not be asked: {why}")
    return audited(_audit(lock, root))


def audited(found: Any) -> Look:
    """The outcome in pip-audit's answer; what it skipped was not audited, whatever its exit code says."""
    if isinstance(found, str):
        return Look("pip-audit", "not_done", 0, (), found)
    skipped = [each for each in found["dependencies"] if "skip_reason" in each]
    looked = [each for each in found["dependencies"] if "skip_reason" not in each]
    findings = tuple(
        Finding("pip-audit", flaw["id"], f"{each['name']}=={each['version']}", None, "high",
                f"mended in {', '.join(flaw['fix_versions']) or 'no release yet'}")
        for each in looked
        for flaw in each["vulns"]
    )  # fmt: skip
    if skipped or not looked:
        why = f"{len(skipped)} of {len(found['dependencies'])} packages were not audited"
        why += f": {skipped[0]['skip_reason']}" if skipped else ""
        return Look("pip-audit", "not_done", len(looked), findings, why)
    return Look("pip-audit", "clean", len(looked), findings)


def parts(root: Path, lock: Path, out: Path) -> Look:
    """Writes the list of parts of the lock, with versions and hashes, as CycloneDX."""
    arguments = ["requirements", str(lock), "--output-reproducible", "--of", "JSON", "-o", str(out)]
    done = _run([str(BIN / "cyclonedx-py"), *arguments], root)
    if isinstance(done, str) or not out.is_file():
        return Look("cyclonedx", "not_done", 0, (), done if isinstance(done, str) else done.stderr.strip()[-300:])
    components = json.loads(out.read_text())["components"]
    return Look("cyclonedx", "clean" if components else "not_done", len(components), ())


def judged(looks: Sequence[Look], accepted: Sequence[Accepted]) -> tuple[list[Look], list[Accepted]]:
    """The looks with the reasons of what is accepted, each clean only without an open finding; and the entries that fit nothing."""
    used: set[int] = set()

    def reason(finding: Finding) -> str | None:
        for number, entry in enumerate(accepted):
            fits = any(fnmatch.fnmatch(finding.file, pattern) for pattern in entry.files)
            if (entry.tool, entry.rule) == (finding.tool, finding.rule) and fits:
                used.add(number)
                return entry.reason
        return None

    told = []
    for look in looks:
        findings = tuple(dataclasses.replace(each, reason=reason(each)) for each in look.findings)
        is_open = any(each.reason is None for each in findings)
        status: Status = "findings" if is_open else look.status
        told.append(dataclasses.replace(look, findings=findings, status=status))
    done = {look.tool for look in looks if look.status != "not_done"}
    stale = [entry for number, entry in enumerate(accepted) if number not in used and entry.tool in done]
    return told, stale


def report(looks: Sequence[Look], stale: Sequence[Accepted], sbom: Path) -> dict[str, Any]:
    """The whole report. ``status``: findings before incomplete before clean."""
    statuses = {look.status for look in looks}
    status = "findings" if "findings" in statuses or stale else "incomplete" if "not_done" in statuses else "clean"
    return {
        "format": 1,
        "status": status,
        "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "looks": [
            {
                "tool": look.tool, "status": look.status, "looked_at": look.looked_at, "why_not": look.why_not,
                "open": [dataclasses.asdict(each) for each in look.findings if each.reason is None],
                "accepted": [dataclasses.asdict(each) for each in look.findings if each.reason is not None],
            }
            for look in looks
        ],
        "accepted_but_not_found": [entry.model_dump() for entry in stale],
        "sbom": {"file": sbom.name, "sha256": hashlib.sha256(sbom.read_bytes()).hexdigest()} if sbom.is_file() else None,
    }  # fmt: skip


def main() -> int:
    """Exit code 0 when clean, 1 with an open finding, 2 when a look could not be done (0 with --offline-ok, which stays incomplete)."""
    parser = argparse.ArgumentParser(prog="make security", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "security_report.json")
    parser.add_argument("--root", type=Path, default=ROOT, help="look at this tree instead, by its own list of reasons")
    parser.add_argument("--only", action="append", choices=LOOKS, help="do this look alone; can be repeated")
    parser.add_argument("--offline-ok", action="store_true", help="do not fail when the advisories cannot be asked")
    chosen = parser.parse_args()
    sbom = chosen.out.with_name("sbom.json")
    sbom.unlink(missing_ok=True)
    root, lock = chosen.root, chosen.root / "requirements.lock"
    accepted = _accepted(root)
    work: dict[str, Callable[[], Look]] = {
        "code": lambda: bandit(root, [name for name in CODE if (root / name).is_dir()]),
        "secrets": lambda: secrets(root, _listed(root)),
        "dependencies": lambda: dependencies(root, lock),
        "parts": lambda: parts(root, lock, sbom),
    }
    looks = []
    for name in chosen.only or LOOKS:
        print(f"looking at {LOOKS[name]} ...", flush=True)
        looks.append(work[name]())
    told, stale = judged(looks, accepted)
    made = report(told, stale, sbom)
    chosen.out.write_text(json.dumps(made, indent=2, default=str) + "\n")
    _print(told, stale)
    print(f"{made['status']}: {chosen.out.name}, {sbom.name}")
    return {"clean": 0, "findings": 1, "incomplete": 0 if chosen.offline_ok else 2}[made["status"]]


def _accepted(root: Path) -> tuple[Accepted, ...]:
    if root == ROOT:
        return yaml_config.load("security_accepted", AcceptedFile).accepted
    file = root / "config" / "security_accepted.yaml"
    return yaml_config.load("security_accepted", AcceptedFile, file).accepted if file.is_file() else ()


def _listed(root: Path) -> list[str]:
    """The files under version control that hold text."""
    listed = _run(["git", "ls-files"], root)
    names = [] if isinstance(listed, str) else listed.stdout.splitlines()
    return [name for name in names if not any(fnmatch.fnmatch(name, each) for each in UNREAD)]


def _print(looks: Sequence[Look], stale: Sequence[Accepted]) -> None:
    for look in looks:
        waived = sum(each.reason is not None for each in look.findings)
        print(f"  {look.tool:<16} {look.status:<9} {look.looked_at} looked at, {waived} accepted with a reason")
        if look.why_not:
            print(f"    NOT DONE: {look.why_not}")
        for each in look.findings:
            if each.reason is None:
                print(f"    OPEN {each.severity} {each.rule} {each.file}:{each.line or ''} {each.what}")
    for entry in stale:
        print(f"    OPEN accepted but not found any more: {entry.tool} {entry.rule} {', '.join(entry.files)}")


def _audit(requirements: Path, root: Path) -> Any:
    arguments = ["-r", str(requirements), "--no-deps", "--disable-pip", "-f", "json", "--progress-spinner", "off"]
    return _json([str(BIN / "pip-audit"), *arguments], root)


def _json(arguments: Sequence[str], root: Path) -> Any:
    """What a tool printed as JSON; a sentence when it printed none."""
    done = _run(arguments, root)
    if isinstance(done, str):
        return done
    try:
        return json.loads(done.stdout)
    except ValueError:
        return f"exit code {done.returncode}: {(done.stderr.strip() or 'nothing was said')[-300:]}"


def _run(arguments: Sequence[str], root: Path) -> subprocess.CompletedProcess[str] | str:
    try:
        return subprocess.run(arguments, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{Path(arguments[0]).name} cannot be run: {error}"


def _commit() -> str | None:
    done = _run(["git", "rev-parse", "HEAD"], ROOT)
    return None if isinstance(done, str) or done.returncode else done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
