"""The golden sites, served over real HTTP and TLS, crawled and judged: precision and recall by finding kind."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.limits import SiteLimits
from leadfactory.d03_assessment import technologies
from leadfactory.d03_assessment.catalogue import catalogue, needs, shown
from leadfactory.d03_assessment.crawl import crawl
from leadfactory.d03_assessment.judging import NO_LAB, Judgement, Lab, judge
from leadfactory.d03_assessment.measurement import SiteMeasurement
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.unit.d00_gateway.conftest import policies_of
from tests.unit.d03_assessment import golden_sites

FOLDERS = golden_sites.every_site()
HASTE = SiteLimits(first_byte_s=3, total_s=10)  # a busy machine still answers in time
KINDS = catalogue().kinds


@dataclasses.dataclass(frozen=True)
class Result:
    """What came out for one site."""

    site: golden_sites.Golden
    crawl: SiteMeasurement
    judged: Judgement
    strangers: set[str]
    requests: int

    @property
    def found(self) -> dict[str, tuple[int, str | None]]:
        return {
            each.kind: (each.severity, None if each.measured is None else shown(each.kind, each.measured))
            for each in self.judged.findings
        }


async def _measure(folder: Path, gateway: Gateway, ca_file: Path) -> Result:
    site = golden_sites.load(folder)
    server = golden_sites.GoldenServer(site.hosts)
    async with server.running():
        ca_file.write_bytes(server.authority.pem())  # noqa: ASYNC240  a kilobyte, in a test
        settings = Settings(
            env="test", website_resolver=f"127.0.0.1:{server.port}", website_gateway=f"127.0.0.1:{server.port}",
            website_ca_file=ca_file, public_url="https://lf.example",
        )  # fmt: skip
        # A certificate is checked on the clock on the wall, so its days are counted from there too.
        measured = await crawl(WebsiteClient(gateway, settings, HASTE), site.base_url, now=dt.datetime.now(dt.UTC))
    noon = dt.datetime.combine(site.today, dt.time(12), dt.UTC)
    lighthouse = golden_sites.lighthouse_of(site)
    failed = NO_LAB.reason if lighthouse is None else None
    lab = Lab(lighthouse or {}, golden_sites.field_of(site), site.base_url, noon, failed)
    judged = judge(measured, lab, on=site.today, vertical=site.content.get("vertical"))
    return Result(site, measured, judged, server.strangers, len(server.requests))


@pytest.fixture(scope="module")
def results(postgres, tmp_path_factory) -> Mapping[str, Result]:
    """All sites, measured once."""
    database, at = Database(postgres.url("app")), tmp_path_factory.mktemp("golden")
    retry = {"attempts": 2, "base_s": 0.01, "cap_s": 0.02}
    policies = policies_of("website", json_answers=False, caches=False, timeout_s=20, retry=retry)
    gateway = Gateway(database, clock=Clock(), settings=Settings(env="test"), policies=policies)

    async def all_of_them() -> list[Result]:
        few = asyncio.Semaphore(6)

        async def one(folder: Path) -> Result:
            async with few:
                return await _measure(folder, gateway, at / f"{folder.name}.pem")

        async with gateway.running():
            return await asyncio.gather(*map(one, FOLDERS))

    try:
        return {result.site.slug: result for result in asyncio.run(all_of_them())}
    finally:
        database.dispose()


def expected_findings(site: golden_sites.Golden) -> dict[str, dict[str, Any]]:
    return {kind: dict(told or {}) for kind, told in (site.expected.get("findings") or {}).items()}


def expected_absent(site: golden_sites.Golden, kind: str) -> bool | None:
    """Whether a kind must be told as measured and good (True), as unmeasured (False), or is not spoken of (None)."""
    told = site.expected.get("unmeasured") or {}
    if kind in (site.expected.get("good") or []):
        return True
    if kind in told:
        return False
    if "all" in told and {"home", "pages"} & set(needs(kind)):
        return False
    return None


def problems(result: Result) -> list[str]:
    """All in which a site's result is not what was expected."""
    wanted, got, site = expected_findings(result.site), result.found, result.site
    told = [f"missed {kind} {wanted[kind]}" for kind in wanted if kind not in got]
    told += [f"found {kind} {got[kind]}, which is not expected" for kind in got if kind not in wanted]
    for kind in wanted.keys() & got.keys():
        severity, measured = got[kind]
        if wanted[kind].get("severity", severity) != severity:
            told.append(f"{kind}: severity {severity}, expected {wanted[kind]['severity']}")
        if "measured" in wanted[kind] and measured != shown(kind, Decimal(str(wanted[kind]["measured"]))):
            told.append(f"{kind}: measured {measured}, expected {wanted[kind]['measured']}")
    return told + _unmeasured_problems(result) + _more_problems(result, site)


def _unmeasured_problems(result: Result) -> list[str]:
    told, wanted, left = [], result.site.expected.get("unmeasured") or {}, result.judged.unmeasured
    for kind in result.site.expected.get("good") or []:
        if kind in left:
            told.append(f"{kind} was not measured ({left[kind]}), expected good")
    for kind, reason in wanted.items():
        if kind != "all" and kind not in left:
            told.append(f"{kind} was measured, expected not ({reason})")
        elif kind != "all" and reason is not None and left[kind] != reason:
            told.append(f"{kind}: not measured for {left[kind]}, expected {reason}")
    if "all" in wanted and result.crawl.reason != wanted["all"]:
        told.append(f"the home page: {result.crawl.reason}, expected {wanted['all']}")
    if "all" in wanted:
        spoken = {*expected_findings(result.site), *(result.site.expected.get("good") or []), *wanted}
        judged_by_lab = set() if golden_sites.lighthouse_of(result.site) is None else {"lighthouse", "field"}
        for kind, reason in left.items():
            if kind not in spoken and needs(kind)[0] in {"home", "pages"} and reason != wanted["all"]:
                told.append(f"{kind}: not measured for {reason}, expected {wanted['all']}")
        told += [
            f"{kind} was measured, expected not ({wanted['all']})"
            for kind, known in KINDS.items()
            if kind not in spoken and kind not in left and set(needs(kind)) <= {"home", "pages"} | ({"lighthouse"} - judged_by_lab)
            and (not known.verticals or result.site.content.get("vertical") in known.verticals)
        ]  # fmt: skip
    return told


def _more_problems(result: Result, site: golden_sites.Golden) -> list[str]:
    told = []
    pages = [f"/{page.url.split('/', 3)[3]}" for page in result.crawl.key_pages]
    if "key_pages" in site.expected and pages != list(site.expected["key_pages"] or []):
        told.append(f"key pages {pages}, expected {site.expected['key_pages']}")
    if "platform" in site.content and result.crawl.platform != site.content["platform"]:
        told.append(f"platform {result.crawl.platform}, expected {site.content['platform']}")
    names = {technologies.known().technologies[each["id"]].name for each in result.crawl.technologies}
    missing = sorted(set(site.expected.get("technologies") or []) - names)
    told += [f"technologies {missing} not found among {sorted(names)}"] if missing else []
    return told + ([f"asked {sorted(result.strangers)}"] if result.strangers else [])


@dataclasses.dataclass
class Tally:
    """One kind over all sites."""

    hits: int = 0
    missed: int = 0
    wrong: int = 0
    absent: int = 0


def tallied(results: Mapping[str, Result]) -> dict[str, Tally]:
    """By kind: found as expected, missed, found though not expected, and sites that say it is good."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for result in results.values():
        wanted, got = expected_findings(result.site), result.found
        for kind in KINDS:
            tally = tallies[kind]
            tally.hits += kind in wanted and kind in got
            tally.missed += kind in wanted and kind not in got
            tally.wrong += kind not in wanted and kind in got
            tally.absent += kind not in wanted and kind not in result.judged.unmeasured
    return tallies


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_golden_site_gives_exactly_its_findings(folder, results):
    result = results[golden_sites.load(folder).slug]
    assert problems(result) == []


def test_precision_and_recall_are_at_least_98_percent(results, capsys):
    tallies = tallied(results)
    sums = Counter[str]()
    with capsys.disabled():
        print(f"\n{'kind':28}{'present':>9}{'absent':>8}{'precision':>11}{'recall':>8}   ({len(results)} sites)")
        for kind, tally in tallies.items():
            present, found = tally.hits + tally.missed, tally.hits + tally.wrong
            precision = f"{tally.hits / found:.2f}" if found else "-"
            recall = f"{tally.hits / present:.2f}" if present else "-"
            print(f"{kind:28}{present:>9}{tally.absent:>8}{precision:>11}{recall:>8}")
            sums += Counter(hits=tally.hits, missed=tally.missed, wrong=tally.wrong)
        precision, recall = (
            sums["hits"] / (sums["hits"] + sums["wrong"]),
            sums["hits"] / (sums["hits"] + sums["missed"]),
        )
        print(
            f"overall: precision {precision:.4f}, recall {recall:.4f} of {sums['hits'] + sums['missed']} expected findings"
        )
    assert min(precision, recall) >= 0.98


def test_every_kind_is_present_on_two_sites_and_absent_on_two(results):
    thin = {
        kind: (tally.hits + tally.missed, tally.absent)
        for kind, tally in tallied(results).items()
        if tally.hits + tally.missed < 2 or tally.absent < 2
    }
    assert thin == {}


def test_there_are_at_least_30_sites():
    assert len(FOLDERS) >= 30
