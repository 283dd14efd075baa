"""The weekly look for dangers: our code, the flaws that were published of what is locked, and the tests of what attackers try."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg

from leadfactory.settings import ROOT, settings

TAGS = {"leadfactory/makes": "nothing"}  # its runs may go
WITHIN_S = 3600


class Look(dg.Config):
    """What is looked at. An image has neither the repository's history nor its tests, so secrets in files are left to `make security`."""

    root: str = str(ROOT)
    only: list[str] = ["code", "dependencies"]


class Tests(dg.Config):
    """Where the tests are."""

    folder: str = str(ROOT / "tests" / "security")


@dg.op
def review_security(context: dg.OpExecutionContext, config: Look) -> None:
    """Does what `make security` does, keeps the report under the home, and fails when a finding is open."""
    out = settings().home / "security_report.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    chosen = [part for name in config.only for part in ("--only", name)]
    _run([sys.executable, "-m", "ci.security", "--root", config.root, "--out", str(out), "--offline-ok", *chosen])
    told = json.loads(out.read_text())
    for look in told["looks"]:
        context.log.info(
            f"{look['tool']}: {look['status']}, {look['looked_at']} looked at, {len(look['accepted'])} accepted with a reason"
            + (f"; not done: {look['why_not']}" if look["why_not"] else "")
        )
    found = [each for look in told["looks"] for each in look["open"]] + told["accepted_but_not_found"]
    if found:
        raise dg.Failure(
            f"{len(found)} findings are open: see {out}, mend them, or say why not in config/security_accepted.yaml",
            metadata={"findings": dg.MetadataValue.json(found[:50])},
            allow_retries=False,
        )


@dg.op
def run_security_tests(context: dg.OpExecutionContext, config: Tests) -> None:
    """Runs tests/security on a database of their own, where this installation has the tests; an image has none."""
    if not Path(config.folder).is_dir():
        context.log.info(f"{config.folder} is not here: an image holds no tests; they run before it is built")
        return
    done = _run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", config.folder])
    told = (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
    context.log.info(told)
    if done.returncode:
        raise dg.Failure(f"the security tests failed: {told}", allow_retries=False)


@dg.job(executor_def=dg.in_process_executor, tags=TAGS)
def security_review() -> None:
    """Dangers in code and dependencies, and the tests of attacks."""
    review_security()
    run_security_tests()


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
