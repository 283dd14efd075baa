"""`make security`: what is dangerous is found, what could not be looked at is said, and nothing is accepted without a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci import security
from ci.security import Accepted, AcceptedFile, Finding, Look
from leadfactory import yaml_config
from leadfactory.yaml_config import ConfigError

REASON = "a reason that is long enough to be one"
FLAW = Finding("bandit", "B602", "leadfactory/x.py", 3, "high", "shell")
AUDITED = {"name": "a", "version": "1.0", "vulns": []}
AWS = "AKIA" + "IOSFODNN7EXAMPLE"  # in two parts: this file is looked through too
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "bad.py").write_text("import subprocess\nsubprocess.run(input(), shell=True)\n")
    (tmp_path / "settings.txt").write_text(f'aws = "{AWS}"\npassword = "hunter2hunter2hunter2"\n')
    return tmp_path


def test_a_dangerous_line_of_code_is_found(tree):
    found = security.bandit(tree, ["code"])
    assert ("B602", "code/bad.py", 2) in {(each.rule, each.file, each.line) for each in found.findings}


def test_code_that_is_not_there_was_not_looked_at(tree):
    assert security.bandit(tree, ["nowhere"]).status == "not_done"


def test_a_secret_in_a_file_is_found_and_is_not_in_the_report(tree):
    found = security.secrets(tree, ["settings.txt"])
    assert {each.rule for each in found.findings} == {"AWS Access Key", "Secret Keyword"}
    assert not any(secret in str(found) for secret in (AWS, "hunter2"))


def test_the_list_of_parts_has_each_locked_release_with_its_hash(tree):
    lock = tree / "requirements.lock"
    lock.write_text(f"idna==3.10 \\\n    --hash=sha256:{'a' * 64}\n")
    found = security.parts(tree, lock, tree / "sbom.json")
    (part,) = json.loads((tree / "sbom.json").read_text())["components"]
    assert (found.status, part["name"], part["version"]) == ("clean", "idna", "3.10")
    assert "a" * 64 in json.dumps(part)


def test_an_audit_that_skipped_a_package_was_not_done():
    found = security.audited({"dependencies": [AUDITED, SKIPPED]})
    assert (found.status, found.looked_at) == ("not_done", 1)
    assert "1 of 2 packages were not audited" in str(found.why_not)


def test_an_audit_of_nothing_and_one_that_did_not_run_were_not_done():
    assert security.audited({"dependencies": []}).status == "not_done"
    assert security.audited("exit code 1: no network").why_not == "exit code 1: no network"


def test_a_published_flaw_is_a_finding_with_the_release_that_mends_it():
    flaw = {"id": "PYSEC-1", "fix_versions": ["1.1"], "description": ""}
    (found,) = security.audited({"dependencies": [AUDITED | {"vulns": [flaw]}]}).findings
    assert (found.rule, found.file, found.what) == ("PYSEC-1", "a==1.0", "mended in 1.1")


def entry(**changes):
    values = {"tool": "bandit", "rule": "B602", "files": ("leadfactory/*",), "reason": REASON}
    return Accepted(**values | changes)


def told(entries, look=None):
    looks, stale = security.judged([look or Look("bandit", "clean", 1, (FLAW,))], entries)
    return security.report(looks, stale, Path("/nonexistent/sbom.json"))


def test_a_finding_is_open_until_a_reason_accepts_it():
    assert told([])["status"] == "findings"
    made = told([entry()])
    assert (made["status"], made["looks"][0]["accepted"][0]["reason"]) == ("clean", REASON)


@pytest.mark.parametrize("changes", [{"rule": "B603"}, {"files": ("edge/*",)}, {"tool": "pip-audit"}])
def test_a_reason_for_something_else_accepts_nothing(changes):
    assert len(told([entry(**changes)])["looks"][0]["open"]) == 1


def test_a_reason_whose_finding_is_gone_is_open_itself():
    made = told([entry()], Look("bandit", "clean", 1, ()))
    assert (made["status"], len(made["accepted_but_not_found"])) == ("findings", 1)


def test_a_look_that_was_not_done_is_never_clean():
    assert told([], Look("pip-audit", "not_done", 0, (), "no network"))["status"] == "incomplete"


def test_the_report_is_one_valid_document():
    made = json.loads(json.dumps(told([entry()]), default=str))
    assert set(made) == {"format", "status", "made_at", "commit", "looks", "accepted_but_not_found", "sbom"}


def test_nothing_is_accepted_without_a_reason(tmp_path):
    file = tmp_path / "accepted.yaml"
    file.write_text("as_of: 2026-11-30\naccepted:\n  - {tool: bandit, rule: B1, files: [x], reason: ok}\n")
    with pytest.raises(ConfigError, match=r"accepted\.0\.reason"):
        yaml_config.load("security_accepted", AcceptedFile, file)
    assert yaml_config.load("security_accepted", AcceptedFile).accepted
