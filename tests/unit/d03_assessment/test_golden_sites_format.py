"""The golden websites are written as tests/fixtures/sites/README.md says, and together they serve every kind that our crawl decides.

Only the form is checked here: what a site's findings are is the business of whoever judges it by the definitions.
"""

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[3]
SITES = ROOT / "tests" / "fixtures" / "sites"
# The C loader reads the same YAML ten times as fast; it is missing where PyYAML was built without libyaml.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def parsed(path: Path) -> dict[str, Any]:
    content = yaml.load(path.read_text(encoding="utf-8"), LOADER)
    assert isinstance(content, dict), path
    return content


KINDS: dict[str, Any] = parsed(ROOT / "config" / "findings.yaml")["kinds"]
VERTICALS = set(parsed(ROOT / "config" / "verticals.yaml")["verticals"])
FOLDERS = sorted(path.parent for path in SITES.glob("*/site.yaml"))

# Kinds without any fact among their sources need Lighthouse or field data; their coverage is not this test's.
OUR_KINDS = sorted(kind for kind, entry in KINDS.items() if any("fact" in source for source in entry["sources"]))
REQUIRED = {"slug", "about", "base_url", "today", "vertical", "platform", "headers", "tls", "resources", "expected"}
OPTIONAL = {"http", "hosts", "lighthouse", "field"}
RESOURCE_KEYS = {
    *("path", "file", "text", "bytes", "redirect", "status", "content_type", "headers"),
    *("set_cookie", "encoding", "compressed", "fault"),
}
EXPECTED_KEYS = {"key_pages", "findings", "unmeasured", "good", "technologies"}
PLATFORMS = {"wordpress", "wix", "squarespace", "shopify", "godaddy", "weebly", "webflow", "joomla", "drupal", "duda"}
REASONS = {
    *("robots", "invalid_tls", "http_error", "too_many_redirects", "unreachable", "timeout", "too_large", "not_html"),
    *("needs_browser", "no_lighthouse", "no_field_data", "not_told", None),
}


def load(folder: Path) -> dict[str, Any]:
    return parsed(folder / "site.yaml")


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_a_site_has_the_keys_of_the_format_and_no_others(folder: Path) -> None:
    site = load(folder)
    assert set(site) >= REQUIRED, REQUIRED - set(site)
    assert set(site) <= REQUIRED | OPTIONAL, set(site) - REQUIRED - OPTIONAL
    assert site["slug"] == folder.name
    assert site["vertical"] in VERTICALS
    assert site["platform"] in PLATFORMS | {None}
    assert site.get("http", "forwards") in {"forwards", "serves", "closed"}
    assert site["tls"] == "none" or set(site["tls"]) <= {"valid", "days_left"}
    assert all(name == name.lower() for name in site["headers"])


def test_hosts_are_reserved_names_that_nobody_can_own(folder: Path) -> None:
    site = load(folder)
    for host in (urlsplit(site["base_url"]).hostname, *site.get("hosts", {})):
        assert host is not None
        assert host.endswith(".example"), host


def test_a_resource_has_one_body_and_every_file_is_there(folder: Path) -> None:
    site = load(folder)
    groups = [site["resources"], *(host.get("resources", []) for host in site.get("hosts", {}).values())]
    named: set[str] = set()
    for resources in groups:
        paths = [resource["path"] for resource in resources]
        assert len(paths) == len(set(paths)), sorted(paths)
        for resource in resources:
            assert set(resource) <= RESOURCE_KEYS, resource
            bodies = [key for key in ("file", "text", "bytes", "redirect") if key in resource]
            assert len(bodies) == 1 or ("fault" in resource and not bodies), resource
            assert resource["path"].startswith("/")
            named |= {resource["file"]} if "file" in resource else set()
    there = {path.name for path in folder.iterdir()} - {"site.yaml"}
    assert named == there, named ^ there


def test_every_kind_and_reason_named_is_known(folder: Path) -> None:
    expected = load(folder)["expected"]
    assert set(expected) <= EXPECTED_KEYS, set(expected) - EXPECTED_KEYS
    assert {"key_pages", "findings"} <= set(expected)
    unmeasured = expected.get("unmeasured", {})
    named = {*expected["findings"], *unmeasured, *expected.get("good", [])} - {"all"}
    assert named <= set(KINDS), named - set(KINDS)
    assert set(unmeasured.values()) <= REASONS, unmeasured


def test_a_kind_is_found_or_good_or_unmeasured_and_never_two_of_them(folder: Path) -> None:
    expected = load(folder)["expected"]
    good = expected.get("good", [])
    named = [*expected["findings"], *expected.get("unmeasured", {}), *good]
    assert len(named) == len(set(named)), sorted(kind for kind in set(named) if named.count(kind) > 1)


def test_a_kind_of_chosen_verticals_is_named_in_these_only(folder: Path) -> None:
    site = load(folder)
    for kind in (*site["expected"]["findings"], *site["expected"].get("good", [])):
        assert site["vertical"] in KINDS[kind].get("verticals", [site["vertical"]]), kind


def test_the_severity_of_a_finding_is_that_of_its_number(folder: Path) -> None:
    for kind, finding in load(folder)["expected"]["findings"].items():
        entry = KINDS[kind]
        assert set(finding) <= {"severity", "measured"}, kind
        if "measured" not in finding:
            assert finding["severity"] == entry["plain"], kind
            continue
        below = entry.get("worse") == "below"
        number = finding["measured"]
        # A told number is rounded: it may lie on a level that the exact one has not reached.
        step = 0.5 * 10 ** -entry["decimals"] if "decimals" in entry else 0
        levels = set()
        for exact in (number - step, number, number + step):
            reached = [
                level for level, start in entry["severity"].items() if (exact < start if below else exact >= start)
            ]
            levels.add(int(max(reached, default=0)))
        assert finding["severity"] in levels, (kind, finding)


@pytest.mark.parametrize("kind", OUR_KINDS)
def test_two_sites_have_the_kind_and_two_are_measured_and_do_not(kind: str) -> None:
    expectations = [load(folder)["expected"] for folder in FOLDERS]
    having = [expected for expected in expectations if kind in expected["findings"]]
    without = [expected for expected in expectations if kind in expected.get("good", [])]
    assert len(having) >= 2
    assert len(without) >= 2


@pytest.mark.parametrize("kind", [kind for kind in OUR_KINDS if KINDS[kind].get("severity")])
def test_every_severity_of_a_kind_is_on_some_site(kind: str) -> None:
    found = {load(folder)["expected"]["findings"].get(kind, {}).get("severity") for folder in FOLDERS}
    assert set(map(int, KINDS[kind]["severity"])) <= found


def test_no_two_sites_share_a_home_page() -> None:
    pages = [path.read_bytes() for folder in FOLDERS for path in [folder / "index.html"] if path.exists()]
    assert len(pages) == len(set(pages))
