"""`make test-fast`: the tests that are not marked slow, in two lanes beside each other; for the minute between two thoughts.

Each lane is one pytest with an embedded Postgres of its own; property tests look at a sample of their cases. The folders are dealt out
by what they cost, so that both lanes end at about the same time; tests/architecture sees to it that no folder is forgotten.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.examples import SAMPLED

TESTS = Path(__file__).resolve().parent
LANES = (
    (
        "unit/d09_delivery",
        "unit/d02_sourcing",
        "unit/d08_personalization",
        "unit/d11_experiments",
        "unit/d05_scoring",
        "unit/d06_reports",
        "unit/d00_gateway",
        "unit/test_seller.py",
    ),
    (
        "assets",
        "sensors",
        "schedules",
        "architecture",
        "unit/d01_targeting",
        "unit/d03_assessment",
        "unit/d04_enrichment",
        "unit/d07_storefront",
        "unit/d10_analytics",
        "unit/erasure",
        "unit/inbox",
    ),
)

# What starts servers and processes of its own or works for many seconds, and so is left to `make test`: suites, folders and files.
SLOW = (
    "sandbox/",
    "edge/",
    "monitoring/",
    "sandbox_clients/",
    "contract/",
    "migrations/",
    "cli/",
    "dbt/",
    "flow/",
    "embedded/",
    "races/",
    "careless/",
    "crash/",
    "simulation/",
    "times/",
    "reports/",
    "browser/",
    "dashboards/",
    "backup/",
    "security/",
    "runbook/",
    "deployment/",
    "unit/stores/",
    "unit/test_importing.py",  # starts processes
    "unit/test_outdated.py",  # asks pip
    # vendors, websites and name servers of the test's own, over sockets
    "unit/d00_gateway/website/",
    "unit/d00_gateway/test_breaker.py",
    "unit/d00_gateway/test_lean_wire.py",
    "unit/d00_gateway/test_limiter.py",
    "unit/d00_gateway/test_openai_client.py",
    "unit/d00_gateway/test_pagespeed_client.py",
    "unit/d00_gateway/test_places_client.py",
    "unit/d00_gateway/test_sendgrid_client.py",
    "unit/d00_gateway/test_smtp_client.py",
    "unit/d00_gateway/test_stripe_client.py",
    "unit/d00_gateway/test_transport.py",
    "unit/d00_gateway/test_yelp_client.py",
    "unit/d03_assessment/test_crawl_drills.py",
    "unit/d03_assessment/test_golden_sites.py",
    "unit/d09_delivery/test_sender_dns.py",
    # whole lakes, whole days
    "unit/d02_sourcing/test_splitting.py",
    "unit/d09_delivery/test_gates.py",
    "unit/d09_delivery/test_many_campaign_days.py",
    "unit/d09_delivery/test_races.py",
    "unit/d09_delivery/test_sequences.py",
    "unit/d10_analytics/test_agreeing.py",
    "unit/d10_analytics/test_compacting.py",
    "unit/d10_analytics/test_export.py",
    "unit/d10_analytics/test_lake_on_s3.py",
    "unit/erasure/test_erasing.py",
)


def is_slow(path: Path) -> bool:
    """Whether all tests of this file, named from tests/, are left to `make test`."""
    return path.as_posix().startswith(SLOW) or path.stem.endswith("_sandbox")


def main(arguments: list[str]) -> int:
    """Runs both lanes with pytest's ``arguments``; what each said comes out in one piece. Non-zero when one of them failed."""
    began = time.monotonic()
    # What pytest and Python compiled is kept, whatever the caller's shell says: the next run starts in half the time.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment[SAMPLED] = "1"
    running = []
    for lane in LANES:
        command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *arguments]
        command += [f"tests/{folder}" for folder in lane]
        said = tempfile.TemporaryFile()  # noqa: SIM115 - read below, when the lane is done; no pipe, which a forgotten server would hold open
        started = subprocess.Popen(command, cwd=TESTS.parent, env=environment, stdout=said, stderr=subprocess.STDOUT)
        running.append((started, said))
    codes, passed = [], 0
    for started, said in running:
        codes.append(started.wait())
        said.seek(0)
        text = said.read().decode(errors="replace")
        said.close()
        print(text, flush=True)
        found = re.search(r"(\d+) passed", text)
        passed += int(found[1]) if found else 0
    print(f"{passed} passed in {time.monotonic() - began:.0f} s, {len(LANES)} lanes")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
