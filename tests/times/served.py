"""What the vendors really served about businesses that the businesses do not publish themselves: strings that must expire.

The truth log says what was asked; asked again, the sandbox gives the same answers. Whatever a string in them tells about one
business (its name, telephone, address, links, coordinates, in each vendor's own spelling) is looked for, unless the pages of
the businesses' own sites show it too, or the vendor lets it be kept for ever (ids).
"""

from __future__ import annotations

import dataclasses
import html
import json
import re
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from sandbox.process import SandboxProcess
from sandbox.sites.pages import page
from sandbox.world.seeded import SeededWorld
from sandbox.world.sites import chain_headquarters
from tests.careless.world import MAILED_AT

IDS = {"id", "yelp_id", "place_id", "resource"}  # may be kept for ever: config/vendor_terms.yaml
# A word of the API, not of the business. (That we keep "closed_temporarily" as our reason not to pursue it is another matter:
# a status is no string that a search can tell from ours.)
WORDS = {"businessStatus"}
SHORTEST = 7  # a shorter string is found anywhere
COMMON = 3  # said of so many businesses it tells nothing of one: towns, categories, hours
PAGES = ("/", "/contact", "/about")
READABLE = {"ok", "redirect_https", "redirect_other_host"}
SEED = "demo"  # of a sandbox that was started without one


@dataclasses.dataclass(frozen=True)
class Served:
    """Strings by vendor, and how many pages of how many own sites were read to tell what is published."""

    strings: dict[str, frozenset[str]]
    pages: int

    @property
    def all(self) -> frozenset[str]:
        """The strings of all vendors."""
        return frozenset().union(*self.strings.values())


def so_far(sandbox: SandboxProcess) -> int:
    """How many entries the truth log has: what other tests of the session asked for is not looked for."""
    return sum(httpx.get(f"{sandbox.base_url}/_truth").raise_for_status().json().values())


def by(sandbox: SandboxProcess, since: int = 0) -> Served:
    """What this sandbox served since its truth log had ``since`` entries."""
    said = {"yelp": list(_listings(sandbox, since)), "places": list(_places(sandbox, since))}
    hosts = {host for each in said["places"] if (host := _host(each.get("websiteUri")))}
    known = SeededWorld(SEED)
    pages = {host: "\n".join(_pages(known, host)) for host in sorted(hosts)}
    shown = "\n".join(pages.values()).lower()
    digits = re.sub(r"\D", "", shown)
    strings = {}
    for vendor, businesses in said.items():
        found = Counter(string for each in businesses for string in set(_strings(each)))
        told = {string for string, count in found.items() if count < COMMON and len(string) >= SHORTEST}
        told = {_without_site(string, {host for host, text in pages.items() if text}) for string in told}
        strings[vendor] = frozenset(s for s in told if s and not _is_shown(s, shown, digits))
    return Served(strings, sum(map(bool, pages.values())))


def spellings(strings: Iterable[str]) -> frozenset[str]:
    """Each string as it may be written down: plainly, in JSON, in HTML, in a URL, repeated in SQL."""
    found = set()
    for string in strings:
        found |= {string, json.dumps(string)[1:-1], html.escape(string), html.escape(string, quote=False)}
        found |= {urllib.parse.quote(string, safe=""), urllib.parse.quote_plus(string), string.replace("'", "''")}
    return frozenset(found)


def _listings(sandbox: SandboxProcess, since: int) -> Iterator[dict[str, Any]]:
    headers, seen = {"Authorization": "Bearer sandbox-yelp-key"}, set[str]()
    for query in _asked(sandbox, "yelp", since):
        url = f"{sandbox.base_url}/yelp/v3/businesses/search?{query}"
        for each in httpx.get(url, headers=headers).raise_for_status().json()["businesses"]:
            if each["id"] not in seen:
                seen.add(each["id"])
                yield each


def _places(sandbox: SandboxProcess, since: int) -> Iterator[dict[str, Any]]:
    """Each place once, with all that any search or look-up, which have masks of their own, told of it."""
    known: dict[str, dict[str, Any]] = {}
    searches = {
        json.dumps([e["mask"], e["body"]], sort_keys=True): e for e in _entries(sandbox, "places", "search", since)
    }
    lookups = {(e["mask"], e["id"]) for e in _entries(sandbox, "places", "details", since)}
    with httpx.Client(
        base_url=f"{sandbox.base_url}/places/v1", headers={"X-Goog-Api-Key": "sandbox-google-key"}
    ) as client:
        answers = [
            client.post("/places:searchText", json=e["body"], headers={"X-Goog-FieldMask": e["mask"]})
            for e in searches.values()
        ]
        told = [each for answer in answers for each in answer.raise_for_status().json().get("places", [])]
        for mask, place_id in sorted(lookups):
            told.append(client.get(f"/places/{place_id}", headers={"X-Goog-FieldMask": mask}).raise_for_status().json())
    for each in told:
        known.setdefault(each["id"], {}).update(each)
    yield from known.values()


def _asked(sandbox: SandboxProcess, vendor: str, since: int) -> list[str]:
    return list(dict.fromkeys(entry["id"] for entry in _entries(sandbox, vendor, "search", since)))


def _entries(sandbox: SandboxProcess, vendor: str, kind: str, since: int) -> list[dict[str, Any]]:
    found = httpx.get(f"{sandbox.base_url}/_truth/{vendor}", params={"kind": kind, "since": since})
    return list(found.raise_for_status().json())


def _strings(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from _strings(inside, name)
    elif isinstance(value, list):
        for inside in value:
            yield from _strings(inside, key)
    elif isinstance(value, str) and key not in IDS | WORDS and not value.startswith("places/"):
        yield value.strip()
    elif isinstance(value, float) and len(str(value)) >= SHORTEST:
        yield str(value)


def _host(url: str | None) -> str | None:
    return urllib.parse.urlsplit(url).hostname if url else None


def _without_site(string: str, answering: set[str]) -> str:
    """A website's address is ours once the site has answered us; before that only the vendor knows it."""
    host = _host(string) if string.startswith("http") else None
    if host is None or not host.endswith(".example"):
        return string
    return "" if host in answering else host


def _is_shown(string: str, shown: str, digits: str) -> bool:
    number = re.sub(r"\D", "", string)
    if re.fullmatch(r"\+?1?[\s.()-]*\d{3}[\s.()-]*\d{3}[\s.()-]*\d{4}", string):
        return number[-10:] in digits
    return string.lower() in shown


def _pages(world: SeededWorld, host: str) -> Iterator[str]:
    """The pages of a site that a visitor who honours robots.txt can read."""
    site = world.site(host)
    if site is None or site.behaviour not in READABLE:
        return
    chain = site.business_key.startswith("chain:")
    business = chain_headquarters(site) if chain else world.business(site.business_key)
    for path in PAGES:
        shown = page(site, business, path, "https", MAILED_AT.year)
        yield html.unescape(shown or "")
